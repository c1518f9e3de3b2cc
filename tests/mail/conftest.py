"""Mail on a real PostgreSQL and a real SMTP server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest_asyncio

from rhinecloud.mail import Letters, Mail
from rhinecloud.mail.smtp import Server
from rhinecloud.store import Database
from rhinecloud.web.language import tongues

from .servers import MailServer

MakeMail = Callable[..., Mail]
Queue = Callable[..., Awaitable[int]]
SENDER = "Stadt Duisburg <noreply@duisburg.test>"


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of its own."""
    made = await Database.open(database_url)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def smtp() -> AsyncIterator[MailServer]:
    """A server that takes everything."""
    server = await MailServer().start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def make_mail(database: Database, smtp: MailServer) -> AsyncIterator[MakeMail]:
    """Each call is what another worker has."""
    made: list[Mail] = []

    def make(server: str | None = "", **options: Any) -> Mail:
        letters = Letters(
            tongues("Europe/Berlin"), city_name="Stadt Duisburg", public_url="https://duisburg.test"
        )
        url = f"smtp://127.0.0.1:{smtp.port}" if server == "" else server
        options = {"sender": SENDER, "give_up": timedelta(hours=1), **options}
        made.append(Mail(database, letters, server=Server.of_url(url) if url else None, **options))
        return made[-1]

    yield make
    for mail in made:
        await mail.close()


@pytest_asyncio.fixture
async def mail(make_mail: MakeMail) -> Mail:
    """Mail that is not sent yet: `mail.open()` begins."""
    return make_mail()


@pytest_asyncio.fixture
async def queue(mail: Mail, database: Database) -> Queue:
    """Queue a test letter in a transaction of its own."""

    async def put(to: str, **options: Any) -> int:
        async with database.transaction() as connection:
            return await mail.queue(
                connection, "test", to, {"at": "2026-07-01T22:30:05Z"}, app="test", **options
            )

    return put
