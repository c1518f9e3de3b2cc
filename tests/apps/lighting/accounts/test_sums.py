"""Days that are due, the chart, and what a month's entity says."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.accounts.chart import HEIGHT, chart
from rhinecloud.apps.lighting.accounts.counting import span
from rhinecloud.apps.lighting.accounts.reporting import document
from rhinecloud.apps.lighting.accounts.sums import LOOK, REACH, Sums, due, last_of

TODAY = date(2026, 3, 31)


@pytest.mark.parametrize("city_stood_for", [1, 4, 40])
def test_each_day_is_counted_and_counted_again_when_it_is_2_8_and_31_days_old(city_stood_for: int) -> None:
    counted: dict[date, date] = {}
    at: dict[date, list[int]] = {}
    for number in range(0, 120, city_stood_for):
        today = TODAY + timedelta(number)
        for day in list(due(today, counted)):
            counted[day] = today
            at.setdefault(day, []).append((today - day).days)
        assert not list(due(today, counted))  # once a day is enough
    watched = [ages for day, ages in at.items() if TODAY + timedelta(31) < day < TODAY + timedelta(60)]
    assert watched
    if city_stood_for == 1:
        assert all(ages == [1, 2, 8, 31] for ages in watched)
    assert all(1 <= age <= LOOK for ages in watched for age in ages)
    if city_stood_for <= LOOK - REACH:  # and so it is if the city stands still for a while
        assert all(ages[-1] >= REACH for ages in watched)


def test_a_day_is_as_long_as_the_citys_clock_has_it() -> None:
    zone = ZoneInfo("Europe/Berlin")
    lengths = {day: span(day, zone) for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 1))}
    assert [(end - begin) / timedelta(hours=1) for begin, end in lengths.values()] == [23, 25, 24]
    assert span(date(2026, 6, 1), zone)[0] == datetime(2026, 6, 1, tzinfo=zone)
    assert last_of(date(2026, 2, 1)) == date(2026, 2, 28) and last_of(date(2028, 2, 1)) == date(2028, 2, 29)


energies = st.floats(0, 1e9, allow_subnormal=False)


@given(st.lists(st.tuples(energies, energies, energies), max_size=31))
def test_bars_are_as_high_as_what_they_stand_for(energies: list[tuple[float, float, float]]) -> None:
    days = [TODAY + timedelta(number) for number in range(len(energies))]
    sums = {
        day: Sums(measured=measured, estimated=estimated, baseline=baseline)
        for day, (measured, estimated, baseline) in zip(days, energies, strict=True)
    }
    found = chart(days, sums)
    (bottom, zero), (top, most) = found.lines[0], found.lines[-1]
    assert (zero, bottom) == (0, found.bottom) and 0 <= top < bottom < HEIGHT
    assert 2 <= len(found.lines) <= 7
    for bar, (measured, estimated, baseline) in zip(found.bars, energies, strict=True):
        height = bar.measured[1] + bar.estimated[1]
        assert height == pytest.approx((measured + estimated) / 1e3 / most * (bottom - top), abs=0.05)
        assert top - 0.05 <= bar.estimated[0] <= bar.measured[0] <= bottom + 0.05
        assert (bar.baseline is None) == (baseline == 0)


def test_a_report_says_only_what_is_known() -> None:
    unknown = document("city", "", TODAY.replace(day=1), Sums(lamps=2, days=3, unknown_seconds=10.0))
    assert not {"energy", "cost", "co2", "energySaved", "burningHours"} & unknown.keys()
    assert unknown["timeUnknown"]["value"] == 1.0 and unknown["numberOfLamps"] == 2
    known = Sums(lamps=1, days=1, measured_seconds=10.0, measured=5_000.0, compared=5_000.0, baseline=8_000.0)
    told = document("district", "Alt-Hamborn / Süd", TODAY, changed(known, unpriced=1.0, co2=2.0))
    assert (told["energy"]["value"], told["energySaved"]["value"], told["co2"]["value"]) == (5.0, 3.0, 2.0)
    assert "cost" not in told and told["areaServed"] == "Alt-Hamborn / Süd"
    assert told["id"] == "urn:ngsi-ld:LightingEnergyReport:district:Alt-Hamborn%20%2F%20S%C3%BCd:2026-03"


def changed(sums: Sums, **other: float) -> Sums:
    return Sums(**{name: getattr(sums, name) for name in Sums.__struct_fields__} | other)
