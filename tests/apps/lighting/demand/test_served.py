"""Light on demand in a served city: set up by pages, computed, distributed, reacting over MQTT; and nobody is kept."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import asyncpg
import httpx
import pytest

from rhinecloud.apps.lighting.demand.counting import FEWEST, QUARTER, Counting
from rhinecloud.apps.lighting.demand.lighting_up import Lamp, LightingUp
from rhinecloud.apps.lighting.demand.neighbours import decode
from rhinecloud.apps.lighting.demand.passing import Placed
from rhinecloud.apps.lighting.demand.telling import of_count, of_level
from tests.conftest import Server

from ....web.conftest import Street, Visiting, axe_and_width, browser, visit  # noqa: F401
from .field import CABINET, LAMP, NIGHT, Office, roads, until

MARK = 7.6543217  # a speed that nobody has but the travellers of these tests
T = float(1_800_000_000 // QUARTER * QUARTER)


@asynccontextmanager
async def listening(server: Server, *topics: str) -> AsyncIterator[tuple[aiomqtt.Client, dict[str, Any]]]:
    """A client, and the last message on each topic that it heard."""
    heard: dict[str, Any] = {}
    async with aiomqtt.Client(server.mqtt_host, server.mqtt_port) as client:
        for topic in topics:
            await client.subscribe(topic)

        async def listen() -> None:
            async for message in client.messages:
                heard[str(message.topic)] = json.loads(bytes(message.payload))  # type: ignore[arg-type]

        task = asyncio.create_task(listen())
        try:
            yield client, heard
        finally:
            task.cancel()


async def passes(client: aiomqtt.Client, heard: dict[str, Any], detector: str, **said: Any) -> None:
    """Somebody passes, again and again until a lamp hears of it: the platform may still be learning its table."""
    while not any(topic.startswith("lamp/") for topic in heard):
        await client.publish(f"detector/{detector}/passed", json.dumps(said))
        await asyncio.sleep(0.2)


def test_tables_are_computed_and_the_page_says_so(office: Office) -> None:
    page = office.computed()
    for text in (
        "Nachtweg",
        "strassen.geojson",
        "Detektor d0",
        "gw-1",
        CABINET,
        "0.9",
    ):
        assert text in page, text
    german = office.http.get("/lighting/demand", headers={"Accept-Language": "de"}).text
    assert "Licht auf Anfrage" in german and "Gateways im Feld" in german
    assert office.http.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Device:detector:d0").status_code == 200


async def test_the_field_gateway_gets_its_lamps_and_only_a_new_table_is_a_new_version(
    server: Server, office: Office
) -> None:
    async with listening(server, "json/Gateway/gw-1/command") as (client, heard):
        while "json/Gateway/gw-1/command" not in heard:
            await asyncio.sleep(0.1)
        told = heard["json/Gateway/gw-1/command"]
        table = decode(json.dumps(told["set"]["light_on_demand"], separators=(",", ":")).encode())
        assert set(table.lamps) <= {f"{LAMP}f{i}" for i in range(6)} and table.lamps
        assert "d1" in table.detectors, "the detector of the street before has its lamps ahead"
        confirmed = {"version": told["version"], "result": "done"}
        await client.publish("json/Gateway/gw-1/confirm", json.dumps(confirmed), qos=1)
        await asyncio.to_thread(
            until,
            lambda: (
                "bestätigt" in office.http.get("/lighting/demand").text or "confirmed" in office.computed()
            ),
            "the confirmation is not shown",
        )
        versions = "/api/v1/devices/gw-1/wanted"
        before = _versions(office, versions)
        office.ok(office.http.post("/lighting/demand/compute"))
        await asyncio.to_thread(office.computed)
        assert _versions(office, versions) == before == [told["version"]], "the same table was sent again"


def _versions(office: Office, address: str) -> list[int]:
    return [one["version"] for one in office.http.get(address).json()["items"]]


async def test_lamps_ahead_rise_and_the_street_behind_the_block_stays_dark(
    server: Server, office: Office
) -> None:
    async with listening(server, "lamp/+/demand") as (client, heard):
        await passes(client, heard, "d1", forward=True, speed=MARK, kind="vehicle")
        while "lamp/lamp-n5/demand" not in heard:
            await asyncio.sleep(0.05)
        assert heard["lamp/lamp-n5/demand"]["level"] == 100 and heard["lamp/lamp-n5/demand"]["seconds"] > 0
        assert not [topic for topic in heard if "lamp-b" in topic], "behind the block"
        assert not {f"lamp/lamp-n{i}/demand" for i in range(3)} & heard.keys(), "behind the traveller"


async def test_devices_that_say_more_than_a_passing_are_not_believed(server: Server, office: Office) -> None:
    async with listening(server, "lamp/+/demand") as (client, heard):
        for said in ({"mac": "aa:bb:cc:dd:ee:ff"}, {"forward": True, "plate": "DU-AB 123"}):
            await client.publish("detector/d0/passed", json.dumps(said), qos=1)
        await passes(client, heard, "d0", forward=True)
    assert "aa:bb" not in await everything(server) and "DU-AB" not in await everything(server)


async def everything(server: Server, *, but: str = "$^") -> str:
    """Every row of every table, a line each."""
    connection = await asyncpg.connect(server.database_url)
    try:
        tables = await connection.fetch(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename !~ $1 ORDER BY 1",
            but,
        )
        lines = []
        for (table,) in tables:
            for (row,) in await connection.fetch(f"SELECT t::text FROM {table} t"):
                lines.append(f"{table}: {row}")
        return "\n".join(sorted(lines))
    finally:
        await connection.close()


async def test_who_passes_leaves_nothing_in_any_table_nor_in_the_api(server: Server, office: Office) -> None:
    """All rows of all tables are the same before and after passings. The city's clock may write something of its own
    meanwhile: what is looked for would be there each time."""
    async with listening(server, "lamp/+/demand") as (client, heard):
        await asyncio.to_thread(_settled, office)
        for _ in range(4):
            before, api = await _quiet(server), await asyncio.to_thread(_public, office.http)
            heard.clear()
            await _walk(client)
            while not heard:
                await asyncio.sleep(0.1)
            await asyncio.sleep(12)  # longer than it takes until it is written when devices were last heard
            after = await _quiet(server)
            assert str(MARK) not in after
            # A quarter of an hour that ends meanwhile writes its counts, and rightly so.
            fresh = Counter(after.splitlines()) - Counter(before.splitlines())
            told = [
                line for line in fresh if "TrafficFlowObserved" not in line and "StreetLightLevel" not in line
            ]
            if not told:
                break
        assert not told, told[:5]
        assert await asyncio.to_thread(_public, office.http) == api
        seen = office.http.get("/api/v1/devices/d0").json()
        assert seen["seen_at"] is None, "when a detector was heard is when somebody passed"
        # What does not pass is found by the same look.
        await client.publish("detector/d0/state", json.dumps({"batteryLevel": 0.5}), qos=1)
        while "batteryLevel" not in await _quiet(server):
            await asyncio.sleep(0.2)


async def _walk(client: aiomqtt.Client) -> None:
    """Forty passings, with each quality of service."""
    for passed in range(40):
        kind = ["vehicle", "pedestrian"][passed % 3 == 0]
        said = {"forward": passed % 2 == 0, "speed": MARK, "kind": kind}
        await client.publish(f"detector/d{passed % 2}/passed", json.dumps(said), qos=passed % 3)
        await asyncio.sleep(0.05)


def _settled(office: Office) -> None:
    """The gateway has confirmed, and when it was heard is written."""
    until(lambda: office.http.get("/api/v1/devices/gw-1").json()["seen_at"], "gw-1 was never heard")


async def _quiet(server: Server) -> str:
    return await everything(
        server, but="^(job|serving$)"
    )  # workers say every now and then that they serve an app


def _public(http: httpx.Client) -> str:
    types = ("Streetlight", "Device", "Gateway")
    now = [http.get("/ngsi-ld/v1/entities", params={"type": one, "limit": 100}).text for one in types]
    past = [
        http.get(
            "/ngsi-ld/v1/temporal/entities",
            params={"type": one, "timerel": "after", "timeAt": "2000-01-01T00:00:00Z"},
        ).text
        for one in types
    ]
    return "\n".join(now + past)


async def test_a_night_of_one_person_and_of_a_crowd(server: Server, office: Office) -> None:
    """Twelve hours with the city's own table: one person walks home past all detectors each hour, a crowd passes in
    one hour. What is written of it goes into the city; then all that there is is read."""
    connection = await asyncpg.connect(server.database_url)
    body = await connection.fetchval("SELECT body FROM app_lighting.demand_part WHERE runs = 'platform'")
    await connection.close()
    table = decode(body)
    lamps = {id: Lamp(id, NIGHT) for id in table.lamps}
    placed = {
        name: Placed(id=name, name=name, lon=6.76, lat=51.43, kinds=("vehicle", "pedestrian"), street=NIGHT)
        for name in ("d0", "d1")
    }
    night = LightingUp(table, lamps, placed, Counting(), dict.fromkeys(table.lamps, 20.0))
    passings = {T + 3_600 * hour + 60 * step: ("pedestrian", 1.4) for hour in range(12) for step in (11, 13)}
    crowd = {T + 3_600 * 3 + 900 + 40 * i + 7: ("vehicle", 10.0) for i in range(12)}
    documents: list[dict[str, Any]] = []
    for second in range(12 * 3_600):
        now = T + second
        if (finished := night.close(now)) is not None:
            documents += [of_count(one, placed[one.detector]) for one in finished.counts]
            documents += [of_level(one) for one in finished.levels]
            if documents:
                answered = office.http.post(
                    "/ngsi-ld/v1/entityOperations/upsert", json=list(_newest(documents))
                )
                assert answered.status_code in (201, 204), answered.text
        night.advance(now)
        if found := {**passings, **crowd}.get(now):
            said = {"kind": found[0], "speed": found[1], "forward": True}
            night.passed("d0" if second % 120 else "d1", json.dumps(said).encode(), now)
    assert night.idle
    counted = [one for one in documents if one["type"] == "TrafficFlowObserved"]
    assert counted and {one["intensity"]["value"] for one in counted} == {12}, "the crowd, and nobody else"
    assert all("pedestrian" not in one["id"] for one in counted)
    levels = {
        one["dateObservedFrom"]["value"]["@value"]: one["level"]["value"]
        for one in documents
        if "level" in one
    }
    raised = [begin for begin, level in levels.items() if level != 20.0]
    assert len(levels) == 47 and len(raised) <= 1, "one person is in no public level"
    rows = await everything(server)
    for moment in passings:
        text = datetime.fromtimestamp(moment, UTC).isoformat()[:19]
        assert text not in rows and text.replace("T", " ") not in rows


def _newest(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({one["id"]: one for one in documents}.values())


def test_what_was_counted_is_shown(office: Office) -> None:
    count = office.http.get("/ngsi-ld/v1/entities/urn:ngsi-ld:TrafficFlowObserved:d0:vehicle")
    assert count.json()["intensity"]["value"] >= FEWEST
    page = office.http.get("/lighting/demand", headers={"Accept-Language": "de"}).text
    assert "Fahrzeuge, Viertelstunde bis" in page


def test_pages_refuse_nonsense_in_words(office: Office) -> None:
    http = office.http
    wrong = http.post("/lighting/demand/profiles/vehicle", data={"level": "300", "reach": "x"})
    assert wrong.status_code == 422 and "eine Zahl fehlt" in wrong.text
    assert http.post("/lighting/demand/profiles/horse", data={}).status_code == 404
    assert http.get("/lighting/demand/detectors/nobody").status_code == 404
    for file in (b"{", b"[]", b'{"features": []}'):
        answered = http.post(
            "/lighting/demand/roads", files={"file": ("x.geojson", file, "application/json")}
        )
        assert answered.status_code == 422, answered.text
    again = {"id": "d0", "name": "D", "lon": "6.76", "lat": "51.43", "vehicle": "on"}
    assert http.post("/lighting/demand/detectors/new", data=again).status_code == 422
    assert (
        http.post("/lighting/demand/gateways", data={"device": "gw-2", "cabinet": CABINET}).status_code == 422
    )
    wrong = http.post(
        "/api/lighting/demand/detectors", json=[{"id": "x", "name": "", "lon": 1, "lat": 2, "kinds": []}]
    )
    assert wrong.status_code == 400
    assert http.get("/lighting/demand/detectors/d0").status_code == 200


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_can_be_used_by_everybody(visit: Visiting, office: Office, theme: str) -> None:  # noqa: F811
    paths = ["/lighting/demand", "/lighting/demand/detectors/new", "/lighting/demand/profiles/vehicle"]
    await axe_and_width(visit, paths, theme)


def test_roads_are_taken_by_a_command(server: Server, office: Office, tmp_path: Path) -> None:
    file = tmp_path / "strassen.geojson"
    document = json.loads(roads())
    document["features"].append(
        {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[1, 2]]}}
    )
    file.write_text(json.dumps(document))

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "rhinecloud.cli", "lighting", "roads", *words, f"--data={server.data}"]
        return subprocess.run(line, capture_output=True, text=True, env={**os.environ, **server.environ})

    tried = command(str(file), "--dry-run")
    assert tried.returncode == 1 and "3 ways, 0.9 km, would be taken." in tried.stdout, tried
    assert "feature 3: no line of at least two points in degrees" in tried.stdout
    file.write_bytes(roads())
    taken = command(str(file))
    assert taken.returncode == 0 and "were taken" in taken.stdout, taken
    assert command(str(tmp_path / "nothing")).returncode == 1
    office.computed()
