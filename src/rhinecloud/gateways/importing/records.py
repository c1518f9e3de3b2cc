"""Reading sources: one record after the other, each with the line (or the number of the feature) it stands at."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from rhinecloud.gateways.importing.mapping import Source

Format = Literal["csv", "geojson", "ndjson"]
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".geojson": "geojson",
    ".json": "geojson",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".geojsonl": "ndjson",
}
_DELIMITERS = ",;\t|"
_MAX_FIELD = 16 * 1024 * 1024  # characters: a long polygon as WKT


class SourceError(Exception):
    """A file that cannot be read at all."""


class Record(msgspec.Struct, frozen=True):
    """`line` counts from 1: the last line of a CSV record, a line of NDJSON, a feature of GeoJSON.

    `problem` says why the line holds no record.
    """

    line: int
    values: dict[str, Any]
    geometry: Any = None
    problem: str | None = None


def format_of(path: Path, source: Source) -> Format:
    """The format of a file. Raises SourceError."""
    found = source.format or _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise SourceError(f"{path.name}: csv, geojson or ndjson? Say it in the mapping: source.format.")
    return found


def count(path: Path, source: Source) -> int | None:
    """How many lines there are, for the progress bar; None where only reading tells."""
    if format_of(path, source) == "geojson":
        return None
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")


def read(path: Path, source: Source) -> Iterator[Record]:
    """The records of a file. Raises SourceError where the file as a whole is not what it should be."""
    readers = {"csv": _csv, "geojson": _geojson, "ndjson": _ndjson}
    try:
        yield from readers[format_of(path, source)](path, source)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path.name} is not written in {error.encoding} (byte {error.start}); "
            "say how in the mapping: source.encoding"
        ) from None
    except LookupError as error:
        raise SourceError(f"{path.name}: {error}") from None
    except OSError as error:
        raise SourceError(f"{path.name} cannot be read: {error.strerror}") from None


def _csv(path: Path, source: Source) -> Iterator[Record]:
    csv.field_size_limit(_MAX_FIELD)
    with path.open(encoding=source.encoding, newline="") as file:
        delimiter = source.delimiter or _delimiter(file.readline())
        file.seek(0)
        lines = csv.reader(file, delimiter=delimiter)
        header = [name.strip() for name in next(lines, [])]
        if not header:
            raise SourceError(f"{path.name} is empty")
        double = {name for name in header if header.count(name) > 1}
        if double:
            raise SourceError(f"{path.name} has two columns of the name {sorted(double)[0]!r}")
        while True:
            try:
                fields = next(lines, None)
            except csv.Error as error:
                yield Record(lines.line_num, {}, problem=f"no CSV: {error}")
                continue
            if fields is None:
                return
            if not fields:
                continue
            if len(fields) != len(header):
                yield Record(
                    lines.line_num,
                    {"": fields},
                    problem=f"{len(fields)} fields where the header has {len(header)}",
                )
                continue
            yield Record(lines.line_num, dict(zip(header, map(str.strip, fields), strict=True)))


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _ndjson(path: Path, source: Source) -> Iterator[Record]:
    decode = msgspec.json.Decoder().decode
    with path.open(encoding=source.encoding, newline="\n") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                document = decode(text)
            except (msgspec.DecodeError, RecursionError) as error:
                yield Record(number, {"": text.strip()[:1_000]}, problem=f"no JSON: {error}")
                continue
            yield _feature(number, document)


def _geojson(path: Path, source: Source) -> Iterator[Record]:
    try:
        document = msgspec.json.decode(path.read_text(source.encoding))
    except (msgspec.DecodeError, RecursionError) as error:
        raise SourceError(f"{path.name} is no JSON: {error}") from None
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "FeatureCollection":
        parts = document.get("features")
    elif kind == "GeometryCollection":
        parts = document.get("geometries")
    else:
        parts = document if isinstance(document, list) else [document]
    if not isinstance(parts, list):
        raise SourceError(f"{path.name} is a {kind} without a list of parts")
    for number, part in enumerate(parts, 1):
        yield _feature(number, part)


def _feature(number: int, document: Any) -> Record:
    """A feature, a bare geometry, or any JSON object."""
    if not isinstance(document, dict):
        return Record(number, {"": document}, problem="no JSON object")
    if document.get("type") == "Feature":
        properties = document.get("properties") or {}
        if not isinstance(properties, dict):
            return Record(number, document, problem="the feature's properties are no JSON object")
        identified = {"id": document["id"], **properties} if "id" in document else properties
        return Record(number, identified, document.get("geometry"))
    if "coordinates" in document or document.get("type") == "GeometryCollection":
        return Record(number, {"number": number}, document)
    return Record(number, document)
