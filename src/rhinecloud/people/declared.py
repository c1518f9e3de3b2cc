"""Whether every column of a schema is declared, personal or not: asked of PostgreSQL itself, by the tests of the
house and of every app."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from .register import PersonalData, undeclared

# Partitions have the columns of their table.
_COLUMNS = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = coalesce($1::text, current_schema())::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1, a.attnum
"""


async def columns_of(
    connection: asyncpg.Connection | asyncpg.Pool, schema: str | None = None
) -> list[tuple[str, str]]:
    """(table, column) of a schema, by default of the one that the connection looks into."""
    return [(record[0], record[1]) for record in await connection.fetch(_COLUMNS, schema)]


async def assert_declared(
    connection: asyncpg.Connection | asyncpg.Pool,
    declarations: PersonalData | Iterable[PersonalData],
    schema: str | None = None,
) -> None:
    """Raise AssertionError that names each column which nobody declared as personal or not, and each declared one that
    is not there. For the tests of an app: with the pool of its schema and its manifest's `personal_data`."""
    all_of_them = [declarations] if isinstance(declarations, PersonalData) else list(declarations)
    found = undeclared(await columns_of(connection, schema), all_of_them)
    if found:
        raise AssertionError(
            "Personal data must be declared (people/register.py), and so must what is none:\n  "
            + "\n  ".join(found)
        )
