"""Less light behind gateways while counted traffic needs less: overrides with an end that nobody made.

The calendar in the gateway is the full class and runs on. So whatever goes away (the count, the worker, the line), the
override ends in the field and the full class burns. What somebody overrode themselves goes before: such a row is never
written. Lamps that sensors of their gateway raise are left out, for an override would hold them down.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from .gateways import Connection

LEAST: Final = timedelta(minutes=5)  # between two times that a lamp is told less light; more is told at once
SHORTEST: Final = timedelta(minutes=10)  # less light for shorter than this is not told
RENEW: Final = timedelta(minutes=15)  # before its end it is told a later one

# $1 lamps, $2 percent, $3 ends.
_WISHES: Final = (
    "WITH wish AS MATERIALIZED (SELECT address AS device, gateway, new.level, new.ends "
    "FROM unnest($1::text[], $2::smallint[], $3::timestamptz[]) AS new (lamp, level, ends) "
    "JOIN talq_device USING (lamp) WHERE NOT EXISTS (SELECT FROM talq_quiet AS q WHERE q.device = address))"
)
# A row that is on its way to a gateway is locked and comes next time: nobody waits for a line. Another version than the
# one that was looked at is somebody else's.
_CHANGED: Final = (
    _WISHES + ", due AS MATERIALIZED (SELECT old.device, old.version, wish.gateway, wish.level, wish.ends, "
    "CASE WHEN old.automatic THEN old.due_at END AS until, "
    "old.automatic AND old.ends > $4::timestamptz AND old.level = wish.level AS same "
    "FROM wish JOIN talq_override AS old USING (device) WHERE old.asked_at <= $4 AND CASE "
    "WHEN old.level IS NOT NULL AND (old.ends IS NULL OR old.ends > $4) AND NOT old.automatic THEN false "
    "WHEN old.level IS NOT NULL AND old.ends > $4 THEN CASE "
    "WHEN wish.level > old.level THEN true "
    "WHEN wish.level < old.level THEN wish.ends >= $4 + $6::interval AND old.asked_at <= $4 - $5::interval "
    "WHEN wish.ends > old.ends THEN old.ends <= $4 + $7::interval AND old.asked_at <= $4 - $5 "
    "ELSE wish.ends < old.ends END "
    "ELSE wish.ends >= $4 + $6 AND (NOT old.automatic OR old.asked_at <= $4 - $5) END "
    "), held AS MATERIALIZED (SELECT due.* FROM due JOIN talq_override AS old USING (device) "
    "WHERE old.version = due.version ORDER BY old.device FOR UPDATE OF old SKIP LOCKED), "
    "done AS (UPDATE talq_override AS o SET gateway = held.gateway, version = o.version + 1, level = held.level, "
    "ends = held.ends, state = 'asked', automatic = true, actor = $8, asked_at = $4, "
    # Until then the gateway may have an earlier one: it is tried for as long.
    "due_at = greatest(held.ends, held.until), next_at = $4, attempts = 0, sent_at = NULL, settled_at = NULL, "
    "trouble = NULL FROM held WHERE o.device = held.device RETURNING held.same) "
    "SELECT count(*) FILTER (WHERE NOT coalesce(same, false)), count(*), (SELECT count(*) FROM due) FROM done"
)
_FIRST: Final = (
    _WISHES + ", done AS (INSERT INTO talq_override "
    "(device, gateway, version, level, ends, state, automatic, actor, asked_at, due_at, next_at) "
    "SELECT device, gateway, 1, level, ends, 'asked', true, $6, $4, ends, $4 FROM wish "
    "WHERE ends >= $4::timestamptz + $5::interval "
    "AND NOT EXISTS (SELECT FROM talq_override AS old WHERE old.device = wish.device) "
    "ORDER BY device ON CONFLICT DO NOTHING RETURNING device) SELECT count(*) FROM done"
)
_ENDED: Final = (
    "WITH kept AS MATERIALIZED (SELECT address AS device FROM unnest($1::text[]) AS given (lamp) "
    "JOIN talq_device USING (lamp) WHERE NOT EXISTS (SELECT FROM talq_quiet AS q WHERE q.device = address)), "
    "due AS MATERIALIZED (SELECT device, version FROM talq_override AS old WHERE automatic AND level IS NOT NULL "
    "AND ends > $2::timestamptz AND asked_at <= $2 "
    "AND NOT EXISTS (SELECT FROM kept WHERE kept.device = old.device)), "
    "held AS MATERIALIZED (SELECT due.* FROM due JOIN talq_override AS old USING (device) "
    "WHERE old.version = due.version ORDER BY old.device FOR UPDATE OF old SKIP LOCKED), "
    "done AS (UPDATE talq_override AS o SET version = o.version + 1, level = NULL, ends = NULL, state = 'asked', "
    "asked_at = $2, next_at = $2, attempts = 0, sent_at = NULL, settled_at = NULL, trouble = NULL "
    "FROM held WHERE o.device = held.device RETURNING o.device) SELECT count(*), (SELECT count(*) FROM due) FROM done"
)


class Told(NamedTuple):
    """How many lamps are told another level, how many are given back to their calendar, and how many are told only that
    it holds for longer or shorter. `waiting` are on their way to a gateway with something else."""

    lowered: int
    ended: int
    renewed: int
    waiting: int = 0


class Lowered(NamedTuple):
    """Lamps that need less light than their calendar gives: columns of one length. `level` in whole percent."""

    lamp: Sequence[str]
    level: Sequence[int]
    ends: Sequence[datetime]


async def tell(
    connection: asyncpg.Connection, wanted: Lowered, by_hand: Sequence[str], now: datetime, actor: str
) -> Told:
    """Want of all gateways, by an instant, what counted traffic asks for, and no more than that; from the commit on.
    Lamps that are overridden `by_hand` are left as they are. Whoever comes with an earlier instant writes nothing."""
    ended, leaving = await connection.fetchrow(_ENDED, [*wanted.lamp, *by_hand], now)
    if not wanted.lamp:
        return Told(0, ended, 0, leaving - ended)
    columns = list(wanted.lamp), list(wanted.level), list(wanted.ends)
    others, changed, due = await connection.fetchrow(_CHANGED, *columns, now, LEAST, SHORTEST, RENEW, actor)
    first = await connection.fetchval(_FIRST, *columns, now, SHORTEST, actor)
    return Told(others + first, ended, changed - others, leaving - ended + due - changed)


async def sensed(connection: Connection, lamps: Sequence[str] | None = None) -> set[str]:
    """Lamps that sensors of their gateway raise: all, or those of these."""
    records = await connection.fetch(
        "SELECT lamp FROM talq_quiet JOIN talq_device ON address = device "
        "WHERE lamp IS NOT NULL AND ($1::text[] IS NULL OR lamp = ANY($1))",
        None if lamps is None else list(lamps),
    )
    return {record[0] for record in records}


async def states(connection: Connection, now: datetime) -> dict[str, int]:
    """How many lamps behind gateways have less light because of traffic now, by what became of it."""
    records = await connection.fetch(
        "SELECT state, count(*) FROM talq_override WHERE automatic AND level IS NOT NULL AND ends > $1 GROUP BY state",
        now,
    )
    return {record[0]: record[1] for record in records}
