"""Rows of faults: what single lamps have (signs), and what people hear of (faults)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import asyncpg
import msgspec

from rhinecloud.city import City

from .detectors import Finding
from .kinds import Kind
from .relating import Key, Scope
from .thresholds import Thresholds, parsed

Connection: TypeAlias = "asyncpg.Connection | asyncpg.Pool"
_FIELDS: Final = (
    "number, scope, subject, kind, name, device, lamps, since, found_at, evidence, ended_at, ending, told"
)


class Sign(msgspec.Struct, frozen=True):
    """What a lamp has, with its evidence: since when, found when."""

    lamp: str
    kind: Kind
    since: datetime
    found_at: datetime
    evidence: Mapping[str, Any]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that people hear of. `ending`: over, or merged into that of its supply."""

    number: int
    scope: Scope
    subject: str
    kind: Kind
    name: str
    device: str | None
    lamps: Sequence[str]
    since: datetime
    found_at: datetime
    evidence: Mapping[str, Any]
    ended_at: datetime | None
    ending: str | None
    told: bool

    @property
    def key(self) -> Key:
        """What it is of."""
        return Key(self.scope, self.subject, self.kind)


def moment(seconds: float) -> datetime:
    """UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def evidence(finding: Finding) -> dict[str, Any]:
    """As it is kept and shown."""
    return {"seen": dict(finding.seen), "expected": dict(finding.expected), "reports": finding.reports}


async def thresholds(connection: Connection) -> Thresholds:
    """What the city calls a fault."""
    body = await connection.fetchval("SELECT body FROM fault_threshold")
    return Thresholds() if body is None else parsed(body)


async def signs(connection: Connection) -> list[Sign]:
    """What all lamps have."""
    rows = await connection.fetch("SELECT lamp, kind, since, found_at, evidence FROM fault_sign")
    return [Sign(row[0], Kind(row[1]), row[2], row[3], msgspec.json.decode(row[4])) for row in rows]


async def sign_changes(connection: Connection, begun: Sequence[Sign], ended: Sequence[Sign]) -> None:
    """Keep what began, let go what ended."""
    await connection.executemany(
        "DELETE FROM fault_sign WHERE lamp = $1 AND kind = $2", [(one.lamp, one.kind.value) for one in ended]
    )
    await connection.executemany(
        "INSERT INTO fault_sign (lamp, kind, since, found_at, evidence) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (lamp, kind) DO NOTHING",
        [
            (one.lamp, one.kind.value, one.since, one.found_at, msgspec.json.encode(one.evidence).decode())
            for one in begun
        ],
    )


async def began(connection: Connection, fault: Fault) -> Fault | None:
    """Open a fault; None if it is open already. Its number is new."""
    row = await connection.fetchrow(
        "INSERT INTO fault (scope, subject, kind, name, device, lamps, since, found_at, evidence) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (scope, subject, kind) WHERE ended_at IS NULL "
        f"DO NOTHING RETURNING {_FIELDS}",
        *(fault.scope, fault.subject, fault.kind.value, fault.name, fault.device, list(fault.lamps)),
        *(fault.since, fault.found_at, msgspec.json.encode(fault.evidence).decode()),
    )
    return None if row is None else _fault(row)


async def ended(connection: Connection, key: Key, at: datetime, ending: str) -> Fault | None:
    """Close one; None if it was not open."""
    row = await connection.fetchrow(
        "UPDATE fault SET ended_at = $4, ending = $5, told = false WHERE scope = $1 AND subject = $2 "
        f"AND kind = $3 AND ended_at IS NULL RETURNING {_FIELDS}",
        *(key.scope, key.subject, key.kind.value, at, ending),
    )
    return None if row is None else _fault(row)


async def concerns(connection: Connection, faults: Iterable[tuple[Key, Sequence[str]]]) -> None:
    """More or fewer lamps belong to open faults."""
    await connection.executemany(
        "UPDATE fault SET lamps = $4 WHERE scope = $1 AND subject = $2 AND kind = $3 AND ended_at IS NULL",
        [(key.scope, key.subject, key.kind.value, list(lamps)) for key, lamps in faults],
    )


async def open_faults(connection: Connection) -> list[Fault]:
    """All that are open."""
    rows = await connection.fetch(f"SELECT {_FIELDS} FROM fault WHERE ended_at IS NULL")
    return [_fault(row) for row in rows]


async def get(connection: Connection, number: int) -> Fault | None:
    """One of them."""
    row = await connection.fetchrow(f"SELECT {_FIELDS} FROM fault WHERE number = $1", number)
    return None if row is None else _fault(row)


async def page(
    connection: Connection,
    *,
    kind: Kind | None = None,
    lamp: str | None = None,
    over: bool = False,
    before: int | None = None,
    limit: int = 50,
) -> list[Fault]:
    """Faults with the highest numbers first, below `before`: open ones, or those that are `over`."""
    rows = await connection.fetch(
        f"SELECT {_FIELDS} FROM fault WHERE (ended_at IS NOT NULL) = $1 AND ($2::text IS NULL OR kind = $2) "
        "AND ($3::text IS NULL OR lamps @> ARRAY[$3]) AND ($4::bigint IS NULL OR number < $4) "
        "AND ending IS DISTINCT FROM 'merged' ORDER BY number DESC LIMIT $5",
        *(over, None if kind is None else kind.value, lamp, before, limit),
    )
    return [_fault(row) for row in rows]


async def counts(connection: Connection) -> dict[Kind, int]:
    """How many are open of each kind."""
    rows = await connection.fetch("SELECT kind, count(*) FROM fault WHERE ended_at IS NULL GROUP BY kind")
    return {Kind(row[0]): row[1] for row in rows}


async def tell(city: City) -> None:
    """Raise and clear the house's alarms for what it was not told of yet; what fails is told the next time."""
    rows = await city.db.pool.fetch(f"SELECT {_FIELDS} FROM fault WHERE NOT told ORDER BY number LIMIT 500")
    for fault in map(_fault, rows):
        if fault.ended_at is None:
            detail = {"fault": fault.number, "name": fault.name, "lamps": len(fault.lamps)}
            await city.devices.raise_alarm(_device(fault), fault.kind.value, detail)
        else:
            await city.devices.clear_alarm(_device(fault), fault.kind.value)
        await city.db.pool.execute(
            "UPDATE fault SET told = true WHERE number = $1 AND ended_at IS NOT DISTINCT FROM $2",
            *(fault.number, fault.ended_at),
        )


def _device(fault: Fault) -> str:
    """Its device; without one its own name, so that alarms of several are several."""
    return fault.device or fault.subject


def _fault(row: Any) -> Fault:
    values = dict(row)
    values["kind"] = Kind(row["kind"])
    values["lamps"] = tuple(row["lamps"])
    values["evidence"] = msgspec.json.decode(row["evidence"])
    return Fault(**values)
