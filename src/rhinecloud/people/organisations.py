"""Organisations and who belongs to them: the city itself, its utility, transit, partners."""

from __future__ import annotations

from datetime import datetime

import asyncpg
import msgspec

from .roles import ADMINISTRATOR

LONGEST_NAME = 120
_LOCK = 0x41646D69  # "Admi": who is an administrator changes for one at a time


class Organisation(msgspec.Struct, frozen=True):
    """An organisation and how many people belong to it."""

    id: int
    name: str
    created_at: datetime
    people: int


class NameTaken(Exception):
    """Another organisation has this name."""


class LastAdministrator(Exception):
    """Nobody would be left who can manage people."""


async def every(connection: asyncpg.Connection | asyncpg.Pool) -> list[Organisation]:
    """All of them, by name."""
    return [
        Organisation(*record)
        for record in await connection.fetch(f"{_SELECT} GROUP BY o.id ORDER BY lower(o.name)")
    ]


async def names(connection: asyncpg.Connection | asyncpg.Pool) -> list[tuple[int, str]]:
    """Number and name of all of them, by name."""
    return [
        tuple(record)
        for record in await connection.fetch("SELECT id, name FROM organisation ORDER BY lower(name)")
    ]


async def get(connection: asyncpg.Connection | asyncpg.Pool, organisation: int) -> Organisation | None:
    """The organisation of a number."""
    record = await connection.fetchrow(f"{_SELECT} WHERE o.id = $1 GROUP BY o.id", organisation)
    return Organisation(*record) if record is not None else None


async def make(connection: asyncpg.Connection, name: str) -> int:
    """A new one; its number. Raises NameTaken."""
    number = await connection.fetchval(
        "INSERT INTO organisation (name) VALUES ($1) ON CONFLICT ((lower(name))) DO NOTHING RETURNING id",
        name,
    )
    if number is None:
        raise NameTaken
    return int(number)


async def the_citys(connection: asyncpg.Connection, name: str) -> int:
    """The organisation that the first administrator belongs to: the oldest; the city, if there is none yet."""
    oldest = await connection.fetchval("SELECT id FROM organisation ORDER BY id LIMIT 1")
    return int(oldest) if oldest is not None else await make(connection, name)


async def rename(connection: asyncpg.Connection, organisation: int, name: str) -> bool:
    """Another name; false if there is no such organisation. Raises NameTaken."""
    try:
        async with connection.transaction():
            status = await connection.execute(
                "UPDATE organisation SET name = $2 WHERE id = $1", organisation, name
            )
    except asyncpg.UniqueViolationError:
        raise NameTaken from None
    return bool(status != "UPDATE 0")


async def remove(connection: asyncpg.Connection, organisation: int) -> bool:
    """Remove one with its memberships and open invitations; false if there is none such."""
    status = await connection.execute("DELETE FROM organisation WHERE id = $1", organisation)
    return bool(status != "DELETE 0")


async def join(connection: asyncpg.Connection, account: int, organisation: int, role: str) -> bool:
    """Give somebody a role; false if they have it. Raises LookupError if there is no such account or organisation."""
    try:
        async with connection.transaction():
            status = await connection.execute(
                "INSERT INTO membership (account, organisation, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                account,
                organisation,
                role,
            )
    except asyncpg.ForeignKeyViolationError:
        raise LookupError("no such account or organisation") from None
    return bool(status != "INSERT 0 0")


async def leave(connection: asyncpg.Connection, account: int, organisation: int, role: str) -> bool:
    """Take a role away; false if they had it not."""
    status = await connection.execute(
        "DELETE FROM membership WHERE account = $1 AND organisation = $2 AND role = $3",
        account,
        organisation,
        role,
    )
    return bool(status != "DELETE 0")


async def administrators(connection: asyncpg.Connection | asyncpg.Pool) -> int:
    """How many can manage everything and stay: administrators who are not blocked, and whose erasure does not wait."""
    return int(
        await connection.fetchval(
            """
            SELECT count(DISTINCT a.id) FROM account a JOIN membership m ON m.account = a.id
            WHERE m.role = $1 AND a.blocked_at IS NULL AND NOT EXISTS (
                SELECT FROM data_request r WHERE r.account = a.id AND r.kind = 'erasure' AND r.closed_at IS NULL
            )
            """,
            ADMINISTRATOR.name,
        )
    )


async def alone(connection: asyncpg.Connection) -> None:
    """Wait until nobody else is changing who is an administrator; holds until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


_SELECT = """
SELECT o.id, o.name, o.created_at, count(DISTINCT m.account) AS people
FROM organisation o LEFT JOIN membership m ON m.organisation = o.id
"""
