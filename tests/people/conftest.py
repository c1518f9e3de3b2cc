"""The room of people over real engines."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from rhinecloud.broker import Broker
from rhinecloud.broker.contexts import Contexts
from rhinecloud.broker.tenants import Served, Tenants
from rhinecloud.bus import Bus
from rhinecloud.jobs import Jobs
from rhinecloud.mail import Letters, Mail
from rhinecloud.people import accounts, organisations
from rhinecloud.people.service import People
from rhinecloud.settings import Settings
from rhinecloud.store import Connections, Database, Registry, RoomDatabase, Rooms, migrations_in
from rhinecloud.web.language import tongues


class Community:
    """People, and the jobs of their city, which nobody has opened yet."""

    def __init__(self, database: Database, people: People, jobs: Jobs, tenants: Tenants) -> None:
        self.database = database
        self.people = people
        self.jobs = jobs
        self.tenants = tenants

    async def settle(self, name: str, role: str | None = None) -> tuple[int, int]:
        """Somebody with a role in the city: (account, organisation)."""
        async with self.people.room.transaction() as connection:
            account = await accounts.make(connection, name.encode(), name, None, "de")
            city = await organisations.the_citys(connection, "Duisburg")
            if role is not None:
                await organisations.join(connection, account, city, role)
        return account, city


async def _no_other(database: Database) -> Served:
    raise LookupError("there is no other tenant")


@pytest_asyncio.fixture
async def community(database_url: str, bus: Bus) -> AsyncIterator[Community]:
    database = await Database.open(database_url)
    connections = Connections(database_url, 12)
    prepared = await Rooms(database_url).prepare("room_people", migrations_in("rhinecloud.people"))
    room = RoomDatabase(connections, prepared)
    broker = Broker(database, bus)
    await broker.open()
    mail = Mail(database, Letters(tongues("Europe/Berlin"), city_name="Duisburg"))
    jobs = Jobs(database, "Europe/Berlin")
    default = Served(database, broker, Contexts(database))
    tenants = Tenants(default, Registry(database_url), Connections(database_url, 4), _no_other)
    yield Community(database, People(room, broker, mail, Settings()), jobs, tenants)
    await tenants.close()
    await jobs.close()
    await broker.close()
    await room.close()
    await connections.close()
    await database.close()
