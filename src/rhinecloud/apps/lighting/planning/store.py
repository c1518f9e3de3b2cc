"""Rows of the draft and of the plans that were applied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

import asyncpg
import msgspec

from rhinecloud.app import Text
from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..control.calendars import Calendar
from ..control.programs import Program
from ..control.rules import LawRule
from .groups import Group
from .plan import Assignment, Plan, digest

Connection: TypeAlias = asyncpg.Connection | asyncpg.Pool


class Named(Protocol):
    """What is kept on a shelf."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> Text: ...


T = TypeVar("T", bound=Named)


class Changed(Exception):
    """Somebody else changed it meanwhile; nothing was written."""


class InUse(Exception):
    """It cannot be removed: `users` still name it."""

    def __init__(self, users: Sequence[str]) -> None:
        self.users = tuple(users)
        super().__init__(", ".join(users))


class Kept(msgspec.Struct, Generic[T], frozen=True):
    """A part of the draft, with the version that a form that changes it has to name."""

    one: T
    version: int
    changed_at: datetime
    changed_by: str


class Shelf(Generic[T]):
    """One kind of parts of the draft."""

    def __init__(self, table: str, kind: type[T], used_by: str | None = None) -> None:
        # Names of tables and statements are this module's own, never anybody's input.
        self._table, self._kind, self._used_by = table, kind, used_by

    async def every(self, connection: Connection) -> list[Kept[T]]:
        """All, by their ids."""
        records = await connection.fetch(f"SELECT * FROM {self._table} ORDER BY id")
        return [self._row(record) for record in records]

    async def get(self, connection: Connection, one: str) -> Kept[T] | None:
        """One of them."""
        record = await connection.fetchrow(f"SELECT * FROM {self._table} WHERE id = $1", one)
        return None if record is None else self._row(record)

    def _row(self, record: Any) -> Kept[T]:
        one = msgspec.json.decode(record["body"], type=self._kind)
        return Kept(one, record["version"], record["changed_at"], record["changed_by"])

    async def put(self, city: City, actor: Actor, one: T, before: int | None) -> None:
        """Write one: a new one (`before` None), or in place of the version that was read. Raises Changed."""
        body, now = msgspec.json.encode(one).decode(), city.clock.now()
        async with city.transaction() as transaction:
            if before is None:
                found = await transaction.connection.fetchval(
                    f"INSERT INTO {self._table} (id, body, changed_at, changed_by) "
                    "VALUES ($1, $2::text::jsonb, $3, $4) ON CONFLICT (id) DO NOTHING RETURNING version",
                    one.id,
                    body,
                    now,
                    actor.id,
                )
            else:
                found = await transaction.connection.fetchval(
                    f"UPDATE {self._table} SET body = $2::text::jsonb, version = version + 1, changed_at = $3, "
                    "changed_by = $4 WHERE id = $1 AND version = $5 RETURNING version",
                    one.id,
                    body,
                    now,
                    actor.id,
                    before,
                )
            if found is None:
                raise Changed(one.id)
            await transaction.audit(actor.id, f"lighting.{self._table}.write", one.id, {"version": found})

    async def remove(self, city: City, actor: Actor, one: str) -> bool:
        """Take one away; false if there is none. Raises InUse."""
        async with city.transaction() as transaction:
            if self._used_by is not None:
                users = await transaction.connection.fetch(self._used_by, one)
                if users:
                    raise InUse([record[0] for record in users])
            found = await transaction.connection.fetchval(
                f"DELETE FROM {self._table} WHERE id = $1 RETURNING id", one
            )
            if found is not None:
                await transaction.audit(actor.id, f"lighting.{self._table}.remove", one)
        return found is not None


PROGRAMS: Final = Shelf(
    "program",
    Program,
    "SELECT id FROM calendar WHERE body->>'default' = $1 "
    "OR body->'rules' @> jsonb_build_array(jsonb_build_object('program', $1::text)) ORDER BY id",
)
CALENDARS: Final = Shelf(
    "calendar", Calendar, "SELECT subject FROM assignment WHERE calendar = $1 ORDER BY place"
)
GROUPS: Final = Shelf(
    "lamp_group", Group, "SELECT calendar FROM assignment WHERE what = 'group' AND subject = $1"
)
RULES: Final = Shelf("law_rule", LawRule)


async def draft(connection: Connection) -> Plan:
    """What is edited."""
    return Plan(
        programs=tuple(kept.one for kept in await PROGRAMS.every(connection)),
        calendars=tuple(kept.one for kept in await CALENDARS.every(connection)),
        groups=tuple(kept.one for kept in await GROUPS.every(connection)),
        assignments=tuple(line for _, line in await assignments(connection)),
        rules=tuple(kept.one for kept in await RULES.every(connection)),
    )


async def assignments(connection: Connection) -> list[tuple[int, Assignment]]:
    """The lines in their order, with their numbers."""
    records = await connection.fetch(
        "SELECT number, what, subject, calendar FROM assignment ORDER BY place, number"
    )
    return [(record[0], Assignment(record[1], record[2], record[3])) for record in records]


async def assign(city: City, actor: Actor, line: Assignment) -> None:
    """Give a lamp or a group a calendar: a lamp's line becomes the first, a group's the last; where there is a line
    for it, this changes its calendar. Raises KeyError for a calendar or a group that there is not."""
    async with city.transaction() as transaction:
        connection = transaction.connection
        if not await connection.fetchval("SELECT true FROM calendar WHERE id = $1 FOR SHARE", line.calendar):
            raise KeyError(line.calendar)
        if line.what == "group" and not await connection.fetchval(
            "SELECT true FROM lamp_group WHERE id = $1 FOR SHARE", line.subject
        ):
            raise KeyError(line.subject)
        await connection.execute(
            "INSERT INTO assignment (place, what, subject, calendar, changed_by) SELECT CASE WHEN $1 = 'lamp' "
            "THEN coalesce(min(place), 1) - 1 ELSE coalesce(max(place), 0) + 1 END, $1, $2, $3, $4 FROM assignment "
            "ON CONFLICT (what, subject) DO UPDATE SET calendar = excluded.calendar, changed_by = excluded.changed_by",
            line.what,
            line.subject,
            line.calendar,
            actor.id,
        )
        detail = {"calendar": line.calendar, "what": line.what}
        await transaction.audit(actor.id, "lighting.assignment.write", line.subject, detail)


async def move(city: City, actor: Actor, number: int, by: int) -> None:
    """Move a line up (−1) or down (1)."""
    async with city.transaction() as transaction:
        await transaction.connection.execute("LOCK TABLE assignment IN SHARE ROW EXCLUSIVE MODE")
        order = [one for one, _ in await assignments(transaction.connection)]
        if number not in order:
            return
        here = order.index(number)
        there = min(len(order) - 1, max(0, here + by))
        order[here], order[there] = order[there], order[here]
        await transaction.connection.executemany(
            "UPDATE assignment SET place = $2 WHERE number = $1",
            [(one, place) for place, one in enumerate(order, 1)],
        )
        await transaction.audit(actor.id, "lighting.assignment.move", str(number), {"by": by})


async def unassign(city: City, actor: Actor, number: int) -> bool:
    """Take a line away; false if there is none."""
    async with city.transaction() as transaction:
        subject = await transaction.connection.fetchval(
            "DELETE FROM assignment WHERE number = $1 RETURNING subject", number
        )
        if subject is not None:
            await transaction.audit(actor.id, "lighting.assignment.remove", subject)
    return subject is not None


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that was applied. `gateways` (None: not yet) were asked for another plan; `trouble`: who was not, why."""

    version: int
    plan: Plan
    digest: str
    lamps: int
    applied_at: datetime
    applied_by: str
    gateways: int | None
    trouble: tuple[tuple[str, Text], ...]


async def newest(connection: Connection) -> int:
    """The version of the plan that counts; 0 before the first."""
    return int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM plan"))


async def applied(connection: Connection) -> Applied | None:
    """The plan that counts."""
    record = await connection.fetchrow("SELECT * FROM plan ORDER BY version DESC LIMIT 1")
    if record is None:
        return None
    values = dict(record)
    values["plan"] = msgspec.json.decode(values.pop("body"), type=Plan)
    values["trouble"] = msgspec.json.decode(values["trouble"], type=tuple[tuple[str, Text], ...])
    return Applied(**values)


async def history(connection: Connection) -> list[Any]:
    """The last plans, without what was in them."""
    found: list[Any] = await connection.fetch(
        "SELECT version, lamps, applied_at, applied_by FROM plan ORDER BY version DESC LIMIT 10"
    )
    return found


async def touch(connection: asyncpg.Connection) -> None:
    """What targets follow from is another now: whoever keeps them reads it anew."""
    await connection.execute("UPDATE planning_mark SET revision = revision + 1")


async def add(transaction: Transaction, plan: Plan, lamps: int, actor: Actor, now: datetime) -> int:
    """Make it the plan that counts."""
    version: int = await transaction.connection.fetchval(
        "INSERT INTO plan (body, digest, lamps, applied_at, applied_by) VALUES ($1::text::jsonb, $2, $3, $4, $5) "
        "RETURNING version",
        msgspec.json.encode(plan).decode(),
        digest(plan),
        lamps,
        now,
        actor.id,
    )
    return version


async def told_gateways(
    connection: Connection, version: int, gateways: int, trouble: Sequence[tuple[str, Text]]
) -> None:
    """Gateways were asked for a plan; later on only those that lamps came to or left."""
    await connection.execute(
        "UPDATE plan SET gateways = greatest(gateways, $2), trouble = $3::text::jsonb WHERE version = $1",
        version,
        gateways,
        msgspec.json.encode(trouble).decode(),
    )
