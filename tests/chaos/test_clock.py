"""The machine's clock jumps, forward by forty days and back again: what is written stays and is told, and nobody waits
for the time to come round again. libfaketime gives PostgreSQL and the workers a clock of their own (not NATS, which is
one static program)."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rhinecloud.engines import Engines, postgresql
from rhinecloud.settings import Settings

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, new_folder, quiet
from ..receivers import eventually, http_receiver

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="gives embedded engines another clock"
)
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


# The supervisor keeps the real clock: libfaketime breaks the sleep of Python, which it needs and workers do not.
_FOR_CHILDREN = """
import os
if "JUMPING_CLOCK" in os.environ:
    os.environ["LD_PRELOAD"] = os.environ.pop("JUMPING_CLOCK")
"""


class Clock:
    """How far the clocks are from the real one. Programs that are started with `environ` go by it, and the workers of a
    supervisor that is started with `of_workers`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.put("+0")
        (folder / "sitecustomize.py").write_text(_FOR_CHILDREN)
        self.environ = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",  # whoever asks after it was put knows
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        self.of_workers = {
            **self.environ,
            "JUMPING_CLOCK": self.environ["LD_PRELOAD"],
            "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))),
        }
        del self.of_workers["LD_PRELOAD"]

    def put(self, offset: str) -> None:
        """`+40d`, `-2h`."""
        self._file.write_text(offset + "\n")
        self._file.chmod(0o644)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    if not LIBRARIES:
        pytest.skip("CLOCKS THAT JUMP ARE NOT TESTED HERE: faketime is not installed (apt install faketime)")
    folder = new_folder()
    clock = Clock(folder)
    monkeypatch.setattr(postgresql, "_ENVIRONMENT", {**postgresql._ENVIRONMENT, **clock.environ})
    yield clock
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database_with_that_clock(clock: Clock, programs: Path) -> Iterator[str]:
    folder = new_folder()
    settings = Settings(data=folder / "data", nats_url="nats://not.started", mqtt_port=0, open=True)
    with Engines(settings, quiet, programs) as engines:
        yield engines.database_url
    shutil.rmtree(folder, ignore_errors=True)


async def test_a_clock_that_jumps_stops_nothing(
    serve: Serve, clock: Clock, database_with_that_clock: str
) -> None:
    environ = {
        **clock.of_workers,
        "RHINECLOUD_DATABASE_URL": database_with_that_clock,
        "RHINECLOUD_OUTBOUND_ALLOW": "127.0.0.1",
    }
    server = await asyncio.to_thread(serve, "--watchdog-seconds=15", environ=environ)
    base = f"{server.base_url.rstrip('/')}/ngsi-ld/v1"
    entity = f"{base}/entities/urn:ngsi-ld:Gauge:1"
    async with http_receiver() as receiver, httpx.AsyncClient(timeout=30) as client:

        async def write(level: int) -> str:
            """Write, read it back, and return when the city believes that it was (its clock)."""
            patched = await client.patch(
                f"{entity}/attrs", json={"level": {"type": "Property", "value": level}}
            )
            assert patched.status_code == 204, patched.text
            found = (await client.get(f"{entity}?options=sysAttrs")).json()
            assert found["level"]["value"] == level
            return str(found["level"]["modifiedAt"])

        created = {"id": "urn:ngsi-ld:Gauge:1", "type": "Gauge", "level": {"type": "Property", "value": 0}}
        assert (await client.post(f"{base}/entities", json=created)).status_code == 201
        for name, throttling in (("each", {}), ("seldom", {"throttling": 1})):
            subscription = {
                "type": "Subscription",
                "subscriptionName": name,
                "entities": [{"type": "Gauge"}],
                "notification": {"endpoint": {"uri": f"{receiver.url}/{name}"}, "format": "keyValues"},
                **throttling,
            }
            answer = await client.post(f"{base}/subscriptions", json=subscription)
            assert answer.status_code == 201, answer.text

        def told(name: str, level: int) -> bool:
            return any(
                entity["level"] == level
                for one in receiver.received
                if one.path.endswith(name)
                for entity in one.entities
            )

        level, days = 0, set[str]()
        for offset in ("+0", "+40d", "+0", "-3d", "+0"):
            clock.put(offset)
            before = len(days)
            async with asyncio.timeout(60):
                while True:  # until the new clock has come round to them
                    level += 1
                    day = (await write(level))[:10]
                    if day not in days or offset == "+0":
                        days.add(day)
                        break
                    await asyncio.sleep(0.2)
            assert len(days) > before or offset == "+0"
            for name in ("each", "seldom"):
                wanted = level
                await eventually(lambda name=name, wanted=wanted: told(name, wanted), 30)  # type: ignore[misc]
        assert len(days) == 3

        past = await client.get(
            f"{base}/temporal/entities/urn:ngsi-ld:Gauge:1",
            params={"timerel": "after", "timeAt": "2020-01-01T00:00:00Z", "timeproperty": "modifiedAt"},
        )
        kept = {each["value"] for each in past.json()["level"]}
        assert kept == {*range(level + 1)}, "the history lost something"
    assert "no sign of life" not in server.output
    assert server.stop() == 0
