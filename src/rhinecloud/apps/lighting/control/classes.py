"""Lighting classes of EN 13201-2:2015, and the class that the traffic of an hour needs.

The values are those of tables 1 (M: luminance of the road), 2 (C) and 3 (P: horizontal illuminance), as minima that are
maintained over the life of an installation. P7 requires nothing that is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from .problems import Problem, refused

Unit = Literal["cd/m²", "lx"]


class LightingClass(msgspec.Struct, frozen=True, kw_only=True):
    """`required`: the maintained mean of luminance (M) or illuminance (C, P); `minimum`: the least illuminance (P);
    `overall` and `lengthwise`: uniformities; `glare`: the threshold increment f_TI in percent, at most; `edge`: the
    ratio of illuminance beside the road (R_EI), at least. None: not required."""

    name: str
    unit: Unit
    required: float | None
    minimum: float | None = None
    overall: float | None = None
    lengthwise: float | None = None
    glare: int | None = None
    edge: float | None = None

    @property
    def series(self) -> str:
        """M, C or P."""
        return self.name[0]

    @property
    def number(self) -> int:
        """The larger, the less light."""
        return int(self.name[1:])


def _m(
    number: int, required: float, overall: float, lengthwise: float, glare: int, edge: float
) -> LightingClass:
    return LightingClass(
        name=f"M{number}", unit="cd/m²", required=required, overall=overall, lengthwise=lengthwise,
        glare=glare, edge=edge,
    )  # fmt: skip


def _p(number: int, required: float | None, minimum: float | None) -> LightingClass:
    return LightingClass(name=f"P{number}", unit="lx", required=required, minimum=minimum)


CLASSES: Final[Mapping[str, LightingClass]] = {
    one.name: one
    for one in (
        _m(1, 2.0, 0.40, 0.70, 10, 0.35),
        _m(2, 1.5, 0.40, 0.70, 10, 0.35),
        _m(3, 1.0, 0.40, 0.60, 15, 0.30),
        _m(4, 0.75, 0.40, 0.60, 15, 0.30),
        _m(5, 0.50, 0.35, 0.40, 15, 0.30),
        _m(6, 0.30, 0.35, 0.40, 20, 0.30),
        *(
            LightingClass(name=f"C{number}", unit="lx", required=required, overall=0.40)
            for number, required in enumerate((50.0, 30.0, 20.0, 15.0, 10.0, 7.5))
        ),
        _p(1, 15.0, 3.0),
        _p(2, 10.0, 2.0),
        _p(3, 7.5, 1.5),
        _p(4, 5.0, 1.0),
        _p(5, 3.0, 0.6),
        _p(6, 2.0, 0.4),
        _p(7, None, None),
    )
}


class Adaptive(msgspec.Struct, frozen=True, kw_only=True):
    """How far the class may go down with the traffic of an hour, in one direction or both as the city counts.

    From `high` vehicles per hour on it is the designed class, below that one class less light, below `low` two (or
    `most`, if that is less). CEN/TR 13201-1:2014 speaks of shares of a road's capacity and leaves the values to each
    country; these are the city's.
    """

    high: float = 600.0
    low: float = 200.0
    most: Literal[0, 1, 2] = 2

    def shift(self, vehicles: float) -> int:
        """Classes down: 0, 1 or 2. What was not counted (NaN) shifts nothing."""
        down = 2 if vehicles < self.low else 1 if vehicles < self.high else 0
        return min(down, self.most)


def problems(adaptive: Adaptive) -> list[Problem]:
    """What is wrong with thresholds."""
    if 0 <= adaptive.low <= adaptive.high:
        return []
    return [
        refused(
            "low",
            "Die untere Schwelle liegt zwischen 0 und der oberen.",
            "The lower threshold lies between 0 and the higher one.",
        )
    ]


def shifted(name: str, down: int) -> str:
    """The class some steps down its series, at the last that requires a mean (M6, C5, P6). Raises KeyError for a name
    that is no class."""
    found = CLASSES[name]
    last = {"M": 6, "C": 5, "P": 6}[found.series]
    return f"{found.series}{max(found.number, min(last, found.number + down))}"


def adapted(installed: str, vehicles: float, adaptive: Adaptive) -> str:
    """The class that a road designed for `installed` needs in an hour with so many vehicles."""
    return shifted(installed, adaptive.shift(vehicles))


def level(needed: str, installed: str) -> float:
    """At which level an installation that just fulfils `installed` fulfils `needed` of the same series, in percent; at
    most 100. Light goes with the level; what it takes of power is another matter. Raises ValueError for two series,
    KeyError for a name that is no class."""
    want, have = CLASSES[needed], CLASSES[installed]
    if want.series != have.series:
        raise ValueError(f"{needed} and {installed} are of two series")
    if want.required is None or have.required is None:
        return 0.0 if want.required is None else 100.0
    return min(100.0, 100.0 * want.required / have.required)
