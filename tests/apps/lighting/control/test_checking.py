"""A plan for many lamps against the rules of the city."""

from __future__ import annotations

from datetime import date

from rhinecloud.apps.lighting.control.checking import objections
from rhinecloud.apps.lighting.control.programs import Absolute, Astro, Program, Step
from rhinecloud.apps.lighting.control.rules import DEFAULTS

from .generated import BERLIN, DUISBURG, Facts

NAME = ("Programm", "program")
LAMPS = [
    *[Facts("road")] * 30,
    *[Facts("parking")] * 3,
    *[Facts("road", sign_394=True)] * 20,
    *[Facts("crossing")] * 2,
]


def test_each_rule_objects_once_and_counts_its_lamps() -> None:
    whole = Program(id="whole", name=NAME, periods=(Astro(),), fixed=(Step("16:00", 100),))
    part = Program(id="part", name=NAME, periods=(Astro(),), fixed=(Step("16:00", 100), Step("01:00", 0)))
    found = objections([whole, part], LAMPS, DEFAULTS, DUISBURG, 2026, BERLIN)
    told = {(one.program, one.problem.path, one.lamps, one.night) for one in found}
    assert told == {
        ("part", "sign-394", 33, date(2026, 1, 1)),
        ("part", "crossing", 2, date(2026, 1, 1)),
    }
    assert objections([part], [Facts("road", sign_394=True)], DEFAULTS, DUISBURG, 2026, BERLIN) == []


def test_what_only_the_longest_nights_show_is_found() -> None:
    summery = Program(id="s", name=NAME, periods=(Absolute("17:30", "07:30"),), fixed=(Step("12:00", 100),))
    (one,) = objections([summery], [Facts("crossing")], DEFAULTS, DUISBURG, 2026, BERLIN)
    assert one.problem.path == "crossing" and one.night.month in (1, 12)
    midsummer = Program(id="m", name=NAME, periods=(Absolute("15:00", "09:00"),), fixed=(Step("12:00", 100),))
    assert objections([midsummer], LAMPS, DEFAULTS, DUISBURG, 2026, BERLIN) == []
