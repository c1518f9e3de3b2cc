"""Which versions of the program may serve these data.

A migration only adds, and an older program lives with what it adds; or it says of itself in a line of its SQL that it
is one way (`-- One way: why`), and an older program that does not know it refuses to serve. Before such a migration
whoever starts the program makes a backup: the way back.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Mapping, Sequence

import asyncpg

Migration = tuple[str, str]  # the name of the file, its SQL

_ONE_WAY = re.compile(r"^-- One way: (.+)$", re.MULTILINE)
_COLUMNS = ("one_way", "rhinecloud")


class TooNew(Exception):
    """The data were brought to a newer version by a migration that an older program cannot live with; the message names
    the version and the way."""


def installed() -> str:
    """The version of this program."""
    return importlib.metadata.version("rhinecloud")


def one_way(sql: str) -> str | None:
    """Why no older program can live with this migration; None if it can."""
    found = _ONE_WAY.search(sql)
    return found[1] if found else None


async def keep_record(connection: asyncpg.Connection, table: str) -> None:
    """The table of migrations says of each whether it is one way, and which version applied it; older tables do not."""
    there = await connection.fetchval(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = ANY($2)",
        table,
        _COLUMNS,
    )
    if there < len(_COLUMNS):
        await connection.execute(
            f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS one_way text, ADD COLUMN IF NOT EXISTS rhinecloud text"
        )


async def refuse_newer(
    connection: asyncpg.Connection, table: str, known: Iterable[str], where: str = "true"
) -> None:
    """Raise TooNew if a migration that is one way was applied which this program does not know."""
    record = await connection.fetchrow(
        f"SELECT name, one_way, rhinecloud FROM {table} WHERE {where} AND one_way IS NOT NULL AND NOT name = ANY($1) "
        "ORDER BY name DESC LIMIT 1",
        list(known),
    )
    if record is not None:
        raise TooNew(
            f"these data were brought to Rhine Cloud {record['rhinecloud']} by {record['name']}, which cannot be "
            f"undone ({record['one_way']}); this is {installed()}. Install {record['rhinecloud']} or newer again, or "
            "restore the backup that was made before the upgrade (docs/operations/upgrade.md)"
        )


async def note_served(connection: asyncpg.Connection) -> None:
    """Write down that this version serves these data."""
    await connection.execute(
        "INSERT INTO rhinecloud.version (rhinecloud) VALUES ($1) "
        "ON CONFLICT (rhinecloud) DO UPDATE SET last_at = now() WHERE version.last_at < now() - interval '1 hour'",
        installed(),
    )


async def last_served(connection: asyncpg.Connection) -> str | None:
    """The version that served these data last; None for data of a time before that was written down."""
    if await connection.fetchval("SELECT to_regclass('rhinecloud.version') IS NULL"):
        return None
    version: str | None = await connection.fetchval(
        "SELECT rhinecloud FROM rhinecloud.version ORDER BY last_at DESC LIMIT 1"
    )
    return version


async def pending_one_way(
    connection: asyncpg.Connection, families: Mapping[str, Sequence[Migration]]
) -> list[str]:
    """Names of the migrations that are one way and have yet to be applied to data that are there.

    `families`: patterns (LIKE) of schemas, with the migrations of such a schema. What has no table of migrations, or an
    empty one, is new and has nothing to lose.
    """
    found: set[str] = set()
    for pattern, migrations in families.items():
        wanted = {name for name, sql in migrations if one_way(sql) is not None}
        schemas = await connection.fetch(
            "SELECT nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid "
            "WHERE nspname LIKE $1 AND relname = 'migration'",
            pattern,
        )
        for record in schemas:
            done = {
                row["name"]
                for row in await connection.fetch(f"SELECT name FROM {record['nspname']}.migration")
            }
            if done:
                found |= wanted - done
    return sorted(found)
