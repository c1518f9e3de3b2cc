"""What the city calls a fault: how far, how long, how often. Editable rows; these are the values to begin with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec

from .kinds import Kind

Minutes = Annotated[float, msgspec.Meta(ge=0, le=10_080)]
Reports = Annotated[int, msgspec.Meta(ge=1, le=100)]


class Hold(msgspec.Struct, frozen=True):
    """How long something must be so, and in how many reports that follow each other, until it is a fault (`begin`) and
    until it is over (`end`). What a report says nothing of counts neither way."""

    begin_minutes: Minutes = 10.0
    begin_reports: Reports = 2
    end_minutes: Minutes = 5.0
    end_reports: Reports = 2


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """W, °C, percent of full light, degrees, minutes, hours of burning.

    `constant_light`: whether drivers of the city raise the power with age, from `new_share` of the rated power to all
    of it at `aged_hours` of burning; `unknown` accepts what either kind of driver takes. `on_demand`: whoever
    passes raises the light, so that more than is planned is no fault.
    """

    standby_power: Annotated[float, msgspec.Meta(ge=0, le=50)] = 3.0
    day_elevation: Annotated[float, msgspec.Meta(ge=-6, le=60)] = 3.0
    cycles: Annotated[int, msgspec.Meta(ge=2, le=8)] = 4
    cycle_minutes: Minutes = 60.0
    settle_minutes: Minutes = 5.0
    dimming_tolerance: Annotated[float, msgspec.Meta(ge=1, le=100)] = 10.0
    on_demand: bool = False
    power_tolerance: Annotated[float, msgspec.Meta(ge=1, le=100)] = 15.0
    fixed_share: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.05
    constant_light: Literal["unknown", "all", "none"] = "unknown"
    new_share: Annotated[float, msgspec.Meta(ge=0.3, le=1)] = 0.8
    aged_hours: Annotated[float, msgspec.Meta(ge=1_000, le=500_000)] = 100_000.0
    hours_a_year: Annotated[float, msgspec.Meta(ge=100, le=8_766)] = 4_000.0
    hot: Annotated[float, msgspec.Meta(ge=40, le=200)] = 85.0
    cool: Annotated[float, msgspec.Meta(ge=20, le=200)] = 80.0
    silence_minutes: Annotated[float, msgspec.Meta(ge=1, le=10_080)] = 45.0
    gather_minutes: Minutes = 7.0
    settle_after_supply_minutes: Minutes = 20.0
    feeder_share: Annotated[float, msgspec.Meta(ge=50, le=100)] = 80.0
    fewest_lamps: Annotated[int, msgspec.Meta(ge=2, le=1_000)] = 3
    contradicted_minutes: Minutes = 30.0
    holds: Mapping[Kind, Hold] = {}

    def hold(self, kind: Kind) -> Hold:
        """That of a kind, as set or as usual."""
        return self.holds.get(kind, USUAL.get(kind, Hold()))

    def problems(self) -> Iterator[str]:
        """What cannot be meant."""
        if self.cool >= self.hot:
            yield "cool has to be below hot"


USUAL: Final[Mapping[Kind, Hold]] = MappingProxyType(
    {
        Kind.DAY_BURNER: Hold(30, 3, 5, 1),
        Kind.CYCLING: Hold(0, 1, 180, 3),
        Kind.DARK: Hold(8, 2, 3, 2),
        Kind.DIMMING: Hold(15, 3, 5, 2),
        Kind.POWER: Hold(30, 4, 15, 3),
        Kind.TEMPERATURE: Hold(5, 2, 5, 2),
        Kind.SILENCE: Hold(0, 1, 0, 1),
        Kind.NONSENSE: Hold(10, 3, 30, 3),
    }
)


def parsed(body: bytes | str) -> Thresholds:
    """Raises ValueError, which names the field."""
    found = msgspec.json.decode(body, type=Thresholds)
    for problem in found.problems():
        raise ValueError(problem)
    return found
