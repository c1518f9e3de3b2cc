"""The simulated Duisburg without a server: streets, traffic, stations, inventory."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from rhinecloud.demo.clock import Clock, busy, elevation
from rhinecloud.demo.fleet import Fleet, devices
from rhinecloud.demo.inventory import inventory
from rhinecloud.demo.mqtt import address
from rhinecloud.demo.stations import STATIONS, report
from rhinecloud.demo.streets import DISTRICTS, city
from rhinecloud.demo.traffic import DIMMED, MOST_DEFECTS, Traffic
from rhinecloud.gateways.devices.registry import ID
from rhinecloud.gateways.profiles import FixedProfiles

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


def test_lamps_brighten_ahead_of_vehicles_and_fall_again() -> None:
    traffic = Traffic(city(720), vehicles=30)
    bright: set[str] = set()
    kinds = set()
    messages = 0
    for _ in range(1_200):
        for kind, key, attributes in traffic.step(0.5):
            messages += 1
            kinds.add(kind)
            json.dumps(attributes)
            if kind == "Streetlight" and attributes["illuminanceLevel"] == 1:
                bright.add(key)
            elif kind == "Streetlight" and attributes["illuminanceLevel"] == DIMMED:
                bright.discard(key)
    assert kinds == {"Streetlight", "TrafficFlowObserved"}
    assert len(bright) + MOST_DEFECTS >= 3 * 30
    assert len(bright) <= 6 * 30 + MOST_DEFECTS
    assert 0 < traffic.defects <= MOST_DEFECTS
    assert messages > 10_000


def test_at_the_default_it_says_50_to_150_things_a_second() -> None:
    traffic = Traffic(city(2_000), vehicles=110)
    traffic.step(0.5)
    messages = sum(len(traffic.step(0.5)) for _ in range(240))
    assert 50 <= messages / 120 <= 150


def test_lamps_fail_and_are_repaired() -> None:
    traffic = Traffic(city(100), vehicles=0)
    failed, repaired = set(), set()
    for _ in range(4_000):
        for _, key, attributes in traffic.step(0.5):
            (repaired if attributes.get("status") == "ok" else failed).add(key)
    assert len(failed) > 20
    assert repaired
    assert repaired <= failed


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


def test_lamps_go_off_by_day_and_on_at_dusk() -> None:
    traffic = Traffic(city(300), vehicles=40)
    traffic.step(0.5)
    state: dict[str, str] = {}

    def step(height: float) -> list[str]:
        traffic.elevation = height
        found = []
        for kind, key, attributes in traffic.step(0.5):
            if kind == "Streetlight" and "powerState" in attributes:
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
    assert sum(one == "on" for one in state.values()) >= 300 - MOST_DEFECTS


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
    traffic = Traffic(city(200), vehicles=20)
    added = devices(traffic.streets)
    assert len({device["id"] for device in added}) == len(added)
    assert all(ID.fullmatch(device["id"]) for device in added)
    assert {district.key for district in DISTRICTS} == {street.district.key for street in city(2_000)}
    fleet = Fleet(None, "", 0, traffic.streets)  # type: ignore[arg-type]
    own = {device["id"] for device in added}
    parts = {key for _ in range(400) for _, key, _ in traffic.step(0.5)}
    assert {fleet._cabinets[key] for key in parts} <= own
    assert {station.key for station in STATIONS} <= own


def test_stations_are_smooth_and_within_reason() -> None:
    for station in STATIONS:
        for hour in range(0, 400):
            _, _, attributes = report(station, 1_700_000_000 + hour * 3_600)
            values = [v["value"] if isinstance(v, dict) else v for v in attributes.values()]
            assert all(-20 < value < 1_000 for value in values)
            if station.size:
                assert 0 <= attributes["availableSpotNumber"] <= station.size


def test_the_inventory_names_everything_that_will_report() -> None:
    traffic = Traffic(city(200), vehicles=20)
    entities = inventory(traffic, "2026-03-01T12:00:00Z", 1_772_000_000)
    ids = {entity["id"] for entity in entities}
    assert len(ids) == len(entities)
    assert sum(entity["type"] == "Streetlight" for entity in entities) == 200
    for entity in entities:
        assert entity["location"]["type"] == "Point"
        if "refStreetlightGroup" in entity:
            assert entity["refStreetlightGroup"]["object"] in ids
    for _ in range(400):
        for kind, key, _ in traffic.step(0.5):
            assert f"urn:ngsi-ld:{kind}:{key}" in ids


def test_what_devices_say_is_in_the_plain_json_profile() -> None:
    from datetime import UTC, datetime

    profiles = FixedProfiles()
    traffic = Traffic(city(200), vehicles=20)
    for _ in range(100):
        for kind, key, attributes in traffic.step(0.5):
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
