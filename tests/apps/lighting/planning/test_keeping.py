"""Targets reach lamps that speak MQTT, and what becomes of each is known; workers are killed meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import random
import re
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from rhinecloud.tasks import stop

from ....conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, Server
from ....mqtt_device import Device

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="needs MQTT and kills processes of embedded engines"
)
OWN = {"Sec-Fetch-Site": "same-origin"}
LAMPS = 12
ROUNDS = 8


class Lamp(Device):
    """Confirms what it is told; `result` says otherwise."""

    result: Mapping[str, Any] = {"result": "done"}

    def answer(self) -> dict[str, Any]:
        return dict(self.result)

    @property
    def levels(self) -> list[float]:
        """In the order in which they came."""
        return [values["illuminanceLevel"] for _, values in self.heard]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Until an awaited condition holds (the test's own patience bounds it)."""
    while not await condition():
        await asyncio.sleep(0.1)


async def ask(city: httpx.AsyncClient, path: str, *, method: str = "POST", **options: Any) -> httpx.Response:
    """Insist while workers are down."""
    while True:
        with contextlib.suppress(httpx.HTTPError):
            answer = await city.request(method, path, **options)
            if answer.status_code < 500:
                assert answer.status_code < 400, answer.text
                return answer
        await asyncio.sleep(0.1)


async def connect(city: httpx.AsyncClient, server: Server, names: list[str]) -> dict[str, Lamp]:
    """Lamps of the graph with a device each, and who plays them."""
    found = {}
    for name in names:
        await ask(city, "/api/v1/devices", json={"id": name, "type": "Streetlight"})
        issued = (await ask(city, f"/api/v1/devices/{name}/secrets", json={})).json()
        found[name] = Lamp(server, "Streetlight", name, issued["secret"])
    await ask(city, "/ngsi-ld/v1/entityOperations/upsert", json=[entity(name) for name in names])
    return found


def entity(name: str) -> dict[str, Any]:
    """A lamp that a device speaks for."""
    return {
        "id": f"urn:ngsi-ld:Streetlight:{name}",
        "type": "Streetlight",
        "name": f"Deich {name}",
        "locationCategory": "road",
        "refDevice": {"type": "Relationship", "object": f"urn:ngsi-ld:Device:{name}"},
        "location": {"type": "Point", "coordinates": [6.7, 51.45]},
    }


async def plan(city: httpx.AsyncClient, level: int) -> None:
    """All lamps at one level, day and night."""
    given = {"name_de": "Fest", "name_en": "Constant", "fixed-0-at": "12:00", "fixed-0-level": str(level)}
    await ask(city, "/lighting/programs/new", data=given)
    await ask(city, "/lighting/calendars", data={"name_de": "Immer", "name_en": "Always", "default": "fest"})
    group = {"kind": "type", "name_de": "Alle", "name_en": "All", "categories": "road"}
    await ask(city, "/lighting/groups/new", data=group)
    await ask(city, "/lighting/plan/assign", data={"action": "add", "group": "alle", "calendar": "immer"})
    await apply(city)


async def apply(city: httpx.AsyncClient) -> None:
    shown = html.unescape((await ask(city, "/lighting/plan", method="GET")).text)
    found = re.search(r'name="digest" value="(\w+)"', shown)
    assert found is not None, shown
    await ask(city, "/lighting/plan/apply", data={"digest": found[1]})


def override(level: int) -> dict[str, str]:
    """For an hour."""
    ends = datetime.now(UTC) + timedelta(days=1)
    return {"group": "alle", "level": str(level), "ends": f"{ends:%Y-%m-%dT%H:%M}", "reason": "Probe"}


async def test_what_becomes_of_a_target_is_known(serve: Serve) -> None:
    server = await asyncio.to_thread(serve, "--workers=1")
    rows = await asyncpg.connect(server.database_url)
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=90) as city:
        lamps = await connect(city, server, ["good", "bad", "silent"])
        lamps["bad"].result = {"result": "failed", "detail": "no current"}
        await ask(city, "/ngsi-ld/v1/entityOperations/upsert", json=[entity("unknown")])
        living = [asyncio.create_task(lamps[name].run()) for name in ("good", "bad")]
        try:
            await asyncio.gather(*(lamps[name].there.wait() for name in ("good", "bad")))
            await plan(city, 70)

            async def states() -> dict[str, Any]:
                found = await rows.fetch("SELECT lamp, state, trouble FROM app_lighting.target")
                return {record[0].rpartition(":")[2]: (record[1], record[2]) for record in found}

            async def settled() -> bool:
                return await states() == {
                    "good": ("confirmed", None),
                    "bad": ("contradicted", "no current"),
                    "silent": ("asked", None),
                    "unknown": ("timed_out", "there is no device unknown"),
                }

            await until(settled)
            assert lamps["good"].levels[-1] == 0.7
            shown = html.unescape((await city.get("/lighting/targets?state=contradicted&lang=de")).text)
            assert "Deich bad" in shown and "no current" in shown and "Deich good" not in shown

            # The lamp itself measures something else, a while after it confirmed.
            later = datetime.now(UTC) + timedelta(minutes=2)
            at = f"{later:%Y-%m-%dT%H:%M:%SZ}"
            lamps["good"].say(illuminanceLevel=0.2, observedAt=at)

            async def contradicted() -> bool:
                return (await states())["good"] == ("contradicted", "the lamp is at 20 %")

            await until(contradicted)

            # An override tells it something new; when that is ended the plan counts again.
            lamps["bad"].result = {"result": "done"}
            await ask(city, "/lighting/overrides", data=override(100))

            async def at_full() -> bool:
                found = await states()
                return found["good"][0] == found["bad"][0] == "confirmed" and lamps["good"].levels[-1] == 1.0

            await until(at_full)
            number = re.findall(r"/overrides/(\d+)/end", (await city.get("/lighting/overrides")).text)[0]
            await ask(city, f"/lighting/overrides/{number}/end")

            async def planned_again() -> bool:
                return lamps["good"].levels[-1] == lamps["bad"].levels[-1] == 0.7

            await until(planned_again)
            await until(lambda: _is(states, "good", "confirmed"))

            # Lamps that nobody plans any more stay as they are.
            shown = (await city.get("/lighting/plan")).text
            await ask(
                city, "/lighting/plan/assign", data={"action": re.findall(r'value="(remove-\d+)"', shown)[0]}
            )
            heard = len(lamps["good"].heard)
            await apply(city)
            await until(lambda: _is(states, "good", None))
            assert len(lamps["good"].heard) == heard and lamps["good"].levels[-1] == 0.7
        finally:
            await stop(*living)
            await rows.close()


async def _is(states: Callable[[], Awaitable[dict[str, Any]]], name: str, state: str | None) -> bool:
    return bool((await states())[name][0] == state)


async def test_killed_workers_leave_no_lamp_with_an_older_target_after_a_newer_one(serve: Serve) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = await asyncio.to_thread(serve, "--workers=2")
    names = [f"kill-{number}" for number in range(LAMPS)]
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=30) as city:
        lamps = await connect(city, server, names)
        living = [asyncio.create_task(lamp.run()) for lamp in lamps.values()]
        try:
            await asyncio.gather(*(lamp.there.wait() for lamp in lamps.values()))
            await plan(city, 15)  # the rules of the city ask for 10
            for level in range(20, 20 + ROUNDS):  # each newer target is brighter
                await ask(city, "/lighting/overrides", data=override(level))
                await asyncio.sleep(chance.uniform(0, 0.5))
                if level % 2:
                    kill_workers(server, chance)

            last = (19 + ROUNDS) / 100

            async def all_at_last() -> bool:
                return all(lamp.levels and lamp.levels[-1] == last for lamp in lamps.values())

            await until(all_at_last)
            rows = await asyncpg.connect(server.database_url)

            async def all_confirmed() -> bool:
                found = await rows.fetch("SELECT DISTINCT state, level FROM app_lighting.target")
                return [tuple(record) for record in found] == [("confirmed", 19.0 + ROUNDS)]

            await until(all_confirmed)
            await rows.close()
        finally:
            await stop(*living)
    for lamp in lamps.values():
        assert lamp.levels == sorted(lamp.levels), f"{lamp.name} got an older target after a newer one"
        versions = [version for version, _ in lamp.heard]
        assert versions == sorted(versions)


def kill_workers(server: Server, chance: random.Random) -> None:
    """kill -9 of one worker or of both."""
    found = []
    for child in psutil.Process(server.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "rhinecloud.worker" in " ".join(child.cmdline()):
                found.append(child.pid)
    for pid in chance.sample(found, min(len(found), chance.choice([1, 2]))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
