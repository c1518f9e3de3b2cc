"""Who goes, as organisations and roles, and which faults become orders by themselves."""

from __future__ import annotations

from typing import TypeAlias

import asyncpg
import msgspec

from rhinecloud.city import City
from rhinecloud.people import Actor

from ..faults.kinds import Kind

Connection: TypeAlias = "asyncpg.Connection | asyncpg.Pool"


class Crew(msgspec.Struct, frozen=True):
    """An organisation or a role; never a person."""

    number: int
    name: str
    kind: str
    active: bool

    @property
    def pair(self) -> tuple[int, str]:
        """For a choice."""
        return self.number, self.name


class Rule(msgspec.Struct, frozen=True):
    """A fault of this kind becomes an order, for this crew, due after so many days."""

    kind: Kind
    crew: int | None
    days: int


async def every(connection: Connection) -> list[Crew]:
    """Those that work now."""
    rows = await connection.fetch(
        "SELECT number, name, kind, active FROM work_crew WHERE active ORDER BY name"
    )
    return [Crew(*row) for row in rows]


async def rules(connection: Connection) -> dict[Kind, Rule]:
    """By their kinds."""
    rows = await connection.fetch("SELECT kind, crew, days FROM work_rule")
    return {Kind(row[0]): Rule(Kind(row[0]), row[1], row[2]) for row in rows}


async def add(city: City, actor: Actor, name: str, kind: str) -> int:
    """Add a crew, or take one back that was let go."""
    async with city.transaction() as transaction:
        number: int = await transaction.connection.fetchval(
            "INSERT INTO work_crew (name, kind) VALUES ($1, $2) "
            "ON CONFLICT (name) DO UPDATE SET active = true, kind = excluded.kind RETURNING number",
            *(name, kind),
        )
        await transaction.audit(actor.id, "lighting.crew.add", f"work-crew:{number}", {"name": name})
    return number


async def remove(city: City, actor: Actor, number: int) -> None:
    """It gets no more orders; those that it has stay with it."""
    async with city.transaction() as transaction:
        await transaction.connection.execute("UPDATE work_crew SET active = false WHERE number = $1", number)
        await transaction.connection.execute("UPDATE work_rule SET crew = NULL WHERE crew = $1", number)
        await transaction.audit(actor.id, "lighting.crew.remove", f"work-crew:{number}")


async def set_rule(city: City, actor: Actor, kind: Kind, rule: Rule | None) -> None:
    """Set or drop a rule."""
    async with city.transaction() as transaction:
        if rule is None:
            await transaction.connection.execute("DELETE FROM work_rule WHERE kind = $1", kind.value)
        else:
            await transaction.connection.execute(
                "INSERT INTO work_rule (kind, crew, days) VALUES ($1, $2, $3) "
                "ON CONFLICT (kind) DO UPDATE SET crew = excluded.crew, days = excluded.days",
                *(kind.value, rule.crew, rule.days),
            )
        detail = None if rule is None else {"crew": rule.crew, "days": rule.days}
        await transaction.audit(actor.id, "lighting.work.rule", kind.value, {"rule": detail})
