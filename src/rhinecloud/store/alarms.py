"""What is wrong with devices: rows that count up while they are open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg
import msgspec

Connection: TypeAlias = "asyncpg.Connection | asyncpg.Pool"


class Alarm(msgspec.Struct, frozen=True):
    """Something is wrong with a device, or (`device` None) with nobody in particular.

    `times`: how often it was raised since `first_at`; `detail` is that of the last time.
    """

    id: int
    device: str | None
    kind: str
    first_at: datetime
    last_at: datetime
    times: int
    detail: dict[str, Any]
    acknowledged_at: datetime | None


class Raised(msgspec.Struct, frozen=True):
    """What is to be written: `known_only` names the device only if there is such a device, else nobody."""

    device: str | None
    kind: str
    detail: dict[str, Any]
    times: int
    first_at: datetime
    last_at: datetime
    known_only: bool = False


_FIELDS = "id, device, kind, first_at, last_at, times, detail, acknowledged_at"

# Two rows of one statement must not meet in one alarm: those of unknown names are gathered first.
_RAISE = """
INSERT INTO device_alarm (device, kind, first_at, last_at, times, detail)
SELECT named.device, named.kind, min(first_at), max(last_at), sum(times),
       (array_agg(detail ORDER BY last_at DESC))[1]
  FROM (SELECT CASE WHEN NOT known_only OR EXISTS (SELECT FROM device WHERE device.id = new.device)
                    THEN new.device END AS device,
               kind, times, first_at, last_at, detail
          FROM jsonb_to_recordset($1::jsonb) AS new (device text, kind text, times bigint, first_at timestamptz,
                                                     last_at timestamptz, detail jsonb, known_only boolean)) named
 GROUP BY named.device, named.kind ORDER BY named.device, named.kind
ON CONFLICT (device, kind) WHERE acknowledged_at IS NULL DO UPDATE
   SET times = device_alarm.times + excluded.times,
       last_at = greatest(device_alarm.last_at, excluded.last_at), detail = excluded.detail
"""


async def raise_all(connection: Connection, alarms: Sequence[Raised]) -> None:
    """Open alarms, or count up those that are open."""
    await connection.execute(_RAISE, msgspec.json.encode(alarms).decode())


async def page(
    connection: Connection,
    *,
    device: str | None = None,
    kind: str | None = None,
    acknowledged: bool = False,
    before: int | None = None,
    limit: int = 50,
    nobodys: bool = False,
) -> list[Alarm]:
    """Alarms with the highest ids first, below the id `before`; open ones unless `acknowledged`.

    `nobodys`: only those that name no device.
    """
    rows = await connection.fetch(
        f"SELECT {_FIELDS} FROM device_alarm WHERE ($1::text IS NULL OR device = $1) "
        "AND ($2::text IS NULL OR kind = $2) AND ($3 OR acknowledged_at IS NULL) "
        "AND ($4::bigint IS NULL OR id < $4) AND (NOT $6 OR device IS NULL) ORDER BY id DESC LIMIT $5",
        *(device, kind, acknowledged, before, limit, nobodys),
    )
    return [_alarm(row) for row in rows]


async def counts(connection: Connection) -> dict[str, int]:
    """How many alarms of each kind are open."""
    rows = await connection.fetch(
        "SELECT kind, count(*) FROM device_alarm WHERE acknowledged_at IS NULL GROUP BY kind ORDER BY kind"
    )
    return {row["kind"]: row["count"] for row in rows}


async def counts_of(connection: Connection, devices: Sequence[str]) -> dict[str, int]:
    """How many alarms are open of each of these devices that has any."""
    rows = await connection.fetch(
        "SELECT device, count(*) FROM device_alarm WHERE acknowledged_at IS NULL AND device = ANY($1) GROUP BY device",
        list(devices),
    )
    return {row["device"]: row["count"] for row in rows}


async def acknowledge(connection: Connection, alarm: int) -> Alarm | None:
    """Close one; None if there is no such alarm, or it is closed."""
    row = await connection.fetchrow(
        "UPDATE device_alarm SET acknowledged_at = now() WHERE id = $1 AND acknowledged_at IS NULL "
        f"RETURNING {_FIELDS}",
        alarm,
    )
    return None if row is None else _alarm(row)


async def clear(connection: Connection, device: str | None, kind: str) -> Alarm | None:
    """Close the open alarm of this device and kind; None if there is none."""
    row = await connection.fetchrow(
        "UPDATE device_alarm SET acknowledged_at = now() WHERE device IS NOT DISTINCT FROM $1 AND kind = $2 "
        f"AND acknowledged_at IS NULL RETURNING {_FIELDS}",
        device,
        kind,
    )
    return None if row is None else _alarm(row)


async def last_raised(connection: Connection, kind: str) -> datetime | None:
    """When an alarm of this kind was raised last."""
    last: datetime | None = await connection.fetchval(
        "SELECT max(last_at) FROM device_alarm WHERE kind = $1", kind
    )
    return last


async def forget(connection: Connection, days: float) -> int:
    """Delete what was acknowledged and not raised for so many days; returns how many."""
    told: str = await connection.execute(
        "DELETE FROM device_alarm WHERE acknowledged_at < now() - $1 * interval '1 day'", days
    )
    return int(told.split()[-1])


def _alarm(row: asyncpg.Record) -> Alarm:
    fields = dict(row)
    fields["detail"] = msgspec.json.decode(row["detail"])
    return Alarm(**fields)
