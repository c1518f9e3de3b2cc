"""Rows of work orders and of what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import msgspec

from rhinecloud.app import Text
from rhinecloud.city import City, Transaction, Upload
from rhinecloud.people import Actor

from ..faults.kinds import Kind
from .life import Event, State, after

Connection: TypeAlias = "asyncpg.Connection | asyncpg.Pool"
_FIELDS: Final = """
    o.number, o.fault, o.subject, o.name, o.task, o.state, o.crew, c.name AS crew_name, o.due, o.reopened, o.made_at,
    o.changed_at, o.done_at, o.closed_at, f.kind, f.evidence, f.since AS fault_since,
    f.number IS NOT NULL AND f.ended_at IS NULL AS fault_open
"""
_FROM: Final = (
    "FROM work_order o LEFT JOIN work_crew c ON c.number = o.crew LEFT JOIN fault f ON f.number = o.fault"
)
_LATE: Final = timedelta(days=30)  # a phone may have been without a network for so long


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A work order. `subject` is the lamp, cabinet or feeder, `kind` that of the fault it is about."""

    number: int
    fault: int | None
    subject: str
    name: str
    task: str
    state: State
    crew: int | None
    crew_name: str | None
    due: date | None
    reopened: int
    made_at: datetime
    changed_at: datetime
    done_at: datetime | None
    closed_at: datetime | None
    kind: str | None
    evidence: dict[str, Any] | None
    fault_since: datetime | None
    fault_open: bool

    @property
    def fault_text(self) -> Text | None:
        """What it is about, German and English."""
        return None if self.kind is None else Kind(self.kind).text


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an order. `refused`: it came too late to change the state; what was noted is kept."""

    key: UUID
    at: datetime
    entered_at: datetime
    actor: str
    event: Event
    state: State
    refused: bool
    note: str
    files: Sequence[UUID]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody does to an order, once for each `key`."""

    event: Event
    key: UUID
    entered_at: datetime | None = None
    note: str = ""
    crew: int | None = None
    due: date | None = None
    uploads: Sequence[Upload] = ()


class Outcome(NamedTuple):
    """The state after it, and whether the event was refused."""

    state: State
    refused: bool


async def make(
    transaction: Transaction,
    *,
    fault: int | None,
    subject: str,
    name: str,
    task: str,
    actor: str,
    at: datetime,
    crew: int | None = None,
    due: date | None = None,
) -> int | None:
    """Make an order; None if the fault has one that is open."""
    state = State.NEW if crew is None else State.ASSIGNED
    number: int | None = await transaction.connection.fetchval(
        "INSERT INTO work_order (fault, subject, name, task, state, crew, due, made_at, made_by, changed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8) ON CONFLICT (fault) WHERE closed_at IS NULL DO NOTHING "
        "RETURNING number",
        *(fault, subject, name, task, state.value, crew, due, at, actor),
    )
    if number is not None:
        await _write(transaction, number, Said(event=Event.MADE, key=uuid4()), actor, at, state, False, ())
    return number


async def say(
    transaction: Transaction,
    number: int,
    said: Said,
    actor: str,
    at: datetime,
    keeper: tuple[City, Actor] | None = None,
) -> Outcome | None:
    """Do something to an order; what has this key already changes nothing. None if there is no such order. `keeper`:
    who keeps the uploads, and for whom."""
    connection = transaction.connection
    row = await connection.fetchrow(f"SELECT {_FIELDS} {_FROM} WHERE o.number = $1 FOR UPDATE OF o", number)
    if row is None:
        return None
    order = _order(row)
    before = await connection.fetchrow('SELECT "order", refused FROM work_entry WHERE key = $1', said.key)
    if before is not None:
        return Outcome(order.state, before["refused"]) if before["order"] == number else None
    crew = said.crew if said.event is Event.ASSIGN else order.crew
    state = after(order.state, said.event, crew=crew is not None, fault_open=order.fault_open)
    refused = state is None
    files = []
    if keeper is not None:
        city, who = keeper
        for upload in said.uploads:
            kept = await city.files.keep(transaction, upload, subject=f"work-order:{number}", actor=who)
            files.append(kept.id)
    if state is not None and said.event is not Event.NOTE:
        await connection.execute(
            "UPDATE work_order SET state = $2, crew = $3, due = coalesce($4, due), changed_at = $5, "
            "done_at = CASE WHEN $2 = 'done' THEN $5 WHEN $2 IN ('new', 'assigned', 'on_the_way') THEN NULL "
            "ELSE done_at END, closed_at = CASE WHEN $2 IN ('verified', 'withdrawn') THEN $5 END, "
            "reopened = reopened + $6 WHERE number = $1",
            *(number, state.value, crew, said.due, at, int(said.event is Event.CONTRADICTED)),
        )
    # Done while the lamp was well already: it has said so.
    if (
        state is State.DONE
        and order.fault is not None
        and not order.fault_open
        and await _over(connection, order)
    ):
        await _write(transaction, number, said, actor, at, State.DONE, refused, files)
        recovered = Said(event=Event.RECOVERED, key=uuid4())
        return await say(transaction, number, recovered, "lighting", at)
    outcome = Outcome(order.state if state is None else state, refused)
    await _write(transaction, number, said, actor, at, outcome.state, refused, files)
    return outcome


async def _over(connection: Connection, order: Order) -> bool:
    return bool(await connection.fetchval("SELECT ending = 'over' FROM fault WHERE number = $1", order.fault))


async def _write(
    transaction: Transaction,
    number: int,
    said: Said,
    actor: str,
    at: datetime,
    state: State,
    refused: bool,
    files: Sequence[UUID],
) -> None:
    entered = min(said.entered_at or at, at)
    await transaction.connection.execute(
        'INSERT INTO work_entry (key, "order", at, entered_at, actor, event, state, refused, note, files) '
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        *(said.key, number, at, max(entered, at - _LATE), actor, said.event.value, state.value, refused),
        *(said.note, list(files)),
    )
    detail: dict[str, Any] = {"state": state.value} | ({"refused": True} if refused else {})
    detail |= {"crew": said.crew} if said.crew is not None else {}
    await transaction.audit(actor, f"lighting.work.{said.event.value}", f"work-order:{number}", detail)


async def get(connection: Connection, number: int) -> Order | None:
    """One of them."""
    row = await connection.fetchrow(f"SELECT {_FIELDS} {_FROM} WHERE o.number = $1", number)
    return None if row is None else _order(row)


async def of_fault(connection: Connection, fault: int) -> Order | None:
    """The newest order about a fault."""
    row = await connection.fetchrow(
        f"SELECT {_FIELDS} {_FROM} WHERE o.fault = $1 ORDER BY o.number DESC LIMIT 1", fault
    )
    return None if row is None else _order(row)


async def of_subject(connection: Connection, subject: str, limit: int = 20) -> list[Order]:
    """The newest orders about a lamp, feeder or cabinet."""
    rows = await connection.fetch(
        f"SELECT {_FIELDS} {_FROM} WHERE o.subject = $1 ORDER BY o.number DESC LIMIT $2", subject, limit
    )
    return [_order(row) for row in rows]


async def page(
    connection: Connection,
    states: Sequence[State],
    *,
    crew: int | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Order]:
    """Orders in these states, the highest numbers first, below `before`."""
    rows = await connection.fetch(
        f"SELECT {_FIELDS} {_FROM} WHERE o.state = ANY($1) AND ($2::bigint IS NULL OR o.crew = $2) "
        "AND ($3::bigint IS NULL OR o.number < $3) ORDER BY o.number DESC LIMIT $4",
        *([state.value for state in states], crew, before, limit),
    )
    return [_order(row) for row in rows]


async def counts(connection: Connection) -> dict[State, int]:
    """How many are open in each state."""
    rows = await connection.fetch(
        "SELECT state, count(*) FROM work_order WHERE closed_at IS NULL GROUP BY state"
    )
    return {State(row[0]): row[1] for row in rows}


async def entries(connection: Connection, number: int) -> list[Entry]:
    """What became of an order, the newest first."""
    rows = await connection.fetch(
        "SELECT key, at, entered_at, actor, event, state, refused, note, files FROM work_entry "
        'WHERE "order" = $1 ORDER BY at DESC, state LIMIT 200',
        number,
    )
    return [
        Entry(**{**dict(row), "event": Event(row["event"]), "state": State(row["state"])}) for row in rows
    ]


def _order(row: Any) -> Order:
    values = dict(row)
    values["state"] = State(row["state"])
    if row["evidence"] is not None:
        values["evidence"] = msgspec.json.decode(row["evidence"])
    return Order(**values)
