"""What lamps used: against a naive reading second by second, and as a sum of parts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhinecloud.apps.lighting.accounts.energy import Terms, Told, Used, used
from rhinecloud.apps.lighting.evidence.power import Luminaire

LENGTH = 600  # seconds of a span: short, so that the naive reading is quick
TERMS = Terms(power_hold=60.0, level_hold=240.0, curve=Luminaire(rated=1.0))
FIELDS = Used.__struct_fields__


class Lamp(NamedTuple):
    rated: float
    power: list[tuple[int, float]]
    level: list[tuple[int, float]]
    dark: tuple[float, float]
    by_night: bool = False


def told(lamps: list[Lamp], name: str) -> Told:
    rows = [
        (number, at, value)
        for number, lamp in enumerate(lamps)
        for at, value in sorted(getattr(lamp, name), key=lambda one: one[0])
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Told(columns[:, 0].astype(np.int64), columns[:, 1], columns[:, 2])


def account(lamps: list[Lamp], begin: int = 0, end: int = LENGTH) -> Used:
    dark = np.array([lamp.dark for lamp in lamps], dtype=np.float64).reshape(-1, 2)
    return used(
        begin,
        end,
        np.array([lamp.rated for lamp in lamps]),
        np.array([lamp.by_night for lamp in lamps]),
        told(lamps, "power"),
        told(lamps, "level"),
        (dark[:, :1], dark[:, 1:]),
        TERMS,
    )


def naive(lamp: Lamp) -> dict[str, float]:
    """The definition, second by second."""
    found = dict.fromkeys(FIELDS, 0.0)
    for second in range(LENGTH):
        power = newest(lamp.power, second, TERMS.power_hold)
        level = newest(lamp.level, second, TERMS.level_hold)
        rated = None if math.isnan(lamp.rated) else lamp.rated
        dark = lamp.dark[0] <= second < lamp.dark[1]
        cut = power is None and lamp.by_night and not dark
        if power is not None:
            found["measured_seconds"] += 1
            found["measured"] += max(power, 0.0) / 3600
        elif cut:
            found["estimated_seconds"] += 1
        elif level is not None and rated is not None:
            found["estimated_seconds"] += 1
            lit = rated * (0.05 + 0.95 * level / 100) if level > 0 else 0.0
            found["estimated"] += (lit + 0.5) / 3600
        else:
            found["unknown_seconds"] += 1
        known = power is not None or cut or (level is not None and rated is not None)
        if level is not None and not cut:
            found["burning_seconds"] += level > 0
        elif power is not None:
            found["burning_seconds"] += power > (2.0 if rated is None else rated * 0.025 + 0.5)
        if rated is not None and known and dark:
            found["baseline"] += rated / 3600
    if math.isnan(lamp.rated):
        found["baseline"] = math.nan
    return found


def newest(told: list[tuple[int, float]], second: int, hold: float) -> float | None:
    before = [one for one in told if one[0] <= second]
    if not before:
        return None
    last = max(at for at, _ in before)
    return [value for at, value in before if at == last][-1] if second < last + hold else None


times = st.integers(-300, LENGTH + 100)
lamp = st.builds(
    Lamp,
    st.sampled_from([60.0, 100.0, math.nan]),
    st.lists(st.tuples(times, st.sampled_from([-1.0, 0.0, 0.5, 3.0, 62.0])), max_size=12),
    st.lists(st.tuples(times, st.sampled_from([0.0, 10.0, 100.0])), max_size=6),
    st.tuples(times, times)
    .map(lambda two: (float(min(two)), float(max(two))))
    .filter(lambda two: two[0] <= LENGTH)
    | st.just((math.nan, math.nan))
    | st.just((-math.inf, math.inf)),
    st.booleans(),
)


@settings(max_examples=150)
@given(st.lists(lamp, min_size=1, max_size=4))
def test_it_is_what_the_definition_says_second_by_second(lamps: list[Lamp]) -> None:
    found = account(lamps)
    for number, one in enumerate(lamps):
        expected = naive(one)
        for name in FIELDS:
            assert getattr(found, name)[number] == pytest.approx(expected[name], nan_ok=True), name


@settings(max_examples=150)
@given(st.lists(lamp, min_size=1, max_size=5), st.integers(1, LENGTH - 1))
def test_the_parts_make_the_whole(lamps: list[Lamp], cut: int) -> None:
    """Of time: measured, estimated and unknown are all of it, and a span is the sum of its parts. Of lamps: a sum of
    lamps is what each is by itself."""
    whole = account(lamps)
    shares = whole.measured_seconds + whole.estimated_seconds + whole.unknown_seconds
    np.testing.assert_allclose(shares, LENGTH)
    first, second = account(lamps, 0, cut), account(lamps, cut, LENGTH)
    for name in FIELDS:
        np.testing.assert_allclose(
            getattr(whole, name), getattr(first, name) + getattr(second, name), atol=1e-9
        )
        alone = [getattr(account([one]), name)[0] for one in lamps]
        np.testing.assert_allclose(getattr(whole, name), alone, atol=1e-9)


def test_nothing_told_is_nothing_known() -> None:
    found = account([Lamp(60.0, [], [], (0.0, 600.0))])
    assert found.unknown_seconds[0] == LENGTH
    assert found.measured[0] == found.estimated[0] == found.baseline[0] == found.burning_seconds[0] == 0.0


def test_a_lamp_whose_feeder_is_off_by_day_does_not_burn_on_after_its_last_word() -> None:
    told = Lamp(60.0, [], [(0, 100.0)], (0.0, 100.0), True)
    found = account([told, told._replace(by_night=False)])
    assert found.burning_seconds.tolist() == [100, 240] and found.estimated_seconds.tolist() == [600, 240]
    assert found.estimated[0] == pytest.approx(60.5 * 100 / 3600)


def test_a_gap_between_measurements_is_filled_by_the_level_and_said_to_be_an_estimate() -> None:
    found = account([Lamp(60.0, [(0, 62.0), (300, 62.0)], [(0, 100.0), (240, 100.0)], (0.0, 600.0))])
    assert (found.measured_seconds[0], found.estimated_seconds[0]) == (120, 360)
    assert found.unknown_seconds[0] == 120  # from 480 on, when the level is too old
    assert found.estimated[0] == pytest.approx(60.5 * 360 / 3600)
    assert found.baseline[0] == pytest.approx(60.0 * 480 / 3600)
