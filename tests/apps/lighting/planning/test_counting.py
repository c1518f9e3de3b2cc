"""Counts as entities say them, and whose lamps they are for."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from rhinecloud.apps.lighting.control.citywide import Place
from rhinecloud.apps.lighting.control.programs import ByVolume, Dynamic, Sensor
from rhinecloud.apps.lighting.control.rules import CrossingStaysLit, LawRule
from rhinecloud.apps.lighting.control.volume import Count, Standing
from rhinecloud.apps.lighting.demand.counting import Count as Told
from rhinecloud.apps.lighting.demand.passing import Placed
from rhinecloud.apps.lighting.demand.telling import of_count
from rhinecloud.apps.lighting.planning.counting import Counter, added, count_of, hours, placing, typical
from rhinecloud.apps.lighting.planning.groups import Group, Types
from rhinecloud.apps.lighting.planning.judging import judge
from rhinecloud.apps.lighting.planning.pages_traffic import counter_of
from rhinecloud.apps.lighting.planning.plan import Assignment, Plan
from rhinecloud.apps.lighting.planning.program_form import fields_of, program_of
from rhinecloud.apps.lighting.planning.traffic import Row, step
from rhinecloud.model import CORE, parse_entity

from .places import ALWAYS, BERLIN, DIMMED, TODAY, lamp

END = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


def said(**attributes: Any) -> Any:
    document = {"id": "urn:ngsi-ld:TrafficFlowObserved:1", "type": "TrafficFlowObserved", **attributes}
    return parse_entity(document, CORE).attributes


def text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


SPAN = {
    "dateObservedFrom": {
        "type": "Property",
        "value": {"@type": "DateTime", "@value": text(END - timedelta(hours=1))},
    },
    "dateObservedTo": {"type": "Property", "value": {"@type": "DateTime", "@value": text(END)}},
}


@pytest.mark.parametrize(
    ("attributes", "minutes", "vehicles"),
    [
        ({"intensity": 120, **SPAN}, None, 120),
        ({"intensity": 30, "dateObserved": f"{text(END - timedelta(minutes=15))}/{text(END)}"}, None, 120),
        ({"intensity": {"type": "Property", "value": 30, "observedAt": text(END)}}, 15, 120),
        ({"intensity": 30, "dateObserved": text(END)}, 15, 120),
        ({"intensity": 30, "dateObserved": text(END)}, None, None),  # nobody says of which time
        ({"intensity": "viel", **SPAN}, None, None),
        ({"intensity": True, **SPAN}, None, None),
        (SPAN, None, None),
        ({"intensity": 1, "dateObserved": f"{text(END)}/{text(END)}"}, None, None),
        ({"intensity": 1, "dateObserved": "gestern/heute"}, None, None),
    ],
)
def test_a_count_is_vehicles_an_hour(attributes: Any, minutes: int | None, vehicles: float | None) -> None:
    found = count_of(said(**attributes), minutes)
    assert (found is None) == (vehicles is None)
    if found is not None:
        assert (found.vehicles, found.ends) == (vehicles, END.timestamp())


def test_counts_of_light_on_demand_can_be_read() -> None:
    detector = Placed(id="d1", name="D", lon=6.7, lat=51.4, kinds=("vehicle",))
    begin = int(END.timestamp()) - 900
    found = count_of(
        parse_entity(of_count(Told("d1", "vehicle", begin, 25), detector), CORE).attributes, None
    )
    assert found == Count(100.0, begin, begin + 900)


def test_counters_of_one_place_are_added_up_and_the_oldest_counts() -> None:
    one, other = Count(100, 0, 900), Count(50, 900, 1_800)
    assert added([one, other]) == Count(150, 0, 900)
    assert added([one, None]) is None
    assert added([]) is None


def test_whose_lamps_they_are_for() -> None:
    group = Group(id="wege", name=("Wege", "Paths"), selection=Types(categories=("path",)))
    counters = [
        Counter(what="street", subject="Königstraße", entity="urn:a"),
        Counter(what="group", subject="wege", entity="urn:b"),
    ]
    place = placing(counters, [group], {lamp(6).id})
    assert place(lamp(1, installed_class="M3", category="path")) == Place("Königstraße", "M3")
    assert place(lamp(1, street="KÖNIGSTRASSE")) == Place("Königstraße", "")
    assert place(lamp(2, street="Parkweg", category="path")) == Place("#wege", "")
    assert place(lamp(3, street="Parkweg")) == Place("", "")
    assert place(lamp(4, gateway=7)) == Place("Königstraße", "", behind=True)
    assert place(lamp(5, multicast=7)) is None
    assert place(lamp(6, gateway=7)) is None  # sensors of its gateway raise it


def test_an_override_does_not_lie_over_sensors_of_a_gateway() -> None:
    counted = msgspec.structs.replace(DIMMED, volume=ByVolume())
    sensing = msgspec.structs.replace(counted, dynamic=(Dynamic(level=100),))
    photocell = msgspec.structs.replace(counted, periods=(Sensor(on_level=1, off_level=0),))
    here, behind = Place("x", "M2"), Place("x", "M2", behind=True)
    assert [here.follows(one) for one in (DIMMED, counted, sensing, photocell)] == [False, True, True, True]
    assert [behind.follows(one) for one in (DIMMED, counted, sensing, photocell)] == [
        False,
        True,
        False,
        False,
    ]


def test_what_an_assumed_traffic_is() -> None:
    assert hours("50") == [50.0] * 24
    assert hours("; ".join(map(str, range(24)))) == [float(hour) for hour in range(24)]
    assert math.isnan((hours("? " * 24) or [])[5])
    for wrong in ("", "1 2", "-5", "viel", "1e9"):
        assert hours(wrong) is None
    found = typical([(7, 100.0), (7, 300.0), (8, 50.0)])
    assert (found[7], found[8], math.isnan(found[9])) == (200.0, 50.0, True)


def test_a_place_steps_by_each_program_and_a_second_look_changes_nothing() -> None:
    some = msgspec.structs.replace(DIMMED, volume=ByVolume())
    now = END.timestamp()
    count = Count(100, now - 900, now)
    first = step({}, {"x": count}, [some, DIMMED], now)
    assert list(first) == [("x", "dimmed")]
    assert first["x", "dimmed"].standing == Standing(2, now)
    assert step(first, {"x": count}, [some], now + 60) == first
    gone = step(first, {"x": None}, [some], now + 60)
    assert gone["x", "dimmed"] == Row(Standing(0, now + 60), None)
    assert step(first, {}, [some], now) == {}


def test_the_form_keeps_the_class_by_traffic() -> None:
    some = msgspec.structs.replace(
        DIMMED, volume=ByVolume(high=450.5, low=90, most=1, margin=0, hold=15, valid=75)
    )
    assert program_of(fields_of(some), some.id) == (some, [])
    without = fields_of(DIMMED)
    assert program_of(without, DIMMED.id) == (DIMMED, [])
    _, wrong = program_of({**without, "volume": "on", "volume_high": "viel"}, DIMMED.id)
    assert [one.path for one in wrong] == ["volume.high"]


def test_the_form_of_a_counter() -> None:
    known = [Counter(what="street", subject="Königstraße", entity="urn:a")]
    counter, wrong = counter_of({"street": "königstrasse", "entity": "urn:b", "minutes": "15"}, known)
    assert (counter, wrong) == (Counter(what="street", subject="Königstraße", entity="urn:b", minutes=15), [])
    for given in ({}, {"street": "a", "group": "b", "entity": "urn:c"}, {"street": "a", "entity": "c"}):
        assert counter_of(given, known)[1]
    assert counter_of({"street": "a", "entity": "urn:c", "minutes": "0"}, known)[1]


def test_a_plan_is_judged_by_the_darkest_that_counts_may_ask_for() -> None:
    full = msgspec.structs.replace(DIMMED, fixed=(msgspec.structs.replace(DIMMED.fixed[0], level=100),))
    rule = LawRule(id="crossing", name=("Überwege", "crossings"), rule=CrossingStaysLit())
    everybody = Group(id="all", name=("Alle", "All"), selection=Types(categories=("crossing", "road")))
    lamps = [
        lamp(1, category="crossing", installed_class="M2"),
        lamp(2, category="road"),
        lamp(3, multicast=1),
        lamp(4, gateway=1, installed_class="M2"),
    ]

    def found(some: Any) -> tuple[bool, list[str]]:
        plan = Plan(
            programs=(some,),
            calendars=(ALWAYS,),
            groups=(everybody,),
            assignments=(Assignment("group", "all", "always"),),
            rules=(rule,),
        )
        judged = judge(plan, None, lamps, TODAY, BERLIN)
        return judged.refused, [
            one.problem.text[1] for one in judged.findings if "by traffic" in one.problem.text[1]
        ]

    assert found(full) == (False, [])
    refused, notes = found(msgspec.structs.replace(full, volume=ByVolume()))
    assert refused
    assert ["class of these lamps" in notes[0], "LoRaWAN" in notes[1], len(notes)] == [True, True, 2]
    _, notes = found(msgspec.structs.replace(full, volume=ByVolume(), dynamic=(Dynamic(level=100),)))
    assert "listens to sensors" in notes[2]
