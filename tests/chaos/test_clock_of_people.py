"""The machine's clock jumps by a year, forward and back: nobody is locked out for longer than they must be, and nothing
that is over comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from rhinecloud.people import links
from rhinecloud.people.limits import TRYING
from rhinecloud.people.sessions import Sessions
from rhinecloud.store import Connections, RoomDatabase, Rooms, migrations_in

from ..conftest import Serve
from ..people.test_gate import House
from .test_clock import Clock, clock, database_with_that_clock, pytestmark

__all__ = ["clock", "database_with_that_clock", "pytestmark"]

MAIL = "somebody@example.org"
TYPE = "https://uri.etsi.org/ngsi-ld/default-context/Streetlight"
LAMP = {"id": "urn:ngsi-ld:Streetlight:1", "type": "Streetlight", "powerState": "on"}
IDLE, LASTING = timedelta(days=14), timedelta(days=90)  # as of the settings

_LONGER = "SELECT count(*) FROM session WHERE expires_at > now() + $1 OR seen_at > now() + interval '1 hour'"


class City(House):
    """A served city whose clock is put."""

    clock: Clock
    real: float

    async def now(self) -> float:
        return float(await self.room.pool.fetchval("SELECT extract(epoch FROM now())"))

    async def jump(self, days: int) -> None:
        """So far from the real time, and wait until PostgreSQL goes by it."""
        self.clock.put(f"{days:+}d")
        async with asyncio.timeout(60):
            while abs((await self.now() - self.real) / 86_400 - days) > 0.5:
                await asyncio.sleep(0.1)

    async def is_in(self, cookie: str, wanted: bool = True) -> bool:
        """Whether a cookie lets its owner in, or comes to: the gate knows somebody for some seconds."""
        async with self.client(cookie=cookie) as browser:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(30):
                    while True:
                        answer = await browser.get("/account", headers={"Accept": "text/html"})
                        assert answer.status_code in (200, 303), answer.text
                        if (answer.status_code == 200) == wanted:
                            return wanted
                        await asyncio.sleep(0.2)
        return not wanted

    async def is_out(self, cookie: str) -> bool:
        """Whether it comes to be that a cookie lets nobody in."""
        return not await self.is_in(cookie, wanted=False)

    async def signed_in(self) -> str:
        """The cookie of somebody who signs in now."""
        return (await self.person())[2]

    async def link(self) -> str:
        async with self.room.transaction() as connection:
            return await links.make(connection, "recover", "test", mail=MAIL)

    async def leads_somewhere(self, secret: str) -> bool:
        return await links.find(self.room.pool, secret, "recover") is not None

    async def lately(self) -> int:
        async with self.room.transaction() as connection:
            return await links.lately(connection, MAIL)

    async def is_published(self) -> bool:
        """Whether anybody sees the lamp, by all workers' knowledge."""
        async with self.client() as anybody:
            found = await anybody.get("/ngsi-ld/v1/entities?type=Streetlight")
            assert found.status_code == 200, found.text
            return bool(found.json())

    async def becomes(self, published: bool) -> None:
        async with asyncio.timeout(60):
            while await self.is_published() != published:
                await asyncio.sleep(0.2)


@pytest.fixture
async def city(serve: Serve, clock: Clock, database_with_that_clock: str) -> AsyncIterator[City]:
    environ = {**clock.of_workers, "RHINECLOUD_DATABASE_URL": database_with_that_clock}
    server = await asyncio.to_thread(
        serve, "--no-open", "--proxies=127.0.0.1 ::1", "--watchdog-seconds=15", environ=environ
    )
    room = await Rooms(server.database_url).prepare("room_people", migrations_in("rhinecloud.people"))
    connections = Connections(server.database_url, 4)
    found = City(server, RoomDatabase(connections, room))
    found.sessions = Sessions(found.room.pool, IDLE, LASTING)
    found.clock = clock
    found.real = await found.now()
    yield found
    await found.room.close()
    await connections.close()


async def test_sessions(city: City) -> None:
    early = await city.signed_in()
    assert await city.is_in(early)

    await city.jump(365)
    assert await city.is_out(early)
    late = await city.signed_in()
    assert await city.is_in(late)

    await city.jump(0)  # nobody is locked out by the time that has not come yet
    here = await city.signed_in()  # `early` may have been swept meanwhile, for it was over
    assert await city.is_in(late) and await city.is_in(here)
    async with asyncio.timeout(60):  # none lasts for longer, and of none it is unknown when it was used last
        while await city.room.pool.fetchval(_LONGER, LASTING):
            assert await city.is_in(late)
            await asyncio.sleep(0.2)

    await city.jump(-365)
    assert await city.is_in(here) and await city.is_in(late) and await city.is_in(await city.signed_in())

    unused = await city.signed_in()
    await city.jump(-730)
    await city.sessions.sweep()
    kept = await city.room.pool.fetchrow("SELECT max(expires_at - now()), max(seen_at - now()) FROM session")
    assert kept[0] <= LASTING and kept[1] <= timedelta(minutes=1), "also of those that nobody uses"
    assert await city.is_in(unused)
    await city.jump(0)
    assert await city.is_out(unused), "over is over, however it came to be"


async def test_links(city: City) -> None:
    early = await city.link()
    assert await city.leads_somewhere(early) and await city.lately() == 1
    await city.jump(365)
    assert not await city.leads_somewhere(early)
    late = await city.link()
    assert await city.leads_somewhere(late)
    await city.jump(0)
    assert not await city.leads_somewhere(late), "a link of two hours leads somewhere for a year"
    assert await city.lately() <= 1, "whom letters went to in the future must wait for it"
    assert await city.leads_somewhere(await city.link())
    await city.jump(-365)
    assert await city.lately() == 0
    assert await city.leads_somewhere(await city.link())


async def test_what_is_published_and_what_was_withdrawn(city: City) -> None:
    _, _, operator = await city.person("operator", "editor")

    async def publish() -> None:
        async with city.client(cookie=operator) as browser:
            answer = await browser.post("/publishing", data={"audience": "anyone", "type": TYPE})
            assert answer.status_code == 303, answer.text

    async with city.client(cookie=operator) as browser:
        assert (await browser.post("/ngsi-ld/v1/entities", json=LAMP)).status_code == 201
    assert not await city.is_published()
    await publish()
    for days in (365, 0, -365):
        await city.jump(days)
        await city.becomes(published=True)  # it began "later" than now

    await city.jump(0)
    async with city.client(cookie=operator) as browser:
        number = await city.room.pool.fetchval("SELECT max(id) FROM publication")
        answer = await browser.post(f"/publishing/{number}", data={"action": "withdraw"})
        assert answer.status_code == 303, answer.text
    await city.becomes(published=False)
    await city.jump(-365)  # to before it was withdrawn, and before it was published
    in_force = await city.room.pool.fetchval("SELECT count(*) FROM publication WHERE until > now()")
    assert in_force == 1, "the end that was written down is in the future now"
    await publish()
    await city.becomes(published=True)  # all workers look again: their knowledge is of this clock
    async with city.client(cookie=operator) as browser:
        listing = (await browser.get("/publishing?lang=en")).text
    assert f'action="/publishing/{number}"' not in listing


async def test_limits(city: City) -> None:
    """Who tried too often stays out, and gets in again, by the time that passes and not by the clock."""
    browser = city.client()

    async def tries(client: httpx.AsyncClient) -> int:
        answer = await client.post("/sign-in/options", headers={"Origin": city.server.base_url})
        return answer.status_code

    async with browser, city.client() as other:
        async with asyncio.timeout(60):
            while await tries(browser) != 429:
                pass
        for days in (365, 0, -365):
            await city.jump(days)
            assert await tries(other) != 429
        assert TRYING.rate > 0
        async with asyncio.timeout(60):
            while await tries(browser) == 429:
                await asyncio.sleep(0.2)
