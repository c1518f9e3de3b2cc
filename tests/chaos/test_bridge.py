"""The bridge while things die: what a foreign broker acknowledged to its devices is in the history here.

Once each, also when workers are killed at any moment. When the foreign broker itself is killed, a NATS gives what it
delivers again other packet identifiers: such messages may be there twice, and none is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, Server, new_folder
from ..gateways import foreign
from ..gateways.foreign import Foreign
from .ledger import HISTORY, Ledger, publish_mqtt, query

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="kills workers of a server of its own"
)
KILLS = 4


@pytest.fixture(params=["nats", "mosquitto"])
def there(request: pytest.FixtureRequest, programs: Path) -> Iterator[Foreign]:
    folder = new_folder()
    broker = foreign.nats(folder, programs) if request.param == "nats" else foreign.mosquitto(folder)
    broker.start()
    yield broker
    broker.kill()
    shutil.rmtree(folder, ignore_errors=True)


def workers(server: Server) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "rhinecloud.worker" in process.cmdline():
                found.append(process)
    return found


async def history_of(server: Server, ledger: Ledger, seconds: float = 60) -> Counter[tuple[str, int]]:
    """How often each value is there, once all that was acknowledged is."""
    kept: Counter[tuple[str, int]] = Counter()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not ledger.acknowledged <= kept.keys():
                kept = Counter(await query(server.database_url, HISTORY, ledger.like))
                await asyncio.sleep(0.2)
    return kept


async def served(server: Server, seconds: float = 60) -> None:
    """Wait until the bridge is connected: what comes before the first subscription is nobody's."""
    async with asyncio.timeout(seconds):
        while not await query(
            server.database_url, "SELECT 1 FROM bridge WHERE status @> '{\"connected\": true}'"
        ):
            await asyncio.sleep(0.1)


async def told(server: Server) -> str:
    """How the bridge says it is, and the end of the log."""
    return f"{await query(server.database_url, 'SELECT now(), * FROM bridge')}\n{server.output[-3000:]}"


async def more(ledger: Ledger, seconds: float = 60) -> None:
    """Wait until another hundred are acknowledged."""
    wanted = len(ledger.acknowledged) + 100
    async with asyncio.timeout(seconds):
        while len(ledger.acknowledged) < wanted:
            await asyncio.sleep(0.05)


async def test_what_a_foreign_broker_acknowledged_is_in_the_history(there: Foreign, serve: Serve) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    url = f"mqtt://127.0.0.1:{there.port}/?topic=json/Chaos/%23"
    server = serve("--workers=2", environ={"RHINECLOUD_MQTT_BRIDGE": url})

    await served(server)

    async def load(ledger: Ledger, over: asyncio.Event) -> None:
        names = (f"d{number}" for number in range(4))
        await asyncio.gather(*(publish_mqtt("127.0.0.1", there.port, ledger, over, name) for name in names))

    # Workers are killed.
    ledger, over = Ledger("worker"), asyncio.Event()
    loading = asyncio.create_task(load(ledger, over))
    killed = 0
    while killed < KILLS:
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        found = workers(server)
        if found:
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(found).kill()
                killed += 1
    await asyncio.sleep(1)
    over.set()
    await loading
    kept = await history_of(server, ledger)
    print(f"{len(ledger.acknowledged)} acknowledged while {killed} workers were killed")
    assert len(ledger.acknowledged) > 200
    missing = ledger.acknowledged - kept.keys()
    assert not missing, f"{len(missing)} are lost: {sorted(missing)[:5]}\n{await told(server)}"
    assert {entry: times for entry, times in kept.items() if times > 1} == {}, "counted twice"
    assert kept.keys() <= ledger.tried

    # The foreign broker goes away and comes back.
    ledger, over = Ledger("foreign"), asyncio.Event()
    loading = asyncio.create_task(load(ledger, over))
    for _ in range(2):
        await more(ledger)
        await asyncio.sleep(chance.uniform(0, 0.5))
        if "nats" in str(there.command[0]):
            there.kill()
        else:
            there.stop()  # a mosquitto that is killed forgets what it acknowledged in the last moment
        there.start()
    await more(ledger)
    over.set()
    await loading
    kept = await history_of(server, ledger)
    twice = sum(times - 1 for times in kept.values())
    print(f"{len(ledger.acknowledged)} acknowledged while the foreign broker died, {twice} of them twice")
    missing = ledger.acknowledged - kept.keys()
    assert not missing, f"{len(missing)} are lost: {sorted(missing)[:5]}\n{await told(server)}"
    assert kept.keys() <= ledger.tried
    if "mosquitto" in str(there.command[0]):
        assert twice == 0
