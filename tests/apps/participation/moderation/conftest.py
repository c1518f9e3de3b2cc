"""A city with sign-in and mail: people who write, report, moderate; and what they were written."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import httpx
import pytest_asyncio

from rhinecloud.people import accounts, organisations
from rhinecloud.people.sessions import Sessions
from rhinecloud.store import Connections, RoomDatabase, Rooms, migrations_in
from tests.conftest import Serve, Server
from tests.mail.servers import MailServer, Taken

_OF_PROPOSALS = ("Ihr Vorschlag", "Your proposal")
_numbers = itertools.count(1)
_neighbours = (f"10.{number >> 8}.{number & 255}.1" for number in itertools.count())


class Person(httpx.AsyncClient):
    """A browser; `account` of who signed in."""

    account: int | None = None
    mail: str | None = None

    @property
    def id(self) -> str:
        return f"person:{self.account}"


class Town:
    """A served city, its people, its database (as the app's schema) and its post."""

    def __init__(
        self, server: Server, room: RoomDatabase, rows: asyncpg.Connection, post: MailServer
    ) -> None:
        self.server, self.rows, self.post = server, rows, post
        self.room = room
        self.sessions = Sessions(room.pool, timedelta(hours=1), timedelta(days=1))
        self.opened: list[Person] = []

    async def person(self, *roles: str, mail: bool = True, language: str = "de") -> Person:
        """Somebody who signed in, with these roles."""
        number = next(_numbers)
        address = f"person{number}@example.org" if mail else None
        async with self.room.transaction() as connection:
            handle = f"handle {number}".encode()
            account = await accounts.make(connection, handle, f"Person {number}", address, language)
            city = await organisations.the_citys(connection, "Duisburg")
            for role in roles:
                await organisations.join(connection, account, city, role)
        cookie = await self.sessions.begin(self.room.pool, account, "test")
        found = self.anybody({"Cookie": f"rhinecloud={cookie}"})
        found.account, found.mail = account, address
        return found

    def anybody(self, headers: dict[str, str] | None = None) -> Person:
        """Somebody who did not sign in, a neighbour of nobody."""
        url = self.server.base_url
        own = {"Origin": url, "X-Forwarded-For": next(_neighbours), "Accept-Language": "de"}
        found = Person(base_url=url, headers=own | (headers or {}), timeout=60)
        self.opened.append(found)
        return found

    async def again(self, serve: Serve) -> None:
        """Serve again what was killed."""
        await self.rows.close()
        self.server = await asyncio.to_thread(serve, *flags_of(self.post), data=self.server.data)
        self.rows = await rows_of(self.server)

    async def group(self, title: str = "Mobilität") -> int:
        """A theme group that works."""
        number: int = await self.rows.fetchval(
            "INSERT INTO theme_group (name, title, lead, about, state, key, created_by) "
            "VALUES ($1, $2, '', '', 'active', $3, 'person:1') RETURNING number",
            f"group-{next(_numbers)}",
            title,
            b"k" * 32,
        )
        return number

    async def belongs(self, who: Person, group: int, role: str = "member") -> None:
        """Somebody is of a group, as this."""
        await self.rows.execute(
            "INSERT INTO member (theme_group, account, name, role, state, asked_at, joined_at) "
            "VALUES ($1, $2, 'Somebody', $3, 'member', now(), now())",
            group,
            who.id,
            role,
        )

    async def proposal(self, author: Person, group: int | None = None, title: str = "Mehr Bänke") -> str:
        """What somebody proposes, through the form; its subject."""
        given = {"title": title, "text": "Am Innenhafen fehlen Bänke.", "group": str(group or "")}
        answer = await author.post("/participation/proposals/new", data=given)
        assert answer.status_code == 303, answer.text
        return "proposal:" + re.findall(r"/proposals/(\d+)", answer.headers["location"])[0]

    async def letters(self, to: str | None, count: int = 1) -> list[Taken]:
        """The letters that came to an address, once there are so many; not those about the way of a proposal."""

        def found() -> list[Taken]:
            return [
                taken
                for taken in self.post.taken
                if taken.recipients == [to] and not taken.message["subject"].startswith(_OF_PROPOSALS)
            ]

        for _ in range(300):
            if len(found()) >= count:
                break
            await asyncio.sleep(0.1)
        assert len(found()) == count, [taken.message["subject"] for taken in found()]
        return found()

    async def audited(self, subject: str) -> list[tuple[str, str]]:
        """(actor, action) of what was written down about a thing."""
        rows = await self.rows.fetch(
            "SELECT actor, action FROM tenant_city.audit WHERE subject = $1 ORDER BY id", subject
        )
        return [(row["actor"], row["action"].removeprefix("participation.")) for row in rows]


def words_of(taken: Taken) -> str:
    """What a letter says."""
    part = taken.message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def flags_of(post: MailServer) -> tuple[str, ...]:
    """How the city is served."""
    mail = (f"--mail-server=smtp://127.0.0.1:{post.port}", "--mail-from=stadt@duisburg.test")
    return ("--no-open", "--proxies=127.0.0.1 ::1", *mail)


async def rows_of(server: Server) -> asyncpg.Connection:
    """A connection to the tables of the app."""
    return await asyncpg.connect(
        server.database_url, server_settings={"search_path": "app_participation,public"}
    )


@pytest_asyncio.fixture(scope="module")
async def town(module_serve: Serve) -> AsyncIterator[Town]:
    post = await MailServer().start()
    server = await asyncio.to_thread(module_serve, *flags_of(post))
    room = await Rooms(server.database_url).prepare("room_people", migrations_in("rhinecloud.people"))
    connections = Connections(server.database_url, 4)
    database = RoomDatabase(connections, room)
    found = Town(server, database, await rows_of(server), post)
    yield found
    for one in found.opened:
        await one.aclose()
    await found.rows.close()
    await database.close()
    await connections.close()
    await post.stop()
