"""Rows of multicast groups, their schedules, and what their lamps said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import asyncpg
import msgspec

from rhinecloud.app import Text

from .frames import frames
from .judging import Trouble, Verdict, Wanted
from .members import Connection
from .schedule import decode, hash_of

WAKE: Final = "lorawan"  # subject: there is something to do
MISSING: Final[Trouble] = "schedule_missing"
State = Literal["asked", "sent", "verified", "incomplete"]
_YEAR_2020: Final = datetime(2020, 1, 1, tzinfo=UTC)
_SCHEDULE: Final = (
    "grp, version, body, plan, calendar, state, asked_at, sent_at, settled_at, rounds, failures, "
    "next_at, trouble"
)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A multicast group: its network server, how that calls it, and the group of lamps that it is for."""

    number: int
    name: str
    network: str
    multicast: str
    port: int
    lamps: str

    @property
    def subject(self) -> str:
        """How alarms and audit lines name it."""
        return f"lorawan-group-{self.number}"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The newest schedule of a group, and what became of it. `rounds`: how often it was sent to all."""

    grp: int
    version: int
    body: bytes
    plan: int
    calendar: str
    state: State
    asked_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    rounds: int
    failures: int
    next_at: datetime | None
    trouble: str | None

    @property
    def wanted(self) -> Wanted:
        """What lamps should say that they have."""
        return Wanted(self.version, hash_of(self.version, self.body), decode(self.body))

    @property
    def frames(self) -> list[bytes]:
        """What is sent."""
        return frames(self.version, self.body)


async def groups(connection: Connection) -> list[Group]:
    """All, by their names."""
    records = await connection.fetch(
        "SELECT number, name, network, multicast, port, lamps FROM lorawan_group ORDER BY name, number"
    )
    return [Group(**dict(record)) for record in records]


async def group(connection: Connection, number: int) -> Group | None:
    """One of them."""
    return next((one for one in await groups(connection) if one.number == number), None)


async def schedules(connection: Connection) -> dict[int, Row]:
    """group → its schedule, of those that have one."""
    records = await connection.fetch(f"SELECT {_SCHEDULE} FROM lorawan_schedule")
    return {record["grp"]: Row(**dict(record)) for record in records}


async def lock(connection: asyncpg.Connection, number: int) -> Row | None:
    """The schedule of a group, which nobody else writes or sends until the transaction ends."""
    await connection.execute("SELECT FROM lorawan_group WHERE number = $1 FOR UPDATE", number)
    record = await connection.fetchrow(
        f"SELECT {_SCHEDULE} FROM lorawan_schedule WHERE grp = $1 FOR UPDATE", number
    )
    return None if record is None else Row(**dict(record))


async def ask(
    connection: asyncpg.Connection, number: int, body: bytes, plan: int, calendar: str, now: datetime
) -> int:
    """Want another schedule of a group, whose row the caller has locked; returns its version.

    A version is the number of seconds since 2020, or one more than the last: after a restore from a backup lamps
    would ignore one that they had already.
    """
    version: int = await connection.fetchval(
        "INSERT INTO lorawan_schedule AS old (grp, version, body, plan, calendar, state, asked_at, next_at) "
        "VALUES ($1, $2, $3, $4, $5, 'asked', $6, $6) ON CONFLICT (grp) DO UPDATE SET "
        "version = greatest(old.version + 1, excluded.version), body = excluded.body, plan = excluded.plan, "
        "calendar = excluded.calendar, state = 'asked', asked_at = excluded.asked_at, sent_at = NULL, "
        "settled_at = NULL, rounds = 0, failures = 0, next_at = excluded.next_at, trouble = NULL RETURNING version",
        number,
        int((now - _YEAR_2020).total_seconds()),
        body,
        plan,
        calendar,
        now,
    )
    await connection.execute("UPDATE lorawan_member SET told = 0 WHERE grp = $1", number)
    return version


async def refuse(connection: asyncpg.Connection, number: int, why: Text | None) -> None:
    """Note why a group does not get the schedule of the plan; None: it does."""
    if why is None:
        await connection.execute("DELETE FROM lorawan_refusal WHERE grp = $1", number)
        return
    await connection.execute(
        "INSERT INTO lorawan_refusal (grp, german, english) VALUES ($1, $2, $3) ON CONFLICT (grp) DO UPDATE SET "
        "german = excluded.german, english = excluded.english",
        number,
        *why,
    )


async def due(connection: Connection, now: datetime) -> list[int]:
    """Groups that are to be looked after, the longest due first."""
    records = await connection.fetch(
        "SELECT grp FROM lorawan_schedule WHERE next_at <= $1 ORDER BY next_at, grp", now
    )
    return [record[0] for record in records]


async def later(
    connection: asyncpg.Connection,
    row: Row,
    state: State,
    now: datetime,
    next_at: datetime | None,
    *,
    rounds: int = 0,
    failures: int = 0,
    trouble: str | None = None,
) -> None:
    """What became of a schedule, whose row the caller has locked."""
    settled = state in ("verified", "incomplete")
    await connection.execute(
        "UPDATE lorawan_schedule SET state = $2, next_at = $3, rounds = rounds + $4, failures = $5, trouble = $6, "
        "sent_at = CASE WHEN $7 THEN coalesce(sent_at, $8) ELSE sent_at END, "
        "settled_at = CASE WHEN $9 THEN coalesce(settled_at, $8) END WHERE grp = $1",
        row.grp,
        state,
        next_at,
        rounds,
        failures,
        trouble,
        rounds > 0,
        now,
        settled,
    )


async def again(connection: asyncpg.Connection, number: int, now: datetime) -> None:
    """Begin anew with sending, in as many rounds as at first."""
    await connection.execute(
        "UPDATE lorawan_schedule SET state = 'asked', rounds = 0, failures = 0, next_at = $2, settled_at = NULL "
        "WHERE grp = $1",
        number,
        now,
    )
    await connection.execute("UPDATE lorawan_member SET told = 0 WHERE grp = $1", number)


# What was verified is a version: while a newer one is on its way, a lamp that has the last is no longer right.
STATE: Final = (
    "CASE WHEN m.state = 'verified' AND m.version IS DISTINCT FROM s.version THEN 'older' ELSE m.state END"
)
OF_MEMBERS: Final = "lorawan_member AS m LEFT JOIN lorawan_schedule AS s USING (grp)"


class Lacking(msgspec.Struct, frozen=True):
    """A lamp that has not said that it has the schedule."""

    lamp: str
    device: str
    version: int | None
    heard_at: datetime | None
    told: int
    troubles: tuple[str, ...]


async def lacking(connection: Connection, number: int) -> list[Lacking]:
    """Lamps of a group that did not verify its schedule, those first that were told alone least often."""
    records = await connection.fetch(
        f"SELECT m.lamp, m.device, m.version, m.heard_at, m.told, m.troubles FROM {OF_MEMBERS} "
        f"WHERE m.grp = $1 AND {STATE} <> 'verified' ORDER BY m.told, m.lamp",
        number,
    )
    return [
        Lacking(record[0], record[1], record[2], record[3], record[4], tuple(record[5])) for record in records
    ]


async def told(connection: asyncpg.Connection, lamps: Sequence[str]) -> None:
    """The schedule was sent to these alone."""
    await connection.execute(
        "UPDATE lorawan_member SET told = told + 1 WHERE lamp = ANY($1::text[])", list(lamps)
    )


async def troubled(connection: asyncpg.Connection, lamps: Sequence[str], trouble: str) -> None:
    """Note what is wrong with lamps beside what they say."""
    await connection.execute(
        "UPDATE lorawan_member SET troubles = array_append(troubles, $2) "
        "WHERE lamp = ANY($1::text[]) AND NOT ($2 = ANY(troubles))",
        list(lamps),
        trouble,
    )


async def is_troubled(connection: Connection, lamp: str, trouble: str) -> bool:
    """Whether that is noted of a lamp."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM lorawan_member WHERE lamp = $1 AND $2 = ANY(troubles)", lamp, trouble
        )
    )


async def complete(connection: Connection) -> list[int]:
    """Groups whose lamps all have the newest schedule, which is not noted yet."""
    records = await connection.fetch(
        f"SELECT grp FROM {OF_MEMBERS} WHERE s.state <> 'verified' GROUP BY grp HAVING bool_and({STATE} = 'verified')"
    )
    return [record[0] for record in records]


async def reopen(connection: Connection, number: int, lamp: str, now: datetime, before: datetime) -> None:
    """A lamp that was given up is heard with an older schedule: tell it once more, if it was given up before then."""
    reopened = await connection.fetchval(
        "UPDATE lorawan_schedule SET next_at = $2 WHERE grp = $1 AND state = 'incomplete' AND next_at IS NULL "
        "AND settled_at < $3 RETURNING grp",
        number,
        now,
        before,
    )
    if reopened is not None:
        await connection.execute("UPDATE lorawan_member SET told = least(told, 1) WHERE lamp = $1", lamp)


async def heard(
    connection: asyncpg.Connection,
    lamp: str,
    at: datetime,
    told: tuple[int, int, float | None],
    verdict: Verdict,
    troubles: Sequence[str],
) -> tuple[set[str], set[str]] | None:
    """What a lamp said (version, hash, level) and what is to be made of it; what troubled it before and does now. None
    if it hears no group any more. Who is given up while its report is read stays so, unless it has the schedule."""
    record = await connection.fetchrow(
        "UPDATE lorawan_member AS new SET heard_at = $2, version = $3, hash = $4, level = $5, state = $6, drift = $7, "
        "expected = $8, troubles = $9::text[] || CASE WHEN $6 <> 'verified' AND $10 = ANY(old.troubles) "
        "THEN ARRAY[$10] ELSE '{}' END "
        "FROM (SELECT lamp, troubles FROM lorawan_member WHERE lamp = $1 FOR UPDATE) AS old "
        "WHERE new.lamp = old.lamp RETURNING old.troubles AS before, new.troubles AS after",
        lamp,
        at,
        *told,
        verdict.state,
        verdict.drift,
        list(verdict.expected),
        list(troubles),
        MISSING,
    )
    return None if record is None else ({*record["before"]}, {*record["after"]})


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a group is: of how many lamps how many have the schedule, say so with a clock that is wrong, …"""

    lamps: int = 0
    heard: int = 0
    verified: int = 0
    drifting: int = 0
    contradicted: int = 0
    wrong: int = 0
    missing: int = 0
    most_drift: float | None = None


async def standings(connection: Connection) -> dict[int, Standing]:
    """group → how far it is."""
    records = await connection.fetch(
        "SELECT grp, count(*) AS lamps, count(heard_at) AS heard, "
        f"count(*) FILTER (WHERE {STATE} = 'verified') AS verified, "
        "count(*) FILTER (WHERE 'clock_drift' = ANY(troubles)) AS drifting, "
        "count(*) FILTER (WHERE 'schedule_contradicted' = ANY(troubles)) AS contradicted, "
        "count(*) FILTER (WHERE 'schedule_wrong' = ANY(troubles)) AS wrong, "
        f"count(*) FILTER (WHERE '{MISSING}' = ANY(troubles)) AS missing, "
        f"max(abs(drift)) AS most_drift FROM {OF_MEMBERS} GROUP BY grp"
    )
    found: dict[int, Standing] = {}
    for record in records:
        values: dict[str, Any] = dict(record)
        number = values.pop("grp")
        found[number] = Standing(**values)
    return found
