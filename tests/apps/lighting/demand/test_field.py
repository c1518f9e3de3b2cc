"""Field gateways in a served city: they run the table without a network, tell what they counted, and get their tables
through kill -9, never an older one after a newer."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiomqtt
import httpx
import msgspec
import pytest

from rhinecloud.apps.lighting.demand.counting import FEWEST, QUARTER, Counting
from rhinecloud.apps.lighting.demand.field_counts import LONGEST, Refused, read
from rhinecloud.apps.lighting.demand.neighbours import Table, decode
from rhinecloud.apps.lighting.demand.passing import Placed
from rhinecloud.apps.lighting.demand.reacting import Detection, Reacting
from tests.conftest import Serve, Server

from .field import LAMP, OWN, detector, until

NOW = float(1_800_000_000 // QUARTER * QUARTER + 100)
BEGIN = int(NOW) // QUARTER * QUARTER - QUARTER
PATIENCE = 420.0  # tables are computed in another process, one after the other
KNOWN = {"d1": Placed(id="d1", name="D", lon=6.76, lat=51.43, kinds=("vehicle", "pedestrian"))}


def told(begin: Any = BEGIN, *counts: Any, **more: Any) -> bytes:
    return json.dumps({"begin": begin, "counts": counts, **more}).encode()


def test_a_report_is_whole_quarters_without_small_numbers() -> None:
    begin, counts = read(told(BEGIN, ["d1", "vehicle", FEWEST]), KNOWN, {"d1"}, NOW)
    assert begin == BEGIN and [(one.detector, one.number) for one in counts] == [("d1", FEWEST)]
    assert read(told(BEGIN), KNOWN, {"d1"}, NOW) == (BEGIN, []), "a quiet quarter"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (told(BEGIN, ["d1", "vehicle", FEWEST - 1]), "number"),
        (told(BEGIN, ["d1", "vehicle", 0]), "number"),
        (told(BEGIN, ["d1", "vehicle", 10**9]), "number"),
        (told(BEGIN, ["d2", "vehicle", 7]), "detector"),
        (told(BEGIN, ["d1", "cyclist", 7]), "detector"),
        (told(BEGIN, ["d1", "vehicle", 7], ["d1", "vehicle", 9]), "form"),
        (told(BEGIN, ["d1", "vehicle", 7], at=[NOW - 3.2]), "form"),
        (told(BEGIN, ["d1", "vehicle", 7, "aa:bb:cc:dd:ee:ff"]), "form"),
        (told(BEGIN + 1), "clock"),
        (told(BEGIN + QUARTER), "clock"),
        (told(BEGIN - 8 * 86_400), "clock"),
        (told("now"), "form"),
        (b"\xff", "form"),
        (b"[]", "form"),
        (b" " * (LONGEST + 1), "size"),
    ],
)
def test_whatever_is_more_than_that_is_refused_whole(payload: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        read(payload, KNOWN, {"d1"}, NOW)
    assert str(refused.value) == reason


class Gateways:
    """Field gateways as they are in cabinets: they keep the newest table, and tell what they counted until they are
    told
    that it was taken."""

    def __init__(self, server: Server, names: list[str]) -> None:
        self.host, self.port, self.names = server.mqtt_host, server.mqtt_port, names
        self.versions: dict[str, list[int]] = {name: [] for name in names}
        self.tables: dict[str, Table] = {}
        self.taken: list[int] = []
        self.to_tell: dict[str, bytes] = {}

    async def live(self) -> None:
        """For ever: the network comes and goes."""
        while True:
            try:
                async with aiomqtt.Client(self.host, self.port) as client, asyncio.TaskGroup() as group:
                    await client.subscribe("field/+/command", qos=1)
                    await client.subscribe("field/+/taken")
                    group.create_task(self._tell(client))
                    async for message in client.messages:
                        await self._hear(client, str(message.topic), json.loads(bytes(message.payload)))  # type: ignore[arg-type]
            except* (aiomqtt.MqttError, OSError):
                await asyncio.sleep(0.2)

    async def _hear(self, client: aiomqtt.Client, topic: str, said: dict[str, Any]) -> None:
        name = topic.split("/")[1]
        if topic.endswith("/taken"):
            self.taken.append(said["counts"])
            return
        if name not in self.versions:
            return
        self.versions[name].append(said["version"])
        table = decode(msgspec.json.encode(said["set"]["light_on_demand"]))
        if said["version"] >= max(self.versions[name]):
            self.tables[name] = table
        confirmed = {"version": said["version"], "result": "done"}
        await client.publish(f"field/{name}/confirm", json.dumps(confirmed), qos=1)

    async def _tell(self, client: aiomqtt.Client) -> None:
        while True:
            for name, payload in self.to_tell.items():
                await client.publish(f"field/{name}/counts", payload)
            await asyncio.sleep(0.5)


def set_up(http: httpx.Client, names: list[str]) -> None:
    """A zone for each gateway's cabinet: three lamps and a detector."""
    lamps, detectors, zones = [], [], []
    for number, name in enumerate(names):
        cabinet = f"urn:ngsi-ld:StreetlightControlCabinet:{name}"
        device = {"id": name, "type": "Device", "profile": "light-on-demand-gateway"}
        assert http.post("/api/v1/devices", json=device).status_code == 201
        ids = [f"{LAMP}{name}-{i}" for i in range(3)]
        lamps += [
            {
                "id": id,
                "type": "Streetlight",
                "location": {"type": "Point", "coordinates": [6.76, 51.43 + number / 1000]},
                "refStreetlightControlCabinet": {"type": "Relationship", "object": cabinet},
            }
            for id in ids
        ]
        detectors.append(detector(f"d-{name}", 20.0 * number))
        reacts = {"vehicle": {"level": 100, "hold": 30}}
        selection = {"kind": "static", "lamps": ids}
        zones.append(
            {"id": name, "name": name, "selection": selection, "detectors": [f"d-{name}"], "reacts": reacts}
        )
    assert http.post("/ngsi-ld/v1/entityOperations/upsert", json=lamps).status_code == 201
    assert http.post("/api/lighting/demand/detectors", json=detectors).status_code == 200
    answered = http.post("/api/lighting/demand/zones", json=zones)
    assert answered.status_code == 200, answered.text
    for name in names:
        given = {"device": name, "cabinet": f"urn:ngsi-ld:StreetlightControlCabinet:{name}"}
        assert http.post("/lighting/demand/gateways", data=given).status_code == 303


def react(http: httpx.Client, name: str, hold: int) -> None:
    """Another reaction of a gateway's zone, and so another table."""
    zone = http.get(f"/lighting/demand/zones/{name}")
    assert zone.status_code == 200
    given = {"name": name, f"detector:d-{name}": "on", "vehicle": "on"}
    given |= {"vehicle_level": "100", "vehicle_hold": str(hold)}
    assert http.post(f"/lighting/demand/zones/{name}", data=given).status_code == 303


def hold_of(gateways: Gateways, name: str) -> float:
    """What the gateway's table says."""
    table = gateways.tables.get(name)
    if table is None or f"d-{name}" not in table.detectors:
        return 0
    return table.detectors[f"d-{name}"].zones[0].reacts["vehicle"].hold


@pytest.mark.timeout(1_200)
async def test_tables_reach_all_gateways_after_kill_9_and_never_an_older_one_after_a_newer(
    module_serve: Serve,
) -> None:
    names = [f"fg{number}" for number in range(6)]
    server = module_serve()
    http = httpx.Client(base_url=server.base_url, headers=OWN, timeout=60)
    await asyncio.to_thread(set_up, http, names)
    gateways = Gateways(server, names)
    living = asyncio.create_task(gateways.live())
    try:
        await reached(gateways, names, 30)
        for hold in (40, 50, 60):
            for name in names:
                await asyncio.to_thread(react, http, name, hold)
        server.kill()
        await asyncio.to_thread(http.close)
        again = await asyncio.to_thread(lambda: module_serve(data=server.data))
        gateways.host, gateways.port = again.mqtt_host, again.mqtt_port
        http = httpx.Client(base_url=again.base_url, headers=OWN, timeout=60)
        await reached(gateways, names, 60)
        for name in names:
            await asyncio.to_thread(react, http, name, 70)
        await reached(gateways, names, 70)
    finally:
        living.cancel()
        await asyncio.to_thread(http.close)
    for versions in gateways.versions.values():
        assert versions == sorted(versions), "an older table after a newer"


async def reached(gateways: Gateways, names: list[str], hold: int) -> None:
    """All have it."""

    def done() -> bool:
        return all(hold_of(gateways, name) == hold for name in names)

    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, {name: hold_of(gateways, name) for name in names}
        await asyncio.sleep(0.1)


@pytest.mark.timeout(1_200)
async def test_a_gateway_counts_without_a_network_and_tells_when_it_is_back(module_serve: Serve) -> None:
    server = module_serve()
    http = httpx.Client(base_url=server.base_url, headers=OWN, timeout=60)
    await asyncio.to_thread(set_up, http, ["alone"])
    gateways = Gateways(server, ["alone"])
    living = asyncio.create_task(gateways.live())
    try:
        await reached(gateways, ["alone"], 30)
        living.cancel()  # the network is gone; the gateway has its table
        table = decode(msgspec.json.encode(gateways.tables["alone"]))
        begin = int(time.time()) // QUARTER * QUARTER - 4 * QUARTER
        counts = await asyncio.to_thread(quarters_without_a_network, table, begin)
        assert [[one[2] for one in told["counts"]] for told in counts] == [[12], [], [9]], "four are not told"
        gateways.to_tell = {}
        living = asyncio.create_task(gateways.live())
        entity = "/ngsi-ld/v1/entities/urn:ngsi-ld:TrafficFlowObserved:d-alone:vehicle"
        for one in reversed(counts):  # in whatever order
            gateways.to_tell = {"alone": json.dumps(one).encode()}
            await asyncio.to_thread(
                until,
                lambda one=one: one["begin"] in gateways.taken,
                "the gateway is not told that it was taken",
            )
        found = (await asyncio.to_thread(http.get, entity, params={"options": "keyValues"})).json()
        assert found["intensity"] == 9, "the newest quarter stays"
        assert found["dateObservedTo"]["@value"] == moment(begin + 3 * QUARTER)
        past = await asyncio.to_thread(
            http.get,
            entity.replace("entities", "temporal/entities"),
            params={"timerel": "after", "timeAt": "2000-01-01T00:00:00Z", "attrs": "intensity"},
        )
        values = past.json()["intensity"]
        assert sorted(one["value"] for one in (values if isinstance(values, list) else [values])) == [9, 12]
        gateways.to_tell = {"alone": told(begin, ["d-alone", "vehicle", 2])}
        await asyncio.to_thread(
            until,
            lambda: "counts_refused" in http.get("/api/v1/alarms", params={"limit": 100}).text,
            "a small number is not noticed",
        )
    finally:
        living.cancel()
        await asyncio.to_thread(http.close)


def moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def quarters_without_a_network(table: Table, begin: int) -> list[dict[str, Any]]:
    """What the gateway does with its table alone: twelve vehicles, then four, then nine."""
    machine, counting = Reacting(table), Counting()
    told: list[dict[str, Any]] = []
    counting.close(begin)
    raised = False
    for quarter, number in enumerate((12, 4, 9)):
        for passed in range(number):
            at = begin + quarter * QUARTER + 20.0 * passed
            detection = Detection("d-alone", at, "vehicle")
            raised = bool(machine.detect(detection, at)) or raised
            counting.count(detection, at)
        end = begin + (quarter + 1) * QUARTER
        machine.advance(end)
        cells = [[one.detector, one.kind, one.number] for one in counting.close(end)]
        told.append({"begin": begin + quarter * QUARTER, "counts": cells})
    assert raised and machine.idle
    return told
