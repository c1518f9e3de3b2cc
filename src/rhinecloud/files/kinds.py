"""What kinds of files are taken, recognised by their content: the name and what the sender says prove nothing.

A kind is on the list because its content can be told for certain here. What may carry a script or a macro is not on it.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import msgspec

_HEAD = 64  # bytes that tell the kind of most files
_MOST_ENTRIES = 10_000  # in a package
_MOST_UNPACKED = 512 * 1024 * 1024  # bytes in all parts of a package
_LARGEST_DIRECTORY = 1024 * 1024  # bytes of a package's own list of parts


class Kind(msgspec.Struct, frozen=True):
    """A kind of file: its media type, the ends of its names (the usual one first), whether it is an image."""

    type: str
    ends: tuple[str, ...]
    image: bool = False


JPEG = Kind("image/jpeg", ("jpg", "jpeg", "jpe"), True)
PNG = Kind("image/png", ("png",), True)
WEBP = Kind("image/webp", ("webp",), True)
PDF = Kind("application/pdf", ("pdf",))
TEXT = Kind("text/plain", ("txt", "text", "md", "log"))
CSV = Kind("text/csv", ("csv",))
_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
DOCX = Kind(_OOXML + "wordprocessingml.document", ("docx",))
XLSX = Kind(_OOXML + "spreadsheetml.sheet", ("xlsx",))
PPTX = Kind(_OOXML + "presentationml.presentation", ("pptx",))
ODT = Kind(_ODF + "text", ("odt",))
ODS = Kind(_ODF + "spreadsheet", ("ods",))
ODP = Kind(_ODF + "presentation", ("odp",))

IMAGES = (JPEG, PNG, WEBP)
DOCUMENTS = (PDF, DOCX, XLSX, PPTX, ODT, ODS, ODP)
TABLES = (CSV, TEXT)
KINDS = IMAGES + DOCUMENTS + TABLES

# The main part of a package says what it is. Those with macros have other types ("…macroEnabled.main+xml").
_MAIN_PARTS = {
    f"{_OOXML}{name}.main+xml".encode(): kind
    for name, kind in (
        ("wordprocessingml.document", DOCX),
        ("spreadsheetml.sheet", XLSX),
        ("presentationml.presentation", PPTX),
    )
}
_OPEN_DOCUMENTS = {kind.type: kind for kind in (ODT, ODS, ODP)}
_MACROS = re.compile(r"(^|/)(vbaproject|vbadata)[^/]*$|^(basic|scripts)/", re.IGNORECASE)
# Control characters that no text has: all but tab, line feed, form feed, carriage return.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")


def recognise(path: Path, name: str) -> Kind | None:
    """The kind of the file at `path` by its content; None if it is none of KINDS. `name` only tells CSV from text."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head.startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"PK\x03\x04"):
        return _package(path)
    if head and _is_text(path):
        return CSV if name.lower().endswith(".csv") else TEXT
    return None


def _package(path: Path) -> Kind | None:
    """An office document: a ZIP package that says so itself (ECMA-376-2 §10, OpenDocument 1.3 part 2 §3)."""
    try:
        with zipfile.ZipFile(path) as package:
            entries = package.infolist()
            names = [entry.filename for entry in entries]
            if len(entries) > _MOST_ENTRIES or sum(entry.file_size for entry in entries) > _MOST_UNPACKED:
                return None
            if any(
                entry.startswith("/") or ".." in entry.split("/") or _MACROS.search(entry) for entry in names
            ):
                return None
            if names[:1] == ["mimetype"]:
                told = _part(package, "mimetype").decode("ascii", "replace")
                return _OPEN_DOCUMENTS.get(told.strip())
            if "[Content_Types].xml" in names:
                told_types = _part(package, "[Content_Types].xml")
                return next((kind for main, kind in _MAIN_PARTS.items() if main in told_types), None)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        return None
    return None


def _part(package: zipfile.ZipFile, name: str) -> bytes:
    """The beginning of a part: a package may say that it unpacks to less than it does."""
    with package.open(name) as part:
        return part.read(_LARGEST_DIRECTORY)


def _is_text(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            while text := file.read(256 * 1024):
                if _NO_TEXT.search(text):
                    return False
    except UnicodeDecodeError:
        return False
    return True
