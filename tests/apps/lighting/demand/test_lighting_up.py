"""The platform's own path without a network: messages in, demands out, and what may be told."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.demand import forms
from rhinecloud.apps.lighting.demand.counting import FEWEST, QUARTER, Counting
from rhinecloud.apps.lighting.demand.lighting_up import Demand, Lamp, LightingUp
from rhinecloud.apps.lighting.demand.neighbours import PROFILES
from rhinecloud.apps.lighting.demand.passing import Placed, Refused, read
from rhinecloud.apps.lighting.demand.telling import of_count, of_level

from .places import at, straight

T = float(1_800_000_000 // QUARTER * QUARTER)
D0 = Placed(id="d0", name="D", lon=at(0, 0)[0], lat=at(0, 0)[1], kinds=("vehicle", "pedestrian"), street="S")


def up(counting: Counting | None = None, base: float = 20.0) -> LightingUp:
    table = straight(21)
    lamps = {id: Lamp(f"device-{id}", "S") for id in table.lamps}
    detectors = {name: msgspec.structs.replace(D0, id=name) for name in table.detectors}
    made = LightingUp(table, lamps, detectors, counting or Counting(), dict.fromkeys(table.lamps, base))
    made.close(T)
    return made


def first(made: LightingUp) -> str:
    return next(iter(made._detectors))


def test_lamps_are_told_a_level_with_an_end_and_fall_by_themselves() -> None:
    made = up()
    told = made.passed(first(made), b'{"forward": true, "speed": 10}', T)
    assert told and all(one.level == 100 and 0 < one.seconds < 60 for one in told.values())
    ends = {device: T + one.seconds for device, one in told.items()}
    now = T
    while not made.idle:
        now += 1
        for device, demand in made.advance(now).items():
            assert demand.level == 100, "nobody is told to fall who falls by himself"
            ends[device] = max(ends.get(device, 0), now + demand.seconds)
        assert now < T + 300
    assert math.isinf(made.due)


def test_who_comes_after_keeps_lamps_up_before_they_fall() -> None:
    made = up()
    ends: dict[str, float] = {}
    begun: set[str] = set()
    for second in range(120):
        now = T + second
        demands = made.advance(now)
        if second % 5 == 0:
            demands |= made.passed(first(made), b'{"forward": true, "speed": 10}', now)
        for device, demand in demands.items():
            if device in begun:
                assert ends[device] > now, f"{device} fell before it was told to stay"
            begun.add(device)
            ends[device] = now + demand.seconds
        nearest = list(ends.values())
        assert not begun or max(nearest) > now


@pytest.mark.parametrize(
    "payload",
    [
        b'{"mac": "aa:bb:cc:dd:ee:ff"}',
        b'{"kind": "vehicle", "plate": "DU-AB 123"}',
        b'{"kind": "vehicle", "id": 7}',
        b'{"kind": "DU-AB 123"}',
        b'{"forward": "aa:bb:cc:dd:ee:ff"}',
        b'{"speed": "DU-AB 123"}',
        b'{"speed": -1}',
        b'{"speed": 1e9}',
        b'{"speed": NaN}',
        b'{"kind": "cyclist"}',
        b'{"at": 1}',
        b'{"forward": true' + b" " * 300 + b"}",
        b"[]",
        b"\xff",
        b"",
    ],
)
def test_whatever_is_no_detection_is_refused_without_saying_what_it_was(payload: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read(payload, D0, T)
    assert str(refused.value) in ("size", "form", "kind", "clock")
    made = up()
    assert made.passed(first(made), payload, T) == {} and made.idle
    finished = made.close(T + QUARTER)
    assert finished is not None and finished.counts == [] and finished.refused == {}


def test_refused_messages_are_told_of_from_five_on() -> None:
    made = up()
    for _ in range(FEWEST):
        made.passed(first(made), b'{"mac": "aa:bb:cc:dd:ee:ff"}', T)
    finished = made.close(T + QUARTER)
    assert finished is not None and finished.refused == {first(made): "form"}
    again = made.close(T + 2 * QUARTER)
    assert again is not None and again.refused == {}


def test_a_detector_that_never_stops_costs_no_more_than_twenty_a_second() -> None:
    made = up()
    for i in range(1_000):
        made.passed(first(made), b"{}", T + i / 1000)
    assert 960 <= made.dropped <= 980


@given(st.binary(max_size=250))
def test_no_payload_breaks_it(payload: bytes) -> None:
    made = up()
    made.passed(first(made), payload, T)
    made.close(T + QUARTER)


def test_counts_go_on_over_a_new_table_and_are_told_once() -> None:
    counting = Counting()
    before = up(counting)
    for i in range(3):
        before.passed(first(before), b"{}", T + i)
    after = up(counting)
    for i in range(3):
        after.passed(first(after), b"{}", T + 10 + i)
    after.passed(first(after), b"{}", T + QUARTER + 0.1)  # before the quarter was closed
    finished = after.close(T + QUARTER + 0.2)
    assert finished is not None and [one.number for one in finished.counts] == [6]
    assert after.close(T + QUARTER + 10) is None


def test_documents_say_whole_quarters() -> None:
    made = up()
    for i in range(FEWEST):
        made.passed(first(made), b'{"kind": "pedestrian"}', T + i)
    finished = made.close(T + QUARTER)
    assert finished is not None
    (count,), (level,) = finished.counts, finished.levels
    document = of_count(count, D0)
    assert document["intensity"]["value"] == FEWEST and document["travellerType"]["value"] == "pedestrian"
    assert document["dateObservedTo"]["value"]["@value"] == document["intensity"]["observedAt"]
    assert of_level(level)["id"] == "urn:ngsi-ld:StreetLightLevel:s" and level.level >= 20
    assert of_level(msgspec.structs.replace(level, street="Königstraße 1"))["id"].endswith(":koenigstrasse-1")


PROFILE = {
    "reach": "0 100\n20 100",
    **{name: f"{getattr(PROFILES['vehicle'], name):g}" for name in forms.NUMBERS},
}


def test_a_profile_is_what_its_form_says() -> None:
    one = forms.profile({**PROFILE, "hold": "12,5"})
    assert one.hold == 12.5 and one.reach == ((0, 100), (20, 100))


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": "101"},
        {"level": "nan"},
        {"level": ""},
        {"hold": "-1"},
        {"hold": "3000"},
        {"reach": ""},
        {"reach": "20 100\n0 100"},
        {"reach": "0 5000"},
        {"reach": "weit"},
        {"ahead": "1e9"},
        {"lasting": "301"},
        {"least_speed": "0"},
        {"most_speed": "0.5"},
        {"typical_speed": "inf"},
    ],
)
def test_nonsense_is_no_profile(wrong: dict[str, str]) -> None:
    with pytest.raises(forms.Wrong):
        forms.profile({**PROFILE, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "a/b"},
        {"id": ""},
        {"name": ""},
        {"lon": "181"},
        {"lat": "x"},
        {"bearing": "360"},
        {"vehicle": ""},
    ],
)
def test_nonsense_is_no_detector(wrong: dict[str, str]) -> None:
    sound = {"id": "d", "name": "D", "lon": "6,76", "lat": "51.43", "bearing": "", "vehicle": "on"}
    assert forms.placed(sound).kinds == ("vehicle",)
    with pytest.raises(forms.Wrong):
        forms.placed({**sound, **wrong})


def test_a_demand_is_small() -> None:
    assert msgspec.json.encode(msgspec.to_builtins(Demand(100, 12.5))) == b'{"level":100,"seconds":12.5}'
