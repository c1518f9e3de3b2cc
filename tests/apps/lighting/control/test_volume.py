"""The class that counted traffic needs: thresholds, margin, hold, and the full class wherever no count holds."""

from __future__ import annotations

import math
from datetime import UTC
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control.classes import CLASSES
from rhinecloud.apps.lighting.control.curve import Stretch
from rhinecloud.apps.lighting.control.programs import ByVolume
from rhinecloud.apps.lighting.control.reasons import Reason, texts
from rhinecloud.apps.lighting.control.rules import Floor
from rhinecloud.apps.lighting.control.sun import Dark
from rhinecloud.apps.lighting.control.targets import Demand, Layers, Override, night, target
from rhinecloud.apps.lighting.control.volume import (
    Count,
    Needed,
    Standing,
    Volume,
    assumed,
    needed,
    share,
    stepped,
)

RULE = ByVolume()
NOW = 1_800_000_000.0
LONG_AGO = NOW - 86_400


def count(vehicles: float, age: float = 0) -> Count:
    return Count(vehicles, NOW - age - 900, NOW - age)


@pytest.mark.parametrize(
    ("before", "one", "down"),
    [
        (Standing(), count(700), 0),
        (Standing(), count(580), 0),  # below the threshold, but within the margin
        (Standing(), count(530), 1),
        (Standing(), count(100), 2),
        (Standing(1, LONG_AGO), count(595), 1),
        (Standing(1, LONG_AGO), count(600), 0),
        (Standing(2, LONG_AGO), count(210), 1),
        (Standing(2, NOW - 1), count(900), 0),  # more light at once
        (Standing(0, NOW - 1), count(10), 0),  # less light not so soon after the last change
        (Standing(0, NOW - 1_800), count(10), 2),
        (Standing(2, LONG_AGO), None, 0),
        (Standing(2, LONG_AGO), count(10, age=5_401), 0),  # old
        (Standing(2, LONG_AGO), count(10, age=-400), 0),  # of a time to come
        (Standing(2, LONG_AGO), count(math.nan), 0),
        (Standing(2, LONG_AGO), count(-1), 0),
    ],
)
def test_steps(before: Standing, one: Count | None, down: int) -> None:
    after = stepped(before, one, RULE, NOW)
    assert after.down == down
    assert after is before or after.since == NOW


@given(st.lists(st.floats(0, 2_000), min_size=2, max_size=200))
def test_a_street_does_not_flicker(volumes: list[float]) -> None:
    """After any change there is less light again only after the hold; and never more than two classes less, nor less
    light than the thresholds allow."""
    standing, changes = Standing(), []
    for quarter, vehicles in enumerate(volumes):
        now = NOW + 900 * quarter
        after = stepped(standing, Count(vehicles, now - 900, now), RULE, now)
        assert after.down <= allowed(vehicles)
        if after.down != standing.down:
            changes.append((now, after.down > standing.down))
        standing = after
    for (one, _), (other, darker) in pairwise(changes):
        assert not darker or other - one >= 60 * RULE.hold


def allowed(vehicles: float) -> int:
    return 2 if vehicles < RULE.low else 1 if vehicles < RULE.high else 0


@pytest.mark.parametrize(
    ("installed", "down", "level"),
    [
        ("M2", 0, 100),
        ("M2", 1, 67),
        ("M2", 2, 50),
        ("M6", 2, 100),
        ("C2", 2, 50),
        ("P2", 1, 75),
        ("P7", 2, 100),
    ],
)
def test_the_level_of_a_class(installed: str, down: int, level: float) -> None:
    assert share(installed, down) == level


@pytest.mark.parametrize("installed", sorted(CLASSES))
def test_no_class_switches_a_lamp_off(installed: str) -> None:
    assert all(0 < share(installed, down) <= 100 for down in (0, 1, 2))


def layers(volume: Volume, level: float = 100.0) -> Layers:
    whole = Stretch(int(NOW), int(NOW) + 36_000, level, (Reason("fixed", "p", 0),))
    return Layers(curve=(whole,), volume=volume)


QUIET = Needed(NOW + 3_600, NOW + 7_200, 2, 120.0, 200.0)


def test_a_lamp_follows_the_class_while_a_count_holds() -> None:
    found = night(layers(Volume("Königstraße", "M2", (QUIET,))))
    assert [(one.level, one.since - NOW) for one in found] == [(100, 0), (50, 3_600), (100, 7_200)]
    assert texts(found[1].why, 0).startswith(
        "Klasse M4 statt M2: 120 Fahrzeuge/h, Schwelle 200 (Königstraße) ← Programm p"
    )
    assert texts(found[2].why, 1).startswith("class M2: no count that holds (Königstraße)")


@pytest.mark.parametrize(
    ("volume", "says"),
    [
        (Volume("", "M2"), "nobody counts here"),
        (Volume("x", ""), "that of the lamp is not known"),
        (Volume("x", "sehr hell", (QUIET,)), "that of the lamp is not known"),
        (Volume("x", "M2", (Needed(NOW, NOW + 9e9, 0, 700, 540),)), "700 vehicles/h, less light below 540"),
    ],
)
def test_why_a_lamp_keeps_the_full_class(volume: Volume, says: str) -> None:
    found = target(layers(volume), NOW + 4_000)
    assert found.level == 100
    assert says in texts(found.why, 1)


def test_what_lies_above_and_below() -> None:
    volume = Volume("x", "M2", (QUIET,))
    assert target(layers(volume, 40.0), NOW + 4_000).level == 40  # never more than the program says
    assert target(layers(volume, 0.0), NOW + 4_000).why == (Reason("fixed", "p", 0),)  # off is off
    dark = Dark(NOW - 1e5, NOW + 1e5)
    floored = msgspec.structs.replace(layers(volume), dark=dark, floors=(Floor("crossing", 100.0, 0),))
    found = target(floored, NOW + 4_000)
    assert (found.level, found.why[0].kind, found.why[1].kind) == (100, "law", "volume")
    raised = msgspec.structs.replace(
        layers(volume), demands=(Demand(source="z", level=90, begins=NOW, until=NOW + 9e4),)
    )
    assert target(raised, NOW + 4_000).level == 90


def test_until_when_a_lamp_is_lowered() -> None:
    def step(begin: int, end: int, level: float, index: int) -> Stretch:
        return Stretch(int(NOW) + begin, int(NOW) + end, level, (Reason("fixed", "p", index),))

    curve = (
        step(0, 4_000, 100, 0),
        step(4_000, 6_000, 80, 1),
        step(6_000, 6_500, 40, 2),
        step(6_500, 36_000, 50, 3),
    )
    some = Layers(curve=curve, volume=Volume("x", "M2", (QUIET,)))
    until = {at: target(some, NOW + at).lowered for at in (0, 3_700, 5_000, 6_200, 6_600)}
    # Over the step from 100 to 80 %, as the class is the same; not below it, where the program has no more.
    assert until == {0: 0, 3_700: NOW + 6_000, 5_000: NOW + 6_000, 6_200: 0, 6_600: 0}
    by_hand = Override(id="1", level=10, begins=NOW + 4_500, ends=NOW + 5_500)
    some = msgspec.structs.replace(some, overrides=(by_hand,))
    until = {at: target(some, NOW + at).lowered for at in (4_100, 5_000, 5_600)}
    assert until == {4_100: NOW + 4_500, 5_000: 0, 5_600: NOW + 6_000}
    # A ramp passes the class: what is planned falls below it, and rises above.
    ramp = (
        step(0, 3_600, 0, 0),
        *(step(3_600 + 10 * one, 3_610 + 10 * one, 10.0 * one, 1) for one in range(11)),
    )
    some = Layers(curve=ramp, volume=Volume("x", "M2", (QUIET,)))
    found = [(one.level, one.lowered > 0) for one in night(some)]
    assert found[-2:] == [(50, False), (50, True)]


def test_an_assumed_night() -> None:
    hourly = [50.0] * 6 + [800.0] * 16 + [400.0, 50.0]
    window = (1_796_126_400.0, 1_796_126_400.0 + 86_400)  # noon to noon UTC
    found = Volume("x", "M2", assumed(hourly, RULE, window, UTC))
    levels = {hour: found.at(window[0] + 3600 * (hour - 12) + 1)[0] for hour in range(12, 36)}
    # Told after the hour: quiet hours make less light from 23 h on, busy ones the full class from 7 h on.
    assert [hour % 24 for hour, level in levels.items() if level < 100] == [23, 0, 1, 2, 3, 4, 5, 6]
    assert (levels[23], levels[24]) == (67, 50)
    assert assumed([math.nan] * 24, RULE, window, UTC) == ()


def test_what_is_said_of_a_count() -> None:
    assert needed(Standing(1, NOW), count(300), RULE, NOW) == Needed(NOW, NOW + 5_400, 1, 300, 600)
    assert needed(Standing(), count(300, age=9_000), RULE, NOW) is None
