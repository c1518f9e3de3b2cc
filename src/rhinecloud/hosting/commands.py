"""The commands of apps: `rhinecloud NAME COMMAND`, in a process of their own, while the city is served or stopped.

A command that needs its `City` speaks to PostgreSQL, as a worker does, but not to NATS: what it writes is told by the
workers within a second, or when the city is served again; messages on `city.bus` are lost, which they may always be.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from rhinecloud.app import App, Command
from rhinecloud.broker import Broker
from rhinecloud.broker.outbound import Allowed
from rhinecloud.bus import Bus
from rhinecloud.city import City
from rhinecloud.engines.account import EngineError
from rhinecloud.files import Files
from rhinecloud.gateways.devices.devices import Devices
from rhinecloud.gateways.profiles import Profiles
from rhinecloud.jobs import Jobs
from rhinecloud.mail import Mail
from rhinecloud.settings import Settings
from rhinecloud.store import (
    Connections,
    Database,
    NotLetIn,
    RoomDatabase,
    Rooms,
    Unavailable,
    migrations_in,
)
from rhinecloud.web.language import tongues

from .apps import Apps
from .finding import find


def command_of(app: str, name: str) -> Command:
    """A command of an installed app. Raises EngineError that says which there are."""
    for command in _app(app).commands:
        if command.name == name:
            return command
    raise EngineError(f"The app {app} has no command {name}.\n\n{listed(app)}")


def listed(app: str) -> str:
    """The commands of an app, a line each. Raises EngineError for one that cannot be used."""
    found = _app(app).commands
    if not found:
        return f"The app {app} has no commands."
    width = max(len(command.name) for command in found) + 2
    lines = [f"  {command.name:<{width}}{command.help}" for command in found]
    return f"Usage: rhinecloud {on_the_line(app)} COMMAND [--help]\n\n" + "\n".join(lines)


def _app(name: str) -> App:
    (found,) = find(frozenset({name}))
    if found.app is None:
        raise EngineError(f"The app {name} cannot be used: {found.reason}.")
    return found.app


def on_the_line(app: str) -> str:
    """The name of an app on the command line."""
    return app.replace("_", "-")


def run(app: str, command: Command, settings: Settings, url: str, arguments: argparse.Namespace) -> int:
    """Run a command that needs its City, whose PostgreSQL is at `url`. Raises EngineError."""

    async def act() -> int:
        async with opened(app, settings, url) as city:
            return int(await command.run(city, arguments) or 0)

    try:
        return asyncio.run(act())
    except (LookupError, *NotLetIn) as error:
        raise EngineError(f"This cannot be done: {error}.") from None
    except Unavailable as error:
        raise EngineError(f"PostgreSQL does not answer: {error or type(error).__name__}") from None


@asynccontextmanager
async def opened(app: str, settings: Settings, url: str) -> AsyncIterator[City]:
    """The City of an app outside of a worker, its schema ready. It counts among those that use the schema: what an
    older version needs is not taken away under it.

    Raises EngineError where the app cannot be used, LookupError where there is no city yet.
    """
    bus: Any = _Silent()
    try:
        database = await Database.open(url, size=4, queries=2, migrate=False)
    except asyncpg.UndefinedTableError:
        raise LookupError("there is no city in this database yet") from None
    connections = Connections(url, 8)
    rooms = Rooms(url)
    apps = Apps(rooms, connections, frozenset({app}), background=False)
    broker = Broker(database, bus, cared_for=True)
    jobs = Jobs(database, settings.time_zone)
    profiles = Profiles(broker, bus)
    try:
        people = RoomDatabase(
            connections, await rooms.prepare("room_people", migrations_in("rhinecloud.people"))
        )
        await apps.prepare()
        if app in apps.failed:
            raise EngineError(f"The app {app} cannot be used: {apps.failed[app]}.")
        await profiles.open()
        apps.connect(
            settings=settings,
            broker=broker,
            bus=bus,
            jobs=jobs,
            mail=Mail.of_settings(
                database, settings, tongues(settings.time_zone, apps.catalogues()), apps.letters()
            ),
            files=Files.of_settings(database, settings, jobs.compute),
            devices=Devices(database, bus, profiles),
            people=people,
            allowed=Allowed(settings.outbound_allow),
        )
        await apps.open()
        yield apps.city(app)
    finally:
        await apps.close()
        await profiles.close()
        await broker.close()
        await connections.close()
        await database.close()


class _Silent(Bus):
    """No bus: nothing is told and nothing heard. Watches read PostgreSQL."""

    def __init__(self) -> None:
        self.published = 0

    @property
    def connected(self) -> bool:
        """Never."""
        return False

    async def subscribe(self, subject: str, callback: Callable[[bytes], Awaitable[None]]) -> Any:
        """Nothing comes."""

    async def tell(self, subject: str, payload: bytes) -> None:
        """Nobody hears it."""

    async def wake(self, name: str) -> None:
        """Nobody wakes: sleepers look now and then."""

    async def on_wake(self, name: str, callback: Callable[[], None]) -> Any:
        """Nobody is woken."""


__all__ = ["command_of", "listed", "on_the_line", "opened", "run"]
