"""A file and a mapping as entities, for whoever writes them by other ways than the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rhinecloud.gateways.importing.entities import Rejected, Skipped, builder
from rhinecloud.gateways.importing.mapping import Mapping
from rhinecloud.gateways.importing.records import read


class Mapped(msgspec.Struct, frozen=True):
    """A record of a file: the entity that it makes (concise NGSI-LD), or why it makes none (`problem`, English)."""

    line: int
    entity: dict[str, Any] | None
    problem: str = ""


def mapped(path: Path, mapping: Mapping) -> Iterator[Mapped]:
    """The records of a file in their order, without those that a rule of the mapping leaves out. Raises SourceError for
    a file that cannot be read as a whole, MappingError."""
    build = builder(mapping)
    for record in read(path, mapping.source):
        try:
            yield Mapped(record.line, build(record))
        except Rejected as error:
            yield Mapped(record.line, None, str(error))
        except Skipped:
            continue


__all__ = ["Mapped", "mapped"]
