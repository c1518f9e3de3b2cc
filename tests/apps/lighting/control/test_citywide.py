"""A whole city's targets are those of each lamp."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np

from rhinecloud.apps.lighting.control import sun
from rhinecloud.apps.lighting.control.calendars import Calendar, Holidays, Rule, holidays_of
from rhinecloud.apps.lighting.control.citywide import CELL, CityTargets, Lamps, Plans, city_targets
from rhinecloud.apps.lighting.control.curve import curve
from rhinecloud.apps.lighting.control.programs import Astro, Program, Step
from rhinecloud.apps.lighting.control.rules import DEFAULTS, floors
from rhinecloud.apps.lighting.control.targets import Demand, Layers, Override, target

from .generated import BERLIN, DUISBURG, Facts

NAME = ("Name", "name")
NOW = datetime(2026, 12, 24, 23, 30, tzinfo=BERLIN).timestamp()
NIGHT = date(2026, 12, 24)
WORKDAY = Program(id="w", name=NAME, periods=(Astro(),), fixed=(Step("16:00", 100), Step("23:00", 40)))
HOLIDAY = Program(id="h", name=NAME, periods=(Astro(),), fixed=(Step("16:00", 90),))
CALENDARS = (
    Calendar(id="eve", name=NAME, rules=(Rule(program="h", when=Holidays(eve=True)),), default="w"),
    Calendar(id="work", name=NAME, default="w"),
    Calendar(id="empty", name=NAME),
    Calendar(id="lost", name=NAME, default="gone"),
)
PLANS = Plans(
    calendars=CALENDARS,
    programs={"w": WORKDAY, "h": HOLIDAY},
    floors=((), floors(Facts("crossing"), DEFAULTS)),
    overrides=((), (Override(id="o", level=5, begins=NOW - 60, ends=NOW + 60),)),
    holidays=holidays_of([2026]),
)


def lamps(rows: list[tuple[int, int, int]], spread: float = 0.0) -> Lamps:
    columns = np.array(rows, np.int64).reshape(-1, 3)
    shift = np.linspace(0, spread, len(columns))
    return Lamps(
        longitude=DUISBURG[0] + shift, latitude=DUISBURG[1] + shift, calendar=columns[:, 0], floors=columns[:, 1],
        overrides=columns[:, 2],
    )  # fmt: skip


def kinds(found: CityTargets, row: int) -> list[str]:
    return [one.kind for one in found.reasons[found.why[row]]]


def test_each_lamp_has_its_own() -> None:
    rows = [(0, 0, 0), (1, 0, 0), (2, 0, 0), (-1, 0, 0), (3, 0, 0), (1, 1, 0), (1, 0, 1), (1, 0, 0)]
    demand = Demand(source="z", level=70, begins=NOW, until=NOW + 20)
    found = city_targets(lamps(rows), PLANS, NOW, BERLIN, {7: (demand,)})
    assert found.level.tolist() == [90, 40, 0, 0, 0, 100, 5, 70]
    assert kinds(found, 0) == ["fixed", "calendar"]
    assert kinds(found, 2) == ["no_program", "calendar"]
    assert kinds(found, 3) == ["no_program"]
    assert kinds(found, 5) == ["law", "fixed", "calendar"]
    assert kinds(found, 6) == ["override", "fixed", "calendar"]
    assert kinds(found, 7) == ["demand", "fixed", "calendar"]
    assert found.until[6] == NOW + 60 and found.until[7] == NOW + 20
    assert found.reasons[found.why[0]][1].index == 0 and found.reasons[found.why[1]][1].index is None


def test_sharing_the_sun_of_a_cell_costs_less_than_ten_seconds() -> None:
    columns = lamps([(1, 0, 0)] * 400, spread=0.2)
    for night in (date(2026, 6, 21), date(2026, 9, 23), NIGHT):
        dusk = datetime(night.year, night.month, night.day, 23, 15, tzinfo=BERLIN).timestamp()
        found = city_targets(columns, PLANS, dusk, BERLIN)
        set_at, rise_at = sun.nights(columns.longitude, columns.latitude, night, 1)
        stretches = np.column_stack((found.since, found.until))
        assert (stretches[:, 0] == stretches[0, 0]).all()  # 23:00, by the clock
        assert np.abs(found.until - rise_at[:, 0]).max() < 10.0
        early = city_targets(columns, PLANS, float(set_at.max()) + 60, BERLIN)
        if night != date(2026, 6, 21):  # at midsummer the sun sets after the first step
            assert np.abs(early.since - set_at[:, 0]).max() < 10.0


def test_it_is_what_one_lamp_would_be_told() -> None:
    generator = np.random.default_rng(3)
    rows = np.column_stack(
        (generator.integers(-1, 2, 300), generator.integers(0, 2, 300), generator.integers(0, 2, 300))
    )
    columns = lamps([tuple(row) for row in rows.tolist()], spread=0.1)
    found = city_targets(columns, PLANS, NOW, BERLIN)
    for row in range(0, 300, 7):
        calendar, floor, override = rows[row]
        if calendar < 0:
            continue
        middle = [(np.floor(one[row] / CELL) + 0.5) * CELL for one in (columns.longitude, columns.latitude)]
        sky = sun.sky(*middle, NIGHT)
        layers = Layers(
            curve=curve((HOLIDAY, WORKDAY)[calendar], NIGHT, sky, BERLIN), dark=sky[sun.Event.CIVIL],
            floors=PLANS.floors[floor], overrides=PLANS.overrides[override],
        )  # fmt: skip
        one = target(layers, NOW)
        assert found.level[row] == one.level
        assert abs(found.since[row] - one.since) <= 1 and abs(found.until[row] - one.until) <= 1
        assert found.reasons[found.why[row]][:-1] == one.why


def test_no_lamps_have_no_targets() -> None:
    assert city_targets(lamps([]), PLANS, NOW, BERLIN).level.shape == (0,)
