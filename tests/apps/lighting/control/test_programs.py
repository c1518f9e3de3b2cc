"""Programs: their JSON form, the night's clock, and what is wrong with bad ones."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control import programs
from rhinecloud.apps.lighting.control.programs import (
    Absolute,
    Astro,
    AstroStep,
    Dynamic,
    Program,
    Sensor,
    Step,
)
from rhinecloud.apps.lighting.control.sun import Event

from . import generated

GOOD = Program(id="p", name=("Programm", "program"), periods=(Astro(),), fixed=(Step("18:00", 100),))


@given(generated.a_program)
def test_what_is_printed_is_parsed_again(program: Program) -> None:
    assert programs.parse(programs.printed(program)) == program


@given(st.integers(0, 1439))
def test_minutes_count_from_noon(minutes: int) -> None:
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}"
    assert (programs.since_noon(clock) + 720) % 1440 == minutes


@given(generated.clocks, generated.clocks)
def test_a_period_has_its_length_and_stays_within_the_night(start: str, end: str) -> None:
    found = programs.spans(start, end)
    assert all(0 <= begin < finish <= programs.DAY for begin, finish in found)
    length = (programs.since_noon(end) - programs.since_noon(start)) % programs.DAY or programs.DAY
    assert sum(finish - begin for begin, finish in found) == length


@given(st.sampled_from(["set", "max", "min", "add"]), st.floats(0, 100), generated.levels)
def test_operations_stay_within_the_scale(operation: programs.Operation, base: float, level: int) -> None:
    found = programs.operated(operation, base, level)
    assert 0 <= found <= 100
    assert {"set": found == level, "max": found >= max(base, level), "min": found <= min(base, level),
            "add": found >= base}[operation]  # fmt: skip


def test_a_good_program_has_no_problems() -> None:
    assert programs.problems(GOOD) == []


@pytest.mark.parametrize(
    ("change", "severity", "path"),
    [
        ({"id": ""}, "refuse", "id"),
        ({"name": ("Nur deutsch", " ")}, "refuse", "name"),
        ({"fixed": ()}, "refuse", "fixed"),
        ({"fixed": (Step("18:00", 101),)}, "refuse", "fixed[0].level"),
        ({"fixed": (Step("18:00", -1),)}, "refuse", "fixed[0].level"),
        ({"fixed": (Step("24:00", 10),)}, "refuse", "fixed[0].at"),
        ({"fixed": (Step("18:00", 10, -1.0),)}, "refuse", "fixed[0].ramp"),
        ({"fixed": (Step("22:00", 10), Step("22:00", 20))}, "refuse", "fixed[1].at"),
        ({"fixed": (Step("01:00", 10), Step("22:00", 20))}, "refuse", "fixed[1].at"),
        ({"periods": (Absolute("20:00", "02:00"), Absolute("01:00", "06:00"))}, "refuse", "periods[1]"),
        ({"periods": (Absolute("18:00", "18:00"), Absolute("01:00", "06:00"))}, "refuse", "periods[1]"),
        ({"periods": (Absolute("18:00", "25:00"),)}, "refuse", "periods[0].end"),
        ({"periods": (Astro(sunset_offset=721),)}, "refuse", "periods[0].sunset_offset"),
        ({"periods": (Astro(event=Event.CIVIL),)}, "warn", "periods[0].event"),
        ({"periods": (Sensor(on_level=40, off_level=20),)}, "refuse", "periods[0].off_level"),
        ({"periods": (Sensor(sensor=("a", "b", "c"), on_level=1, off_level=0),)}, "refuse", "periods[0].sensor"),
        ({"astro": (AstroStep(event="sunset", level=500),)}, "refuse", "astro[0].level"),
        ({"astro": (AstroStep(event="sunset", level=5), AstroStep(event="sunset", level=6))}, "refuse",
         "astro[1].offset"),
        ({"dynamic": (Dynamic(hold=-1),)}, "refuse", "dynamic[0].hold"),
        ({"dynamic": (Dynamic(start="22:00"),)}, "refuse", "dynamic[0]"),
        ({"dynamic": (Dynamic(operation="min", level=0),)}, "confirm", "dynamic[0].level"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: dict[str, Any], severity: str, path: str) -> None:
    (problem,) = programs.problems(msgspec.structs.replace(GOOD, **change))
    assert (problem.severity, problem.path) == (severity, path)
    assert all(problem.text)


def test_periods_that_touch_do_not_overlap_and_a_photocell_has_one_and_nought() -> None:
    periods = (Absolute("18:00", "23:00"), Absolute("23:00", "06:00"), Sensor(on_level=1, off_level=0))
    assert programs.problems(msgspec.structs.replace(GOOD, periods=periods)) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"id":"p","name":["a","b"]}',
        '{"id":"p","name":["a","b"],"fixed":[{"at":"25:00","level":1}]}',
        '{"id":"p","name":["a","b"],"fixed":[],"periods":[{"kind":"lunar"}]}',
        '{"id":"p","name":["a","b"],"fixed":[],"astro":[{"event":"noon","level":1}]}',
        '{"id":"p","name":["a","b"],"fixed":[],"fixd":[]}',
        '{"id":"p","name":["a","b"],"fixed":[{"at":"18:00","level":1,"color":"red"}]}',
        "[]",
    ],
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        programs.parse(text)
