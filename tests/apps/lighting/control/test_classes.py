"""Classes of EN 13201-2 and how far traffic lets them go down."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control.classes import CLASSES, Adaptive, adapted, level, problems, shifted

REQUIRED = [name for name, one in CLASSES.items() if one.required is not None]


def test_every_class_of_the_standard_is_there_and_needs_less_than_the_one_before() -> None:
    assert len(CLASSES) == 6 + 6 + 7
    for one, other in pairwise(CLASSES.values()):
        if one.series == other.series and one.required is not None and other.required is not None:
            assert one.required > other.required
    assert (CLASSES["M3"].required, CLASSES["M3"].unit) == (1.0, "cd/m²")
    assert (CLASSES["P4"].required, CLASSES["P4"].minimum, CLASSES["P4"].unit) == (5.0, 1.0, "lx")
    assert CLASSES["P7"].required is None


@pytest.mark.parametrize(
    ("vehicles", "name"),
    [(900, "M2"), (600, "M2"), (599, "M3"), (200, "M3"), (199, "M4"), (0, "M4"), (float("nan"), "M2")],
)
def test_the_class_goes_down_with_traffic(vehicles: float, name: str) -> None:
    assert adapted("M2", vehicles, Adaptive()) == name


def test_it_goes_no_further_than_the_city_lets_it_or_the_series_goes() -> None:
    assert adapted("M2", 0, Adaptive(most=1)) == "M3"
    assert [shifted(name, 2) for name in ("M5", "C4", "P6", "P7", "M6")] == ["M6", "C5", "P6", "P7", "M6"]
    with pytest.raises(KeyError):
        shifted("ME2", 1)


def test_thresholds_are_in_order() -> None:
    assert problems(Adaptive()) == []
    assert [one.path for one in problems(Adaptive(high=100, low=200))] == ["low"]


@given(st.sampled_from(REQUIRED), st.integers(0, 2))
def test_a_class_further_down_needs_a_lower_level(installed: str, down: int) -> None:
    needed = shifted(installed, down)
    assert 0 < level(needed, installed) <= 100
    assert (level(needed, installed) == 100) == (needed == installed)
    assert level(installed, needed) == 100


def test_levels_are_those_of_the_requirements() -> None:
    assert level("M4", "M2") == 50
    assert level("P7", "P4") == 0
    with pytest.raises(ValueError):
        level("M4", "C4")
