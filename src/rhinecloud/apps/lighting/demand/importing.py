"""A network of roads from a GeoJSON file."""

from __future__ import annotations

from typing import Any

import msgspec

from rhinecloud.app import Text
from rhinecloud.city import City

from . import store
from .roads import Problem, Roads, Way, ways_of


class Unreadable(Exception):
    """The file as a whole cannot be taken."""

    def __init__(self, german: str, english: str) -> None:
        super().__init__(english)
        self.message: Text = (german, english)


class Read(msgspec.Struct, frozen=True):
    """What a file has: `metres` is the length of all ways."""

    ways: list[Way]
    metres: float
    problems: list[Problem]


def read(content: bytes) -> Read:
    """The ways of a FeatureCollection (RFC 7946). Raises Unreadable. Takes its time with a large one."""
    try:
        document: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("Die Datei ist kein JSON.", "The file is no JSON.") from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise Unreadable(
            "Die Datei ist keine FeatureCollection (GeoJSON).", "The file is no FeatureCollection (GeoJSON)."
        )
    ways, problems = ways_of(features)
    try:
        roads = Roads(ways)
    except ValueError:
        raise Unreadable(
            "In der Datei ist keine Straße: keine Linie aus zwei verschiedenen Punkten in Grad.",
            "There is no road in the file: no line of two different points in degrees.",
        ) from None
    return Read(ways, sum(edge.length for edge in roads.edges), problems)


async def take(city: City, actor: str, name: str, found: Read) -> None:
    """Take them in place of the roads before; tables are computed anew."""
    await store.put_roads(city, actor, name, found.ways, found.metres)
