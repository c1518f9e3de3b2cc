"""Which lamps light on demand may raise, and to which level: of the tables, never of anybody who passes. Whether a lamp
is raised just now is kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import asyncpg
import msgspec

from .neighbours import Table, decode

Connection: TypeAlias = asyncpg.Connection | asyncpg.Pool


class Raising(msgspec.Struct, frozen=True):
    """`most`: lamp → the highest level in percent that anybody raises it to. Of a version of the tables."""

    version: int
    most: Mapping[str, float]


NONE: Final = Raising(0, {})


async def current(connection: Connection, known: Raising = NONE) -> Raising:
    """By the newest tables; `known` itself if there are none newer."""
    version = await connection.fetchval("SELECT coalesce(max(version), 0) FROM demand_table")
    if version == known.version:
        return known
    most: dict[str, float] = {}
    for record in await connection.fetch("SELECT body FROM demand_part"):
        for lamp, level in _levels(decode(record[0])).items():
            most[lamp] = max(level, most.get(lamp, 0.0))
    return Raising(version, most)


async def of_lamp(connection: Connection, lamp: str) -> float | None:
    """The same of one lamp; None if nobody raises it."""
    records = await connection.fetch(
        "SELECT body FROM demand_part WHERE position($1::bytea IN body) > 0", msgspec.json.encode(lamp)
    )
    levels = (_levels(decode(record[0])).get(lamp) for record in records)
    return max((level for level in levels if level is not None), default=None)


def _levels(table: Table) -> dict[str, float]:
    """Lamp → the highest level that a traveller or a zone raises it to."""
    most: dict[str, float] = {}
    ahead = max((profile.level for profile in table.profiles.values()), default=0.0)
    for there in table.detectors.values():
        raised = [(number, ahead) for flat in there.flats() for number in flat[::2]]
        for zone in there.zones:
            level = max((one.level for one in zone.reacts.values()), default=0.0)
            raised += [(number, level) for number in zone.lamps]
        for number, level in raised:
            lamp = table.lamps[number]
            most[lamp] = max(level, most.get(lamp, 0.0))
    return most
