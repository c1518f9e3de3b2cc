"""Selections of lamps, how they look, and what the map is told of them."""

from __future__ import annotations

import base64
import csv
import io
from typing import Any
from urllib.parse import parse_qs

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.cadastre import points, words
from rhinecloud.apps.lighting.cadastre.fleet import (
    FAULTS,
    POWERS,
    STATUSES,
    Fleet,
    Told,
    Trouble,
    told,
)
from rhinecloud.apps.lighting.cadastre.lamps import Lamp
from rhinecloud.apps.lighting.cadastre.looks import LOOKS
from rhinecloud.apps.lighting.cadastre.planned import as_group
from rhinecloud.apps.lighting.cadastre.rows import as_csv, row
from rhinecloud.apps.lighting.cadastre.selection import (
    Selection,
    Wrong,
    choices,
    chosen,
    inside,
    read,
    still_chosen,
)
from rhinecloud.apps.lighting.faults.kinds import Kind
from rhinecloud.apps.lighting.planning import groups


def lamp(number: int, **facts: Any) -> Lamp:
    return Lamp(id=f"urn:ngsi-ld:Streetlight:L{number}", lon=6.7 + number * 0.01, lat=51.4, **facts)


def fleet() -> Fleet:
    lamps = [
        lamp(0, name="Königstraße 1", street="Königstraße", district="Altstadt", groups=("g1", "g2")),
        lamp(1, name="Königstraße 2", street="Königstraße", district="Altstadt", model="t1"),
        lamp(
            2,
            name="Hafenufer",
            street="Hafenufer",
            district="Ruhrort",
            category="pedestrianPath",
            cabinet="s1",
        ),
    ]
    states = [
        Told(lamps[0].id, "on", 100.0, "ok", 48.0),
        Told(lamps[1].id, "off", 0.0, "defectiveLamp", 0.2),
    ]
    return Fleet(lamps, states, {"t1": "LED 48 W"})


def select(**given: str) -> list[int]:
    return [int(index) for index in chosen(fleet(), read(given))]


def test_all_that_is_given_has_to_hold() -> None:
    assert select() == [0, 1, 2]
    assert (
        select(street="königstrasse") == select(street="KÖNIGSTRASSE") == [0, 1]
    )  # ß and ss are the same letters
    assert select(street="König") == []
    assert select(district="Ruhrort") == select(category="pedestrianPath") == select(cabinet="s1") == [2]
    assert select(group="g2") == [0] and select(model="t1") == [1]
    assert select(text="straße 2") == [1] and select(text="l2") == [2]
    assert select(state="on") == [0] and select(state="off") == [1] and select(state="alarm") == [1]
    assert select(state="silent") == [2]
    assert select(street="Königstraße", state="alarm") == [1]
    assert select(area="6.705,51.39;6.715,51.39;6.715,51.41;6.705,51.41") == [1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("area", "6,51;7,52"),
        ("area", "6,51;7,52;x,1"),
        ("area", "6,51;7,52;700,51"),
        ("area", "nan,51;7,52;6,51"),
        ("area", ";".join(["6,51"] * 501)),
        ("state", "dark"),
        ("fault", "²"),
        ("fault", "1" * 19),
        ("street", "a\x00b"),
        ("text", "x" * 201),
    ],
)
def test_what_cannot_be_read_names_its_field(field: str, value: str) -> None:
    with pytest.raises(Wrong, match=f"^{field}$"):
        read({field: value})


def test_an_address_says_the_selection_again() -> None:
    one = read({"street": "Königstraße & Co", "area": "6.7,51.4;6.8,51.4;6.8,51.5", "state": "on"})
    given = {name: values[0] for name, values in parse_qs(one.query()).items()}
    assert read(given) == one


@given(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=3, max_size=8),
    st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=1, max_size=20),
)
def test_inside_is_what_planning_says(corners: list[tuple[int, int]], places: list[tuple[int, int]]) -> None:
    """The same lamps in the map's area as in the group that is made of it."""
    polygon = tuple((float(x), float(y)) for x, y in corners)
    lon, lat = (np.array([place[axis] + 0.5 for place in places]) for axis in (0, 1))
    expected = [groups.within(polygon, x + 0.5, y + 0.5) for x, y in places]
    assert inside(polygon, lon, lat).tolist() == expected


def test_a_selection_that_lasts_becomes_a_group_that_lasts() -> None:
    known = fleet()
    assert as_group(known, Selection(street="Hafenufer")) == groups.Streets(("Hafenufer",))
    assert as_group(known, Selection(district="Ruhrort")) == groups.Area(districts=("Ruhrort",))
    corners = ((6.0, 51.0), (7.0, 51.0), (7.0, 52.0))
    assert as_group(known, Selection(area=corners)) == groups.Area(polygon=corners)
    assert as_group(known, Selection(model="t1")) == groups.Types(models=("t1",))
    mixed = as_group(known, Selection(street="Königstraße", state="alarm"))
    assert mixed == groups.Single(("urn:ngsi-ld:Streetlight:L1",))


def test_every_look_has_a_state_for_every_lamp_and_words_for_all() -> None:
    known = fleet()
    for look in LOOKS.values():
        codes = look.codes(known)
        assert len(codes) == 3 and codes.max() < len(look.states)
        assert len({(state.shape, state.size) for state in look.states}) == len(look.states), look.key
    level = [LOOKS["level"].states[code].key for code in LOOKS["level"].codes(known)]
    assert level == ["bright", "alarm", "silent"]
    alarm = [LOOKS["alarm"].states[code].key for code in LOOKS["alarm"].codes(known)]
    assert alarm == ["ok", "said", "silent"]
    power = [LOOKS["power"].states[code].key for code in LOOKS["power"].codes(known)]
    assert power == ["p25", "p0", "silent"]
    assert set(words.POWERS) == set(POWERS) and set(words.STATUSES) == set(STATUSES)


def test_open_faults_are_shown_before_what_lamps_say() -> None:
    known = fleet()
    mark = f"{known.epoch}.{known.version}"
    first, second, third = (lamp.id for lamp in known.lamps)
    supply = Trouble(1, Kind.SUPPLY, "feeder", "A", (first, third, "urn:ngsi-ld:Streetlight:elsewhere"))
    known.concern([Trouble(2, Kind.SILENCE, "lamp", "Königstraße 1", (first,)), supply])
    look = LOOKS["alarm"]
    assert [look.states[code].key for code in look.codes(known)] == ["supply", "said", "supply"]
    assert [one.number for one in known.troubles[0]] == [1, 2] and known.has_alarm().all()
    told_of = points.since(known, still_chosen(known, Selection()), look, mark)
    assert told_of is not None and "all" in told_of
    assert [one["faults"] for one in csv.DictReader(io.StringIO("".join(as_csv([row(known, 0)]))))] == [
        "supply silence"
    ]
    before = known.version
    known.concern([supply, Trouble(2, Kind.SILENCE, "lamp", "Königstraße 1", (first,))])
    assert known.version == before, "nothing changed"
    known.concern([])
    assert [look.states[code].key for code in look.codes(known)] == ["ok", "said", "silent"]
    assert set(Kind) == set(FAULTS)
    for kind in Kind:
        known.concern([Trouble(3, kind, "lamp", "x", (first,))])
        assert look.states[look.codes(known)[0]].alarm, kind


def test_what_lamps_say_is_believed_only_where_it_can_be() -> None:
    assert told("x", ["on", 0.4, "ok", 12]) == Told("x", "on", 40.0, "ok", 12.0)
    assert told("x", [7, True, None, "12"]) == Told("x", None, None, None, None)
    assert told("x", [None, 7.0, None, None]).level == 100.0


def test_the_map_is_told_what_changed_and_no_more() -> None:
    known, look = fleet(), LOOKS["level"]
    some = still_chosen(known, Selection(district="Altstadt"))
    body = points.snapshot(known, some, look)
    length = int(np.frombuffer(body[:4], np.uint32)[0])
    head = msgspec.json.decode(body[4 : 4 + length])
    assert head["count"] == 2 and len(body) == 4 + length + 2 * 8 + 2
    mark = f"{head['epoch']}.{head['version']}"
    assert points.since(known, some, look, mark) == {"version": 0, "count": 2}
    assert not known.take([Told("urn:ngsi-ld:Streetlight:unknown", "on", 1.0, None, None)])
    assert known.take([Told("urn:ngsi-ld:Streetlight:L2", "on", 50.0, None, None)])
    assert "states" not in (points.since(known, some, look, mark) or {}), "that lamp is in another district"
    known.take([Told("urn:ngsi-ld:Streetlight:L1", "on", 50.0, "ok", None)])
    found = points.since(known, some, look, mark)
    assert found is not None and found["version"] == 2
    assert [look.states[code].key for code in base64.b64decode(found["all"])] == ["bright", "medium"]
    assert points.since(known, some, look, f"{known.epoch}.2") == {"version": 2, "count": 2}
    for foreign in ("", "x.1", f"{known.epoch}.", f"{known.epoch}.-1"):
        assert points.since(known, some, look, foreign) is None


def test_few_changes_among_many_are_told_singly() -> None:
    lamps = [lamp(number) for number in range(100)]
    known, look = Fleet(lamps, [], {}), LOOKS["level"]
    known.take([Told(lamps[70].id, "on", 90.0, None, None)])
    every = still_chosen(known, Selection())
    told_of = points.since(known, every, look, f"{known.epoch}.0")
    assert told_of == {"version": 1, "count": 100, "states": [70, 1]}


def test_choices_are_counted_and_named() -> None:
    found = choices(fleet())
    assert found.streets == ["Hafenufer", "Königstraße"]
    assert found.districts == [("Altstadt", 2), ("Ruhrort", 1)] and found.models == [("t1", 1)]


def test_a_table_holds_no_formulas() -> None:
    known = Fleet([lamp(0, name="=1+1", district='a;"b"')], [], {})
    (line,) = csv.DictReader(io.StringIO("".join(as_csv([row(known, 0)]))))
    assert line["name"] == "'=1+1" and line["district"] == 'a;"b"' and line["level_percent"] == ""
