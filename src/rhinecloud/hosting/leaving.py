"""The removal of an app that is not served any more: its schema and roles, jobs, files, and its permissions in tokens.

What it wrote into the graph stays, as do the letters it sent and the audit log: they are the city's.
"""

from __future__ import annotations

import msgspec

from rhinecloud.files import remove_of_app
from rhinecloud.jobs import remove_named
from rhinecloud.people.tokens import forget_permissions
from rhinecloud.people.upkeep import changed
from rhinecloud.store import Database, Rooms, intake, missing, outbox
from rhinecloud.store.roles import sign_in
from rhinecloud.store.rooms import Room

from .finding import schema_of


class Removed(msgspec.Struct, frozen=True):
    """What there was of the app: how many jobs waited and files were kept, and whether it had a schema."""

    jobs: int
    files: int
    schema: bool

    @property
    def nothing(self) -> bool:
        """Whether there was nothing at all."""
        return not (self.jobs or self.files or self.schema)


async def remove(url: str, name: str, keep_files_days: float) -> Removed:
    """Remove all that is the app's own; cut off, it is finished by calling this again.

    Raises LookupError where there is no city yet.
    """
    rooms = Rooms(url)
    people = next((room for room in await rooms.every() if room.name == "room_people"), None)
    database = await Database.open(url, size=1, queries=1, migrate=False)
    try:
        if people is not None:
            await _forget_permissions(url, people, f"{name}.")
        async with database.transaction() as connection:
            jobs = await remove_named(connection, f"{name}.")
            files = await remove_of_app(connection, name, keep_files_days)
            await outbox.forget_readers(connection, f"app.{name}.")
            await missing.forget_readers(connection, f"app.{name}.")
            await intake.audit(connection, "operator", "app.remove", name, {"jobs": jobs, "files": files})
            await changed(connection)  # what tokens may
    finally:
        await database.close()
    return Removed(jobs, files, await rooms.remove(schema_of(name)))


async def _forget_permissions(url: str, people: Room, prefix: str) -> None:
    own = await sign_in(url, people.login)
    try:
        await forget_permissions(own, prefix)
    finally:
        await own.close()
