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


async def write(connection: asyncpg.Connection, group: int, devices: Mapping[str, str]) -> bool:
    """Let these lamps (lamp → device) be the group's; whether that changed anything. A lamp that hears another group
    stays there; one with another device has said nothing yet."""
    gone = await connection.execute(
        "DELETE FROM lorawan_member WHERE grp = $1 AND NOT (lamp = ANY($2::text[]))", group, list(devices)
    )
    put = await connection.execute(
        "INSERT INTO lorawan_member AS old (lamp, grp, device) "
        "SELECT lamp, $1, device FROM unnest($2::text[], $3::text[]) AS new (lamp, device) ORDER BY lamp "
        "ON CONFLICT (lamp) DO UPDATE SET device = excluded.device, state = 'unheard', heard_at = NULL, "
        "version = NULL, hash = NULL, drift = NULL, level = NULL, expected = NULL, told = 0 "
        "WHERE old.grp = excluded.grp AND old.device <> excluded.device",
        group,
        list(devices),
        list(devices.values()),
    )
    return not (gone.endswith(" 0") and put.endswith(" 0"))
