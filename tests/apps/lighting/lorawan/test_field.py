"""Schedules of a group of lamps over the air: sent, lost, repeated, verified by uplinks; what is wrong is an alarm."""

from __future__ import annotations

import asyncio
import html
import random
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from rhinecloud.tasks import stop

from ....conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, Server, new_folder
from ....gateways import foreign
from ....gateways.foreign import Foreign
from ..planning.test_keeping import OWN, apply, ask, entity, kill_workers, override, plan
from .field import MULTICAST, TOKEN, Field, Lamp, network_server

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="kills processes of embedded engines"
)
PATIENCE = 90.0
ROUNDS = 6


@pytest.fixture
def there() -> Iterator[Foreign]:
    """The broker to which the network server publishes."""
    folder = new_folder()
    broker = foreign.mosquitto(folder)
    broker.start()
    yield broker
    broker.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """For the file of network servers."""
    found = new_folder()
    yield found
    shutil.rmtree(found, ignore_errors=True)


async def start(serve: Serve, there: Foreign, folder: Path, field: Field, workers: int) -> Server:
    """A city that knows the network server and listens to its broker."""
    file = folder / "networks.toml"
    file.write_text(f'[field]\nkind = "chirpstack-v4"\nurl = "{field.url}"\ntoken = "{TOKEN}"\n')
    environ = {
        "RHINECLOUD_MQTT_BRIDGE": f"mqtt://127.0.0.1:{there.port}/?topic=application/%2B/device/%2B/event/up",
        "RHINECLOUD_LIGHTING_LORAWAN_NETWORKS": str(file),
        "RHINECLOUD_LIGHTING_LORAWAN_PAUSE_SECONDS": "2",
        "RHINECLOUD_LIGHTING_LORAWAN_ROUNDS": "3",
    }
    flags = (f"--workers={workers}", "--outbound-allow=127.0.0.0/8")
    return await asyncio.to_thread(lambda: serve(*flags, environ=environ))


@asynccontextmanager
async def office(server: Server) -> AsyncIterator[tuple[httpx.AsyncClient, asyncpg.Connection]]:
    """The staff, and who looks into the rows."""
    rows = await asyncpg.connect(server.database_url)
    try:
        async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=90) as city:
            yield city, rows
    finally:
        await rows.close()


async def put_up(city: httpx.AsyncClient, field: Field) -> None:
    """The lamps in the registry and in the graph, planned at 40 %, in one LoRaWAN group."""
    for eui in field.lamps:
        device = {"id": eui, "type": "Streetlight", "profile": "chirpstack-v4"}
        await ask(city, "/api/v1/devices", json=device)
    await ask(city, "/ngsi-ld/v1/entityOperations/upsert", json=[entity(eui) for eui in field.lamps])
    await plan(city, 40)
    group = {"name": "Deich", "network": "field", "multicast": MULTICAST, "port": "10", "lamps": "alle"}
    answer = await city.post("/lighting/lorawan", data=group)
    assert answer.status_code == 303, answer.text


async def until(condition: Callable[[], Awaitable[Any]], said: Callable[[], Awaitable[Any]]) -> Any:
    """What it says as soon as that is true."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := await condition()):
                await asyncio.sleep(0.1)
            return found
    except TimeoutError:
        raise AssertionError(await said()) from None


class Watch:
    """What can be known of the group."""

    def __init__(self, city: httpx.AsyncClient, rows: asyncpg.Connection) -> None:
        self.city, self.rows = city, rows

    async def members(self) -> dict[str, tuple[str, list[str]]]:
        found = await self.rows.fetch("SELECT device, state, troubles FROM app_lighting.lorawan_member")
        return {record[0]: (record[1], list(record[2])) for record in found}

    async def schedule(self) -> dict[str, Any]:
        found = await self.rows.fetchrow(
            "SELECT version, state, rounds, trouble, next_at FROM app_lighting.lorawan_schedule"
        )
        return {} if found is None else dict(found)

    async def alarms(self) -> set[tuple[str, str]]:
        found = (await self.city.get("/api/v1/alarms", params={"limit": 100})).json()
        items = found if isinstance(found, list) else found["items"]
        return {(one["device"], one["kind"].removeprefix("lighting.")) for one in items}

    async def everything(self) -> Any:
        refused = await self.rows.fetch("SELECT german FROM app_lighting.lorawan_refusal")
        return await self.members(), await self.schedule(), await self.alarms(), refused

    async def state(self, wanted: str) -> None:
        async def reached() -> bool:
            return (await self.schedule()).get("state") == wanted

        await until(reached, self.everything)

    async def alarm(self, eui: str, kind: str, *, open: bool = True) -> None:
        async def reached() -> bool:
            return ((eui, kind) in await self.alarms()) is open

        await until(reached, self.everything)


async def test_a_group_gets_its_schedule_and_what_is_wrong_is_told(
    serve: Serve, there: Foreign, folder: Path
) -> None:
    good = [Lamp(f"70b3d57ed00000{number:02x}") for number in range(4)]
    lossy = [Lamp(f"70b3d57ed00001{number:02x}", loss=1.0) for number in range(2)]
    late, old, stuck = Lamp("70b3d57ed0000201"), Lamp("70b3d57ed0000202"), Lamp("70b3d57ed0000203")
    late.drift = 600.0
    old.deaf = True
    field = Field(*good, *lossy, late, old, stuck)
    with network_server(field):
        server = await start(serve, there, folder, field, 1)
        async with office(server) as (city, rows):
            watch = Watch(city, rows)
            await put_up(city, field)
            talking = asyncio.create_task(field.talk(there))
            try:
                # All but the one that hears nothing: it is told alone, and then there is nothing left but an alarm.
                await watch.state("incomplete")
                members = await watch.members()
                assert members[old.eui][1] == ["schedule_missing"]
                assert {eui for eui, one in members.items() if one[0] == "verified"} == {*field.lamps} - {
                    old.eui
                }
                await watch.alarm(old.eui, "schedule_missing")
                await watch.alarm(late.eui, "clock_drift")
                assert {eui for eui, _ in await watch.alarms()} == {late.eui, old.eui}
                assert (await watch.schedule())["rounds"] == 3
                assert field.count("POST", f"/devices/{old.eui}/") == 2
                assert max(field.sizes) <= 51
                graph = await city.get(
                    f"/ngsi-ld/v1/entities/urn:ngsi-ld:Streetlight:{good[0].eui}?options=keyValues"
                )
                assert (graph.json()["illuminanceLevel"], graph.json()["powerConsumption"]) == (0.4, 24)

                # Planning does not tell these lamps anything one by one.
                async def untold() -> bool:
                    return await rows.fetchval("SELECT count(device) FROM app_lighting.target") == 0

                await until(untold, watch.everything)

                # It is shown, in both languages.
                shown = html.unescape((await city.get("/lighting/lorawan?lang=de")).text)
                (told,) = re.findall(r"<tbody.*?</tbody>", shown, re.DOTALL)
                assert "8 von 9" in told and "nicht von allen bestätigt" in told, told
                assert re.search(r"\b(599|600|601) s", told), told
                number = re.findall(r"/lighting/lorawan/(\d+)", shown)[0]
                shown = html.unescape((await city.get(f"/lighting/lorawan/{number}?lang=en")).text)
                assert "clock is wrong" in shown and "schedule is missing after all repetitions" in shown

                # Repaired: the clock is set, the antenna is back; it is sent once more.
                late.drift, old.deaf = 0.0, False
                await watch.alarm(late.eui, "clock_drift", open=False)
                await ask(city, f"/lighting/lorawan/{number}/again")
                await watch.state("verified")
                await watch.alarm(old.eui, "schedule_missing", open=False)

                # A lamp that has the schedule and does something else.
                stuck.stuck = 90
                await watch.alarm(stuck.eui, "schedule_contradicted")
                stuck.stuck = None
                await watch.alarm(stuck.eui, "schedule_contradicted", open=False)

                # Another plan is another schedule; the network server is away for a while.
                before = (await watch.schedule())["version"]
                field.away = True
                await ask(city, "/lighting/overrides", data=override(80))

                async def waits() -> bool:
                    found = await watch.schedule()
                    return bool(found["version"] > before and "503" in (found["trouble"] or ""))

                await until(waits, watch.everything)
                field.away = False
                await watch.state("verified")
                assert all(lamp.levels[-1] == 80 for lamp in field.lamps.values())
                assert all(lamp.versions == sorted(lamp.versions) for lamp in field.lamps.values())

                # Lamps with two calendars cannot have one schedule: told, and they keep what they have.
                given = {"name_de": "Anders", "name_en": "Other", "default": "fest"}
                await ask(city, "/lighting/calendars", data=given)
                line = {
                    "action": "add",
                    "lamp": f"urn:ngsi-ld:Streetlight:{old.eui}",
                    "calendar": "anders",
                }
                await ask(city, "/lighting/plan/assign", data=line)
                await apply(city)

                async def refused() -> bool:
                    return "verschiedene Kalender" in html.unescape(
                        (await city.get("/lighting/lorawan?lang=de")).text
                    )

                await until(refused, watch.everything)

                # Nobody would say any more that a lamp is well: with the group its alarms end.
                stuck.stuck = 90
                await watch.alarm(stuck.eui, "schedule_contradicted")
                await ask(city, f"/lighting/lorawan/{number}/remove")
                await watch.alarm(stuck.eui, "schedule_contradicted", open=False)
                assert not {kind for _, kind in await watch.alarms()}
                assert await rows.fetchval("SELECT count(*) FROM app_lighting.lorawan_member") == 0
            finally:
                await stop(talking)


async def test_what_cannot_be_a_group_is_refused_with_the_field(
    serve: Serve, there: Foreign, folder: Path
) -> None:
    field = Field(Lamp("70b3d57ed0000001"))
    with network_server(field):
        server = await start(serve, there, folder, field, 1)
        async with office(server) as (city, _):
            await put_up(city, field)
            good = {"name": "B", "network": "field", "multicast": "another", "port": "10", "lamps": "alle"}
            for wrong, words, status in (
                ({"name": ""}, "Es braucht einen Namen", 422),
                ({"network": "elsewhere"}, "Diesen Netzwerkserver gibt es nicht", 422),
                ({"multicast": "../x"}, "Die Kennung hat", 422),
                ({"port": "224"}, "Ein Port ist eine Zahl", 422),
                ({"lamps": "nobody"}, "Diese Leuchtengruppe gibt es nicht", 422),
                ({"multicast": MULTICAST}, "gibt es schon", 409),
            ):
                answer = await city.post("/lighting/lorawan?lang=de", data=good | wrong)
                assert answer.status_code == status, answer.text
                assert words in html.unescape(answer.text)
            assert TOKEN not in (await city.get("/lighting/lorawan")).text


async def test_killed_workers_leave_no_lamp_with_an_older_schedule_after_a_newer_one(
    serve: Serve, there: Foreign, folder: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    field = Field(*(Lamp(f"70b3d57ed00003{number:02x}", loss=0.3, seed=seed) for number in range(6)))
    with network_server(field):
        server = await start(serve, there, folder, field, 2)
        async with office(server) as (city, rows):
            watch = Watch(city, rows)
            await put_up(city, field)
            talking = asyncio.create_task(field.talk(there))
            try:
                await watch.state("verified")
                for level in range(50, 50 + ROUNDS):  # each newer schedule is brighter
                    await ask(city, "/lighting/overrides", data=override(level))
                    await asyncio.sleep(chance.uniform(0, 1.5))
                    if level % 2:
                        kill_workers(server, chance)

                async def at_last() -> bool:
                    return all(lamp.levels[-1] == 49 + ROUNDS for lamp in field.lamps.values())

                await until(at_last, watch.everything)
                await watch.state("verified")
            finally:
                await stop(talking)
    for lamp in field.lamps.values():
        assert lamp.versions == sorted(set(lamp.versions))
        assert lamp.levels == sorted(lamp.levels), f"{lamp.eui} got an older schedule after a newer one"
