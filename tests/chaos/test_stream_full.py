"""The stream that devices publish into fills up while the database is out: what was acknowledged is in it and is
written when the database is back; what finds no room is acknowledged to nobody; then it goes on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from rhinecloud.bus import Bus, ensure_intake
from rhinecloud.bus.intake import look
from rhinecloud.tasks import stop

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, NatsServer, Serve, new_folder
from .ledger import HISTORY, Ledger, compare, publish_mqtt, query, settled
from .plugs import Plug, board

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="puts a plug before the database of the test"
)
ROOM = 200_000  # bytes: some thousand messages


@dataclass
class Database:
    """A database behind a plug."""

    plug: Plug
    behind: str
    url: str


@pytest.fixture
def plugged(database_url: str) -> Iterator[Database]:
    """The database of the test, as the server shall see it."""
    folder = new_folder()
    parts = urlsplit(database_url)
    socket = Path(parse_qs(parts.query)["host"][0], ".s.PGSQL.5432")
    with board() as make:
        plug = make("database").lead_to_socket(socket, folder / socket.name)
        yield Database(plug, f"{parts.scheme}://{parts.netloc}{parts.path}?host={folder}", database_url)
    shutil.rmtree(folder, ignore_errors=True)


async def test_a_full_stream_acknowledges_nothing_that_it_cannot_keep(
    nats: NatsServer, plugged: Database, serve: Serve
) -> None:
    login = nats.credentials
    bus = await Bus.connect(nats.url, patience=10, **login.options())
    await ensure_intake(bus, max_bytes=ROOM)  # a limit that is there already stays
    user, password = quote(str(login.user), ""), quote(str(login.password), "")
    port = urlsplit(nats.url).port
    await asyncio.to_thread(
        serve,
        environ={
            "RHINECLOUD_DATABASE_URL": plugged.behind,
            "RHINECLOUD_NATS_URL": f"nats://{user}:{password}@127.0.0.1:{port}",
        },
    )
    assert (await look(bus)).max_bytes == ROOM
    assert nats.mqtt_host is not None and nats.mqtt_port is not None
    ledger, over = Ledger("full"), asyncio.Event()
    devices = [
        asyncio.create_task(publish_mqtt(nats.mqtt_host, nats.mqtt_port, ledger, over, f"m{n}"))
        for n in range(4)
    ]
    try:
        async with asyncio.timeout(60):
            while len(await query(plugged.url, HISTORY, ledger.like)) < 100:
                await asyncio.sleep(0.05)
        plugged.plug.pull()
        # Full is where nobody is acknowledged anything for a while, although everybody tries.
        async with asyncio.timeout(120):
            quiet, acknowledged, tried = 0, 0, 0
            while quiet < 40 or len(ledger.tried) < tried + 4:
                if len(ledger.acknowledged) != acknowledged:
                    quiet, tried = 0, len(ledger.tried)
                quiet, acknowledged = quiet + 1, len(ledger.acknowledged)
                await asyncio.sleep(0.1)
        full = await look(bus)
        written = set(await query(plugged.url, HISTORY, ledger.like))
        print(f"{full}, {len(written)} written, {acknowledged} acknowledged, {len(ledger.tried)} tried")
        assert full.bytes > 0.9 * ROOM
        # Each that was acknowledged is written or waits; none was put out by a later one. What was tried and stored
        # without its acknowledgement having arrived may wait too.
        assert full.messages == full.waiting + full.unacknowledged
        assert len(ledger.acknowledged - written) <= full.messages <= len(ledger.tried)
        assert full.messages > 500
        plugged.plug.put_back()
        async with asyncio.timeout(90):
            while len(ledger.acknowledged) < acknowledged + 100:
                await asyncio.sleep(0.05)
    finally:
        over.set()
        plugged.plug.put_back()
        _, left = await asyncio.wait(devices, timeout=30)
        await stop(*left)
    assert not left, "a device did not end"
    assert len(ledger.tried) > len(ledger.acknowledged), "nobody was ever refused"
    await settled(plugged.url, ledger, lambda: ledger.tried)
    await compare(plugged.url, ledger)
    async with asyncio.timeout(60):
        while (await look(bus)).messages:
            await asyncio.sleep(0.1)
    await bus.close()
