"""The demo's night as a program of the city's lighting, read by the app that has to run it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from rhinecloud.apps.lighting.control.curve import curve
from rhinecloud.apps.lighting.control.programs import Program, Step, problems
from rhinecloud.apps.lighting.control.sun import sky
from rhinecloud.demo.clock import Clock, elevation
from rhinecloud.demo.night import DUSK, FASTEST, main_street, side_street, steps

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 21, 9, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("speed", [1.0, 12.0, 60.0, FASTEST])
def test_lamps_that_follow_the_program_follow_the_demos_sun(speed: float) -> None:
    clock = Clock.from_dusk(NOW, speed)
    found = steps(clock, NOW, main_street)
    program = Program(id="demo", name=("Demo", "Demo"), fixed=tuple(Step(one.at, one.level) for one in found))
    assert not [one for one in problems(program) if one.severity == "refuse"]
    drawn = [
        stretch
        for day in (20, 21, 22)
        for stretch in curve(program, date(2026, 6, day), sky(6.76, 51.43, date(2026, 6, day)), ZONE)
    ]
    wrong = 0
    for minute in range(24 * 60 - 1):
        at = NOW + 60 * minute + 30
        (level,) = {one.level for one in drawn if one.begin <= at < one.end}
        wrong += (level > 0) != (elevation(clock.now(at)) < DUSK)
    assert wrong == 0
    assert {one.level for one in found} >= {0, 70, 60, 50}


def test_side_streets_have_less_light_at_every_hour() -> None:
    for hour in range(24):
        assert 0 < side_street(hour) < main_street(hour) < 100


def test_the_demos_night_begins_at_once() -> None:
    """Whoever starts it at noon sees lamps."""
    found = steps(Clock.from_dusk(NOW), NOW, main_street)
    before = [one for one in found if "03:00" < one.at <= "11:30"]
    assert max(before, key=lambda one: one.at).level == 70
