"""A city that serves sends mail by itself, and tells about it on its page of operations."""

from __future__ import annotations

import asyncio

import httpx

from rhinecloud.mail import Letters, Mail
from rhinecloud.store import Database
from rhinecloud.web.language import tongues
from tests.conftest import Serve
from tests.engines.test_supervision import embedded

from .servers import MailServer
from .test_sending import until


@embedded
async def test_a_served_city_sends(serve: Serve, smtp: MailServer) -> None:
    address = f"127.0.0.1:{smtp.port}"
    flags = (f"--mail-server=smtp://{address}", "--mail-from=noreply@duisburg.test", "--workers=2")
    server = await asyncio.to_thread(serve, *flags)
    database = await Database.open(server.database_url, migrate=False)
    queueing = Mail(database, Letters(tongues("Europe/Berlin"), city_name="Duisburg"))
    async with database.transaction() as connection:
        for n in range(20):
            await queueing.queue(connection, "test", f"p{n}@example.org", {"at": None}, app="test")

    async def all_sent() -> bool:
        return bool(await database.pool.fetchval("SELECT bool_and(state = 'sent') FROM mail"))

    await until(all_sent)
    await database.close()
    # Two workers, one of them elected: each letter once.
    assert sorted(taken.recipients[0] for taken in smtp.taken) == sorted(
        f"p{n}@example.org" for n in range(20)
    )
    async with httpx.AsyncClient(base_url=server.base_url) as client:
        page = (await client.get("/health?lang=de")).text
    assert address in page and str(server.data / "files") in page
