"""What a lamp should be doing at an instant, and why.

From the top: an override that has not ended; the floors of the city's rules; light on demand; the class that the
traffic needs, where the program says so; the program that the calendar chose; off. What lies above decides, and the why
names what lies below it too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from .curve import Stretch, at
from .programs import Operation, operated
from .reasons import Reason, Why
from .rules import Floor
from .sun import Dark
from .volume import Volume


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A level by hand, from `begins` until before `ends` (seconds since 1970). Of several the one begun last counts."""

    id: str
    level: float
    begins: float
    ends: float
    reason: str = ""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Light that somebody on the way needs, from `begins` until before `until`; `source` names the sensor's zone, never
    the traveller."""

    source: str
    level: float
    begins: float
    until: float
    operation: Operation = "max"


class Target(msgspec.Struct, frozen=True):
    """`level` in percent, from `since` until before `until` (seconds since 1970, within the night at most). `lowered`:
    until when counted traffic holds it at this level, which is below what is planned; 0 if it does not."""

    level: float
    since: float
    until: float
    why: Why
    lowered: float = 0.0


class Layers(msgspec.Struct, frozen=True, kw_only=True):
    """What lies over each other for one lamp in one night. `chosen`: by which calendar and rule; `dark`: between the
    ends of civil twilight; `volume` where the program has a class by volume."""

    curve: tuple[Stretch, ...]
    chosen: Why = ()
    dark: Dark = Dark(float("nan"), float("nan"))
    volume: Volume | None = None
    floors: tuple[Floor, ...] = ()
    demands: tuple[Demand, ...] = ()
    overrides: tuple[Override, ...] = ()


def target(layers: Layers, instant: float) -> Target:
    """What the lamp should be doing. Raises ValueError for an instant outside of the curve's night."""
    stretch = at(layers.curve, instant)
    if not (layers.volume or layers.floors or layers.demands or layers.overrides):
        return Target(stretch.level, stretch.begin, stretch.end, stretch.why + layers.chosen)
    edges = _edges(layers)
    here = bisect_right(edges, instant) - 1
    decided = _decided(layers, edges[here])
    first, last = here, here + 1
    while first > 0 and _decided(layers, edges[first - 1]) == decided:
        first -= 1
    while last < len(edges) - 1 and _decided(layers, edges[last]) == decided:
        last += 1
    level, why, is_lowered = decided
    lowered = _lowered(layers, edges, last, level) if is_lowered else 0.0
    return Target(level, edges[first], edges[last], why + layers.chosen, lowered)


def _lowered(layers: Layers, edges: Sequence[float], last: int, level: float) -> float:
    """On over what makes no other light: another step of the program above the same class."""
    while last < len(edges) - 1 and _decided(layers, edges[last])[::2] == (level, True):
        last += 1
    return edges[last]


def night(layers: Layers) -> list[Target]:
    """The whole night of a lamp: targets that follow each other (what a preview draws)."""
    found, instant = [], float(layers.curve[0].begin)
    while instant < layers.curve[-1].end:
        found.append(target(layers, instant))
        instant = found[-1].until
    return found


def _edges(layers: Layers) -> list[float]:
    """Every instant of the night at which anything may change, its begin and its end."""
    begin, end = layers.curve[0].begin, layers.curve[-1].end
    found: set[float] = {begin, end, *(stretch.begin for stretch in layers.curve)}
    if layers.volume is not None:
        for needed in layers.volume.needed:
            found.update((needed.begins, needed.until))
    for floor in layers.floors:
        found.update(floor.holds(layers.dark) or ())
    for demand in layers.demands:
        found.update((demand.begins, demand.until))
    for override in layers.overrides:
        found.update((override.begins, override.ends))
    return sorted(edge for edge in found if begin <= edge <= end)


def _decided(layers: Layers, instant: float) -> tuple[float, Why, bool]:
    """Level, why, and whether counted traffic makes it less than what is planned."""
    stretch = at(layers.curve, instant)
    level, why = stretch.level, stretch.why
    if layers.volume is not None and level > 0:
        most, reason = layers.volume.at(instant)
        level, why = min(level, most), (reason, *why)
    for demand in layers.demands:
        if demand.begins <= instant < demand.until:
            raised = operated(demand.operation, level, demand.level)
            if raised != level:
                level, why = raised, (Reason("demand", demand.source), *why)
    for floor in layers.floors:
        span = floor.holds(layers.dark)
        if span is not None and span[0] <= instant < span[1] and level < floor.level:
            level, why = floor.level, (Reason("law", floor.rule), *why)
    in_force = [one for one in layers.overrides if one.begins <= instant < one.ends]
    if in_force:
        last = max(in_force, key=lambda override: override.begins)
        return last.level, (Reason("override", last.id), *why), False
    return level, why, layers.volume is not None and level < stretch.level
