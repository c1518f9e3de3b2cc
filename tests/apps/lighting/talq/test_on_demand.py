"""Light on demand as gateways of TALQ get it: dynamic controls by their own sensors, and nobody is traced."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from rhinecloud.apps.lighting.control import calendars, programs
from rhinecloud.apps.lighting.demand.neighbours import PROFILES, Reacts, Zone, zoned
from rhinecloud.apps.lighting.talq import on_demand, plans
from rhinecloud.apps.lighting.talq.plans import Wanted
from rhinecloud.apps.lighting.talq.twilight import Place
from tests.conftest import Server

from ..demand.places import straight
from .definitions import needed
from .field import LAMP, Office, gateways, until
from .line import Line

DEVICES = {f"a{number}": uuid4() for number in range(21)}


def test_a_sensor_raises_what_its_detector_raises_whichever_way_for_as_long_as_the_slowest_needs() -> None:
    table = straight()
    kinds = dict.fromkeys(table.detectors, ("vehicle", "pedestrian"))
    found = on_demand.effects_of(table, {"d10": "s/presence"}, kinds, DEVICES)
    reach = PROFILES["vehicle"].ahead
    assert set(found) == {DEVICES[f"a{n}"] for n in range(21) if abs(n - 10) * 30 <= reach}
    (effects,) = set(found.values())
    (effect,) = effects
    assert effect.sensor == ("s/presence",) and (effect.operation, effect.level) == ("max", 100)
    assert effect.hold == 240, "somebody on foot, 150 m ahead: as long as a detection may last"
    assert on_demand.effects_of(table, {"elsewhere": "s/presence"}, kinds, DEVICES) == {}


def test_a_brighter_sensor_goes_before_and_only_the_kinds_of_the_detector_count() -> None:
    zone = Zone(id="z", lamps=["a0", "a1"], detectors=["d20"], reacts={"cyclist": Reacts(40.0, 30.0)})
    table = zoned(straight(), [zone])
    kinds = {"d0": ("vehicle",), "d20": ("cyclist",)}
    found = on_demand.effects_of(table, {"d0": "one/p", "d20": "two/p"}, kinds, DEVICES)
    assert [(one.sensor, one.level) for one in found[DEVICES["a0"]]] == [(("one/p",), 100), (("two/p",), 40)]
    assert (
        on_demand.effects_of(table, {"d20": "two/p"}, {"d20": ("vehicle",)}, DEVICES)
        .keys()
        .isdisjoint({DEVICES["a0"]})
    )


def wanted() -> Wanted:
    night = programs.Program(
        id="night",
        name=("Nacht", "night"),
        fixed=(programs.Step("12:00", 20),),
        dynamic=(programs.Dynamic(sensor=("own/p",), level=50),),
    )
    usual = calendars.Calendar(id="usual", name=("Üblich", "usual"), default="night")
    return Wanted(
        programs={"night": night},
        calendars={"usual": usual},
        assigned={DEVICES["a0"]: "usual", DEVICES["a1"]: "usual", DEVICES["a2"]: "usual"},
        place=Place(6.76, 51.43),
    )


def test_lamps_that_the_same_sensors_raise_share_programs_and_others_keep_theirs() -> None:
    effect = (programs.Dynamic(sensor=("s/p",), operation="max", level=100, hold=60),)
    changed = on_demand.with_effects(wanted(), {DEVICES["a0"]: effect, DEVICES["a1"]: effect})
    first, second, third = (changed.assigned[DEVICES[name]] for name in ("a0", "a1", "a2"))
    assert first == second != third == "usual"
    made = changed.programs[changed.calendars[first].default or ""]
    assert [one.sensor for one in made.dynamic] == [("own/p",), ("s/p",)], "what was planned goes before"
    assert changed.programs["night"] == wanted().programs["night"]


def test_what_is_reported_of_lamps_that_follow_who_passes_says_nothing_of_their_light() -> None:
    plan = plans.quiet(plans.Plan(loggers=plans.loggers("cms")), [DEVICES["a0"]])
    told = {one.address: one for one in plan.loggers}
    black = told["rc.measurements"].source_addresses
    assert black is not None and [one.address for one in black.black_list or ()] == [str(DEVICES["a0"])]
    content: Any = told["rc.quiet"].recording_mode
    names = {known.name for one in content.content for known in one.function.attributes}
    assert names == {"calendarID", "supplyVoltage", "communicationQuality"}
    events: Any = told["rc.events"].recording_mode
    assert {"presenceStatusChanged", "lightStateChange"} <= set(events.source_events.black_list)


SENSOR = "sensor-square"


@pytest.fixture
def square(office: Office) -> Iterator[list[str]]:
    """Three lamps of a zone with a detector that is a sensor of their gateway, and one beside it."""
    names = ["Platz-1", "Platz-2", "Platz-3"]
    office.lamps(*names, "Platz-beside", address={"streetAddress": "Platz"})
    placed = {"id": SENSOR, "name": "Am Brunnen", "lon": 6.76, "lat": 51.43, "kinds": ["pedestrian"]}
    assert office.http.post("/api/lighting/demand/detectors", json=[placed]).status_code == 200
    zone = {
        "id": "platz",
        "name": "Platz",
        "selection": {"kind": "static", "lamps": [LAMP + name for name in names]},
        "detectors": [SENSOR],
        "reacts": {"pedestrian": {"level": 80, "hold": 2}},
    }
    answered = office.http.post("/api/lighting/demand/zones", json=[zone])
    assert answered.status_code == 200, answered.text
    yield names
    office.http.post("/lighting/demand/zones/platz/remove")


async def _rows(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        found = []
        for (table,) in tables:
            found += [str(row) for (row,) in await connection.fetch(f"SELECT t::text FROM {table} t")]
        return "\n".join(found)
    finally:
        await connection.close()


@needed
def test_a_gateway_raises_its_lamps_by_its_own_sensor_and_tells_nobody(
    city: Server, office: Office, line: Line, tmp_path: Path, square: list[str]
) -> None:
    all_lamps = [*square, "Platz-beside"]
    (tmp_path / "sensors").write_text(f"platz;{SENSOR}\n")
    key = office.admit("Platz")
    lamps = {"platz": all_lamps}
    with gateways(tmp_path, line, {"platz": key}, lamps, f"--sensors={tmp_path / 'sensors'}") as simulator:
        until(lambda: office.behind("Platz") == 4, "its lamps are not known")
        office.http.post("/lighting/demand/compute")  # for the lamps are behind a gateway only now
        until(lambda: _raised_lamps(office) == 3, lambda: str(_raised_lamps(office)))
        assert office.want(dict.fromkeys(all_lamps, "usual"), level=20).status_code == 202
        until(lambda: office.plan("Platz").get("state") == "confirmed", lambda: str(office.plan("Platz")))

        def shown() -> list[tuple[int, str]]:
            return [(one["level"], one["reason"]) for one in httpx.get(simulator("platz")).json()["lamps"]]

        until(lambda: [level for level, _ in shown()] == [20] * 4, lambda: str(shown()))
        until(
            lambda: office.lamp("Platz-beside").get("illuminanceLevel") == 0.2, "what follows nobody is told"
        )
        before = office.http.get(
            f"/ngsi-ld/v1/temporal/entities/{LAMP}Platz-1",
            params={"timerel": "after", "timeAt": "2000-01-01T00:00:00Z", "attrs": "illuminanceLevel"},
        ).text
        for _ in range(3):
            httpx.post(simulator("platz"), json={"sensor": 0, "present": True})
            until(lambda: [one for one, _ in shown()] == [80, 80, 80, 20], lambda: str(shown()))
            assert {reason for _, reason in shown()[:3]} == {"sensor"}
            httpx.post(simulator("platz"), json={"sensor": 0, "present": False})
            until(lambda: [one for one, _ in shown()] == [20] * 4, lambda: str(shown()))
        # Reports go on: what the gateway tells after all that has arrived before it is looked at.
        assert office.override(["Platz-beside"], 55).status_code == 202
        until(lambda: office.lamp("Platz-beside").get("illuminanceLevel") == 0.55, "reports do not go on")
        after = office.http.get(
            f"/ngsi-ld/v1/temporal/entities/{LAMP}Platz-1",
            params={"timerel": "after", "timeAt": "2000-01-01T00:00:00Z", "attrs": "illuminanceLevel"},
        ).text
        assert after == before, "the level of a lamp tells who passed"
        rows = asyncio.run(_rows(city.database_url))
        assert not re.search(r'presenceStatus(Changed)?"+: ?\{', rows), "what a sensor sensed is kept"
        # Whoever overrides such a lamp is told that its gateway took it: the lamp does not say its level.
        assert office.override(["Platz-1"], 5).status_code == 202
        until(lambda: office.overridden("Platz-1") == "confirmed", lambda: office.overridden("Platz-1"))
        page = office.http.get("/lighting/demand", headers={"Accept-Language": "en"}).text
        assert "1 / 1" in page and "TALQ knows neither direction" in page
    assert line.wrong == []


def _raised_lamps(office: Office) -> int:
    text = office.http.get("/lighting/demand", headers={"Accept-Language": "en"}).text
    return 3 if "up to date" in text and "<dt>Behind gateways (TALQ)</dt><dd>3</dd>" in text else 0


@needed
def test_a_gateway_without_sensors_of_its_own_is_told_its_plan_and_the_page_says_what_is_missing(
    city: Server, office: Office, line: Line, tmp_path: Path, square: list[str]
) -> None:
    office.lamps("Blind-1")
    with gateways(tmp_path, line, {"blind": office.admit("Blind")}, {"blind": ["Blind-1"]}):
        zone = {
            "id": "blind",
            "name": "Blind",
            "selection": {"kind": "static", "lamps": [f"{LAMP}Blind-1"]},
            "detectors": [SENSOR],
            "reacts": {"pedestrian": {"level": 80, "hold": 2}},
        }
        assert office.http.post("/api/lighting/demand/zones", json=[zone]).status_code == 200
        until(lambda: office.behind("Blind") == 1, "its lamp is not known")
        office.http.post("/lighting/demand/compute")

        def said() -> bool:
            assert office.want({"Blind-1": "usual"}, level=30).status_code == 202
            page = office.http.get("/lighting/demand", headers={"Accept-Language": "en"}).text
            return "None of the detectors is a sensor of this gateway" in page

        until(said, "nobody says what is missing")
        until(lambda: office.plan("Blind").get("state") == "confirmed", lambda: str(office.plan("Blind")))
    office.http.post("/lighting/demand/zones/blind/remove")
    assert line.wrong == []
