"""The disk fills up under load, in a file system of its own: what was acknowledged is kept, what cannot be kept is
refused with a clear answer, and it goes on when there is room again, with nobody's help."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from rhinecloud.tasks import stop

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, new_folder
from .ledger import Ledger, compare, publish_mqtt, settled, write_http

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="fills the disk of embedded engines"
)
SIZE = 700  # MB of the file system: programs, a cluster and its write-ahead log take some 300


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own."""
    folder = new_folder()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m,mode=711", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, timeout=20)
        problem = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        problem = str(error)
    if problem:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"THE FULL DISK IS NOT TESTED HERE: a tmpfs cannot be mounted ({problem}); run as root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=20)
    shutil.rmtree(folder, ignore_errors=True)


class Ballast:
    """A file that takes the room away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] = []

    def take(self, leave: int) -> None:
        """All but so many MB."""
        free = shutil.disk_usage(self._folder).free - leave * 1024 * 1024
        if free > 0:
            self._files.append(self._folder / f"ballast{len(self._files)}")
            with self._files[-1].open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, free)

    def free(self) -> None:
        """Room again."""
        for file in self._files:
            file.unlink()
        self._files.clear()


@dataclass(frozen=True)
class Refusal:
    """An answer that is not the expected one."""

    status: int
    title: str
    retry_after: str | None


async def write_much(base_url: str, over: asyncio.Event, refusals: list[Refusal]) -> None:
    """Large entities, so that it goes quickly, until it is enough."""
    number = 0
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as client:
        while not over.is_set():
            number += 1
            document = {
                "id": f"urn:ngsi-ld:Ballast:{number}",
                "type": "Ballast",
                "note": os.urandom(50_000).hex(),
            }
            answer = await client.post("/ngsi-ld/v1/entities", json=document)
            if answer.status_code == 201:
                continue
            assert answer.headers["content-type"] == "application/json", answer.text
            refusals.append(
                Refusal(answer.status_code, answer.json()["title"], answer.headers.get("retry-after"))
            )
            await asyncio.sleep(0.1)


async def fresh(ledger: Ledger, names: tuple[str, ...], seconds: float = 90) -> None:
    """Wait until each of these writers was acknowledged something anew."""
    known = set(ledger.acknowledged)
    async with asyncio.timeout(seconds):
        for name in names:
            while sum(f":disk.{name}" in entry[0] for entry in ledger.acknowledged - known) < 20:
                await asyncio.sleep(0.1)


async def test_a_full_disk_refuses_and_recovers(small_disk: Path, serve: Serve) -> None:
    server = await asyncio.to_thread(serve, data=small_disk / "data")
    base_url = server.base_url.rstrip("/")
    ballast = Ballast(small_disk)
    ledger, over, enough, refusals = Ledger("disk"), asyncio.Event(), asyncio.Event(), list[Refusal]()
    load = [
        asyncio.create_task(write_http(lambda: base_url, ledger, over, "http")),
        asyncio.create_task(publish_mqtt(server.mqtt_host, server.mqtt_port, ledger, over, "one")),
        asyncio.create_task(publish_mqtt(server.mqtt_host, server.mqtt_port, ledger, over, "two")),
    ]
    filling = asyncio.create_task(write_much(base_url, enough, refusals))
    try:
        await fresh(ledger, ("http", "one", "two"))
        ballast.take(leave=20)
        async with asyncio.timeout(90):
            while len(refusals) < 30 and not filling.done():
                await asyncio.sleep(0.1)
        enough.set()
        await filling
        # The database can do nothing any more. What is left goes too, so that NATS can do nothing either.
        async with asyncio.timeout(90):
            quiet, before = 0, -1
            while quiet < 20:
                with contextlib.suppress(OSError):
                    ballast.take(leave=0)
                quiet = quiet + 1 if before == len(ledger.acknowledged) else 0
                before = len(ledger.acknowledged)
                await asyncio.sleep(0.1)
        print(f"acknowledged {before} until the disk was full; answers: {Counter(refusals)}")
        ballast.free()
        await fresh(ledger, ("http", "one", "two"))
    finally:
        over.set()
        enough.set()
        _, left = await asyncio.wait([*load, filling], timeout=30)
        await stop(*left)
        print(server.output[-4000:])
    assert not left, "a writer did not end"
    assert {refusal.status for refusal in refusals} == {503}
    assert all(refusal.retry_after and refusal.title for refusal in refusals)
    assert all(text.startswith("503 ") for text in ledger.refused), ledger.refused
    await settled(server.database_url, ledger, lambda: ledger.tried)
    await compare(server.database_url, ledger)
