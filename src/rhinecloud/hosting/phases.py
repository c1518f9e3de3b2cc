"""Migrations of an app in two phases, so that an upgrade needs no pause.

`NAME.sql` runs before the new version serves anything, beside workers of the old one: it only adds. `NAME.post.sql`
runs when every worker knows it: it may take away what the old version needed. Which workers there are, and which
migrations each knows, stands in the app's table `serving`.
"""

from __future__ import annotations

from uuid import UUID

from rhinecloud.store import Room, RoomDatabase, Rooms

Migration = tuple[str, str]  # the name of the file, its SQL
POST = ".post.sql"
SERVING: Migration = (
    "0000_serving",
    """
    CREATE TABLE serving (
        worker uuid PRIMARY KEY,
        knows text[] NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)
_PRE_SECONDS = 60.0  # of one statement, while nothing of the new version is served
_POST_SECONDS = 3_600.0
_ALONE = "3 minutes"  # without a sign of life: the worker is gone


def phases(migrations: list[Migration]) -> tuple[list[Migration], list[Migration]]:
    """Those that run before, and those that run after."""
    before = [one for one in migrations if not one[0].endswith(POST)]
    return [SERVING, *before], [one for one in migrations if one[0].endswith(POST)]


async def prepare(rooms: Rooms, name: str, before: list[Migration], after: list[Migration]) -> Room:
    """The app's schema with what has to be there before it is served. See Rooms.prepare."""
    room = await rooms.prepare(name)
    await rooms.migrate(room, before, statement_seconds=_PRE_SECONDS, later=after)
    return room


async def appear(database: RoomDatabase, worker: UUID, after: list[Migration]) -> None:
    """A sign of life of this worker."""
    await database.pool.execute(
        """
        INSERT INTO serving (worker, knows) VALUES ($1, $2)
        ON CONFLICT (worker) DO UPDATE SET seen_at = now(), knows = excluded.knows
        """,
        worker,
        [name for name, _ in after],
    )


async def leave(database: RoomDatabase, worker: UUID) -> None:
    """This worker serves no more."""
    await database.pool.execute("DELETE FROM serving WHERE worker = $1", worker)


async def finish(
    rooms: Rooms, database: RoomDatabase, before: list[Migration], after: list[Migration]
) -> bool:
    """Run what comes after, if every worker that lives knows it; whether nothing of it is left to do."""
    await database.pool.execute("DELETE FROM serving WHERE seen_at < now() - interval '1 day'")
    waiting = await database.pool.fetchval(
        f"SELECT count(*) FROM serving WHERE seen_at > now() - interval '{_ALONE}' AND NOT knows @> $1",
        [name for name, _ in after],
    )
    if waiting:
        return False
    await rooms.migrate(database.room, [*before, *after], statement_seconds=_POST_SECONDS)
    return True
