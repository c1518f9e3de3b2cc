"""The simulated Duisburg without a server: streets, traffic, stations, inventory."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from rhinecloud.demo.clock import Clock, busy, elevation
from rhinecloud.demo.faults import CYCLE, DEVELOPING, Act, Fault, Refused, acts
from rhinecloud.demo.fleet import CABINETS, LAMPS, Fleet, devices, lamps, order
from rhinecloud.demo.inventory import inventory
from rhinecloud.demo.luminaires import EVERY, RATED, STANDBY, UNTOLD, Luminaires, power
from rhinecloud.demo.mqtt import address
from rhinecloud.demo.roads import detectors, roads
from rhinecloud.demo.stations import STATIONS, report
from rhinecloud.demo.streets import DISTRICTS, FEEDERS, city
from rhinecloud.demo.traffic import Report, Traffic
from rhinecloud.gateways.devices.registry import ID
from rhinecloud.gateways.profiles import FixedProfiles
from rhinecloud.gateways.profiles.profiles import Catalogue

DEMO = Path(__file__).parents[2] / "src/rhinecloud/demo"


@pytest.mark.parametrize("lamps", [1, 71, 2_000, 10_000])
def test_every_lamp_stands_in_duisburg_and_has_its_own_name(lamps: int) -> None:
    streets = city(lamps)
    keys = [street.lamp_key(n) for street in streets for n in range(len(street.lamps))]
    assert len(set(keys)) == len(keys) == lamps
    for street in streets:
        for lon, lat in street.lamps:
            assert 6.60 < lon < 6.86
            assert 51.30 < lat < 51.58


def test_a_restart_finds_the_same_streets_and_more_lamps_keep_the_old_ones() -> None:
    assert city(500) == city(500)
    assert city(720)[:10] == city(2_000)[:10]


def test_streets_with_detectors_cross() -> None:
    streets = city(2_000)
    put_up = detectors(streets)
    lines = {
        one["properties"]["name"]: {tuple(point) for point in one["geometry"]["coordinates"]}
        for one in roads(streets)["features"]
    }
    assert len(lines) == len(streets)
    one, other = {detector["street"] for detector in put_up}
    assert len(lines[one] & lines[other]) == 1
    for detector in put_up:
        assert (detector["lon"], detector["lat"]) in lines[detector["street"]]
    assert all(len(line) > 50 for line in lines.values())


@pytest.mark.parametrize("lamps", [1, 2, 3, 72])
def test_a_small_city_has_few_detectors_or_none(lamps: int) -> None:
    streets = city(lamps)
    assert len(roads(streets)["features"]) == (lamps > 2)
    assert len({one["id"] for one in detectors(streets)}) == (2 if lamps > 2 else 0)


class Demo:
    """Streets with their vehicles and lamps, step by step."""

    def __init__(self, number: int, vehicles: int = 0) -> None:
        self.streets = city(number)
        self.traffic = Traffic(self.streets, vehicles)
        self.lamps = Luminaires(self.streets)

    def step(self, seconds: float = 0.5) -> list[Report]:
        passing = self.traffic.step(seconds)
        return [*passing, *self.lamps.step(seconds, self.traffic.near())]


def test_lamps_brighten_ahead_of_vehicles_and_fall_again() -> None:
    demo = Demo(720, vehicles=60)
    bright: set[str] = set()
    kinds = set()
    messages = 0
    for _ in range(1_200):
        for kind, key, attributes in demo.step():
            messages += 1
            kinds.add(kind)
            json.dumps(attributes)
            if kind == "Streetlight" and attributes["illuminanceLevel"] == 1:
                bright.add(key)
            elif kind == "Streetlight" and attributes["illuminanceLevel"] == UNTOLD:
                bright.discard(key)
    assert kinds == {"Streetlight", "TrafficFlowObserved"}
    assert 60 <= len(bright) <= 6 * 60
    reacting = {street.key for street in demo.streets if street.reacts}
    assert {key.removeprefix("duisburg-").rpartition("-")[0] for key in bright} <= reacting
    assert messages > 10_000


def test_at_the_default_it_says_50_to_150_things_a_second() -> None:
    demo = Demo(2_000, vehicles=110)
    demo.step()
    messages = sum(len(demo.step()) for _ in range(240))
    assert 50 <= messages / 120 <= 150


def test_a_lamp_does_what_it_is_told_and_draws_what_that_takes() -> None:
    lamps = Luminaires(city(100))
    lamps.tell((0, 3), 0.4)
    told = [report for report in lamps.step(0.5, [set(), set()]) if report[1] == "duisburg-walsum-01-004"]
    ((_, _, said),) = told
    assert said["illuminanceLevel"] == said["illuminanceLevelSet"] == 0.4
    assert said["powerConsumption"]["value"] == pytest.approx(RATED * 0.43, rel=0.02)
    lamps.tell((0, 3), 0.0)
    assert lamps.report((0, 3))["powerState"] == "off"
    assert lamps.report((0, 3))["powerConsumption"]["value"] == pytest.approx(STANDBY, abs=0.06)
    near: list[set[int]] = [set(), {5}]
    lamps.tell((1, 5), 0.2)
    lamps.step(0.5, near)
    assert lamps.report((1, 5))["illuminanceLevel"] == 1, "somebody comes"
    assert lamps.report((1, 5))["illuminanceLevelSet"] == 0.2
    lamps.tell((1, 5), 0.0)
    assert lamps.report((1, 5))["illuminanceLevel"] == 0, "who is off stays off"
    lamps.remember({"duisburg-walsum-01-004": 0.7, "duisburg-walsum-01-005": None, "another": 0.1})
    assert lamps.report((0, 3))["illuminanceLevel"] == 0.7


def test_every_lamp_says_now_and_then_how_it_is() -> None:
    lamps = Luminaires(city(300))
    heard = [key for _ in range(int(EVERY)) for _, key, _ in lamps.step(1.0, [set()] * 5)]
    assert sorted(heard) == sorted(lamps.places)


def test_broken_lamps_do_otherwise_until_they_are_repaired() -> None:
    lamps = Luminaires(city(100))
    nobody: list[set[int]] = [set(), set()]

    def said(index: int) -> tuple[Any, Any]:
        report = lamps.report((0, index))
        return report["illuminanceLevel"], report["powerConsumption"]["value"]

    for index in range(4):
        lamps.tell((0, index), 0.5)
    for index, fault in enumerate(Fault):
        lamps.act(0, Act(index=index, fault=fault))
    assert lamps.broken == 4
    assert said(0) == (0.5, pytest.approx(STANDBY, abs=0.06))
    assert said(1) == (1.0, pytest.approx(RATED, rel=0.02))
    assert said(3) == (0.5, pytest.approx(RATED, rel=0.02))
    lamps.tell((0, 1), 0.0)
    assert said(1)[0] == 1.0, "it shines by day"
    changes = 0
    before = said(2)[0]
    for _ in range(int(4 * CYCLE)):
        lamps.step(1.0, nobody)
        changes += said(2)[0] != before
        before = said(2)[0]
    assert changes == 8
    for index in range(4):
        lamps.act(0, Act(index=index))
    assert lamps.broken == 0
    assert [said(index)[0] for index in range(4)] == [0.5, 0.0, 0.5, 0.5]
    assert said(3)[1] == pytest.approx(power(0.5), rel=0.02)


def test_a_feeder_without_supply_is_half_a_street_in_the_dark() -> None:
    lamps = Luminaires(city(100))
    nobody: list[set[int]] = [set(), set()]
    lamps.step(0.5, nobody)
    lamps.act(0, Act(feeder="B", supply=False))
    dark = {key for _, key, said in lamps.step(0.001, nobody) if said["powerConsumption"]["value"] == 0}
    assert dark == {f"duisburg-walsum-01-{number:03d}" for number in range(37, 73)}
    assert lamps.broken == 36
    lamps.act(0, Act(feeder="B"))
    assert {key for _, key, said in lamps.step(0.001, nobody) if said["illuminanceLevel"] > 0} == dark


def test_a_technician_says_what_is_to_happen() -> None:
    street = city(72)[0]
    assert acts(street, {"lamp": 7, "fault": "dark"}) == [Act(index=6, fault=Fault.DARK)]
    assert acts(street, {"lamp": 7, "fault": "none"}) == [Act(index=6)]
    assert acts(street, {"feeder": "A", "supply": "off"}) == [Act(feeder="A", supply=False)]
    assert len(acts(street, {"repair": "all"})) == 72 + len(FEEDERS)
    for wrong in (
        {},
        {"lamp": 73, "fault": "dark"},
        {"lamp": 0, "fault": "dark"},
        {"lamp": True, "fault": "dark"},
        {"lamp": 7, "fault": "sad"},
        {"lamp": 7, "fault": "dark", "feeder": "A"},
        {"feeder": "C", "supply": "on"},
        {"feeder": "A", "supply": "perhaps"},
        {"illuminanceLevel": 1},
    ):
        with pytest.raises(Refused):
            acts(street, wrong)


def test_what_happens_by_itself_can_happen() -> None:
    lamps = Luminaires(city(2_000))
    for _, street, one in DEVELOPING:
        lamps.act(street, one)
    assert lamps.broken == 4 + 36
    assert {one.fault for _, _, one in DEVELOPING if one.index >= 0} == set(Fault)


@pytest.mark.parametrize("day", ["2026-06-21", "2026-12-21", "2026-03-20"])
def test_the_demos_day_begins_when_it_is_dark_and_passes_as_quickly_as_asked(day: str) -> None:
    real = datetime.fromisoformat(f"{day}T10:00:00+00:00").timestamp()
    clock = Clock.from_dusk(real, speed=60)
    assert -7 < elevation(clock.now(real)) <= -6
    assert clock.now(real + 60) - clock.now(real) == pytest.approx(3_600)
    heights = [elevation(clock.now(real + minute * 60)) for minute in range(24)]
    assert min(heights) < -10
    assert max(heights) > 10
    assert all(0 < busy(clock.now(real + second)) <= 1 for second in range(0, 1_440, 7))


def test_lamps_that_nobody_told_anything_go_off_by_day_and_on_at_dusk() -> None:
    demo = Demo(300, vehicles=40)
    state: dict[str, str] = {}

    def step(height: float) -> list[str]:
        demo.lamps.elevation = height
        found = []
        for kind, key, attributes in demo.step(0.01):
            if kind == "Streetlight":
                state[key] = attributes["powerState"]
                found.append(key)
        return found

    assert len(step(30)) == 300
    assert set(state.values()) == {"off"}
    for _ in range(200):
        step(30)
    assert set(state.values()) == {"off"}, "vehicles light no lamp by day"
    some = set(step(-3))
    assert 50 < len(some) < 250, "each lamp has its own dusk"
    step(-6)
    assert set(state.values()) == {"on"}


def test_vehicles_stay_at_home_at_night() -> None:
    traffic = Traffic(city(300), vehicles=50)
    traffic.busy = 0.2
    for _ in range(2_000):
        traffic.step(0.5)
    assert sum(not vehicle.parked for vehicle in traffic.vehicles) == 10
    traffic.busy = 1.0
    traffic.step(0.5)
    assert not any(vehicle.parked for vehicle in traffic.vehicles)


def test_every_part_has_a_device_that_may_speak_for_it() -> None:
    demo = Demo(200, vehicles=20)
    added = devices(demo.streets)
    own = {device["id"] for device in added}
    speaking = lamps(demo.streets)
    assert len(speaking) == 200
    assert not own & {device["id"] for device in speaking}
    assert len(own) == len(added)
    assert all(ID.fullmatch(device["id"]) for device in (*added, *speaking))
    assert {device["detail"]["levels"]["cabinet"] for device in speaking} <= own
    assert {district.key for district in DISTRICTS} == {street.district.key for street in city(2_000)}
    fleet = Fleet(None, "", 0, demo.streets)  # type: ignore[arg-type]
    parts = {key for _ in range(400) for _, key, _ in demo.step()}
    assert {fleet._cabinets[key] for key in parts} <= own
    assert {station.key for station in STATIONS} <= own


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("duisburg/a/command", b'{"version": "1", "set": {}}'),
        ("duisburg/a/command", b"[]"),
        ("duisburg/a/command", b"nothing"),
        ("duisburg/a/Streetlight/b/confirm", b'{"version": 1, "set": {}}'),
    ],
)
def test_what_is_no_order(topic: str, payload: bytes) -> None:
    assert order(topic, payload) is None


def test_orders_are_those_of_the_profiles() -> None:
    profiles = Catalogue()
    known = {"cabinet": "duisburg-schrank-walsum-01"}
    for profile, device, type, captured in (
        (CABINETS, "duisburg-schrank-walsum-01", "StreetCabinet", {}),
        (LAMPS, "duisburg-walsum-01-001", "Streetlight", known),
    ):
        compiled = profiles.compiled(profile)
        ((topic, payload),) = compiled.commands(device, type, 7, {"illuminanceLevel": 0.4}, captured)
        found = order(topic, payload)
        assert found is not None
        assert (found.lamp or found.cabinet) == device
        assert (found.version, found.wanted) == (7, {"illuminanceLevel": 0.4})


def test_stations_are_smooth_and_within_reason() -> None:
    for station in STATIONS:
        for hour in range(0, 400):
            _, _, attributes = report(station, 1_700_000_000 + hour * 3_600)
            values = [v["value"] if isinstance(v, dict) else v for v in attributes.values()]
            assert all(-20 < value < 1_000 for value in values)
            if station.size:
                assert 0 <= attributes["availableSpotNumber"] <= station.size


def test_the_inventory_names_everything_that_will_report() -> None:
    demo = Demo(200, vehicles=20)
    entities = inventory(demo.lamps, "2026-03-01T12:00:00Z", 1_772_000_000)
    ids = {entity["id"] for entity in entities}
    assert len(ids) == len(entities)
    assert sum(entity["type"] == "Streetlight" for entity in entities) == 200
    speaking = {f"urn:ngsi-ld:Device:{device['id']}" for device in lamps(demo.streets)}
    for entity in entities:
        assert entity["location"]["type"] == "Point"
        for reference in ("refStreetlightGroup", "refStreetlightControlCabinet"):
            if reference in entity:
                assert entity[reference]["object"] in ids
        if entity["type"] == "Streetlight":
            assert entity["feederID"] in ids
            assert entity["refDevice"]["object"] in speaking
            assert entity["status"] == "ok"
    for _ in range(400):
        for kind, key, _ in demo.step():
            assert f"urn:ngsi-ld:{kind}:{key}" in ids
    known = inventory(demo.lamps, "2026-03-01T12:00:00Z", 1_772_000_000, known=True)
    assert not any("status" in entity for entity in known), "that is for the city to say by now"


def test_what_devices_say_is_in_the_plain_json_profile() -> None:
    from datetime import UTC, datetime

    profiles = FixedProfiles()
    demo = Demo(200, vehicles=20)
    for _ in range(100):
        for kind, key, attributes in demo.step():
            body = json.dumps({"observedAt": "2026-03-01T12:00:00.5Z", **attributes}).encode()
            assert profiles.read(
                f"json/{kind}/{key}", body, datetime(2026, 3, 1, 12, tzinfo=UTC)
            ).measurements


def test_the_demo_imports_nothing_of_the_inside() -> None:
    for file in DEMO.glob("*.py"):
        for line in file.read_text().splitlines():
            if line.startswith(("from rhinecloud", "import rhinecloud")):
                allowed = ("from rhinecloud.demo.", "from rhinecloud.tasks import")
                assert line.startswith(allowed), f"{file.name}: {line}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", ("localhost", 1883)),
        ("127.0.0.1:18", ("127.0.0.1", 18)),
        ("mqtt://h:1884/", ("h", 1884)),
        ("[::1]:1885", ("::1", 1885)),
        ("[::1]", ("::1", 1883)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert address(text) == expected


@pytest.mark.parametrize("text", ["", ":1", "h:port"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        address(text)
