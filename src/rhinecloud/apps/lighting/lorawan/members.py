"""Which lamps hear a multicast group: rows that other areas ask for, too. The row of a lamp follows from the group of
lamps that a multicast group is for, and from the device that the lamp names (`refDevice`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import asyncpg

Connection: TypeAlias = asyncpg.Connection | asyncpg.Pool


async def of_lamps(connection: Connection) -> dict[str, int]:
    """lamp → number of its multicast group."""
    records = await connection.fetch("SELECT lamp, grp FROM lorawan_member")
    return {record[0]: record[1] for record in records}


async def by_lamp(connection: Connection, lamps: Sequence[str]) -> dict[str, int]:
    """The same of these lamps."""
    records = await connection.fetch(
        "SELECT lamp, grp FROM lorawan_member WHERE lamp = ANY($1::text[])", list(lamps)
    )
    return {record[0]: record[1] for record in records}


async def write(
    connection: asyncpg.Connection, group: int, devices: Mapping[str, str]
) -> tuple[bool, list[asyncpg.Record]]:
    """Let these lamps (lamp → device) be the group's; whether that changed anything, and devices with the troubles of
    lamps that left. A lamp that hears another group stays there; one with another device left and came anew."""
    new = "unnest($2::text[], $3::text[]) AS new (lamp, device)"
    given = (group, list(devices), list(devices.values()))
    gone = await connection.fetch(
        "DELETE FROM lorawan_member AS old WHERE grp = $1 AND NOT EXISTS "
        f"(SELECT FROM {new} WHERE new.lamp = old.lamp AND new.device = old.device) RETURNING device, troubles",
        *given,
    )
    put = await connection.execute(
        "INSERT INTO lorawan_member (lamp, grp, device) "
        f"SELECT lamp, $1, device FROM {new} ORDER BY lamp ON CONFLICT DO NOTHING",
        *given,
    )
    return bool(gone) or not put.endswith(" 0"), gone
