"""Counts of traffic as the graph has them (TrafficFlowObserved), and whose lamps they are for. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from rhinecloud.model import CORE

from ..cadastre.lamps import Lamp, plain
from ..control.citywide import Place
from ..control.volume import Count
from .groups import Group, selects

TYPE: Final = "TrafficFlowObserved"
INTENSITY: Final = CORE.expand_term("intensity")
_FROM: Final = CORE.expand_term("dateObservedFrom")
_TO: Final = CORE.expand_term("dateObservedTo")
_OBSERVED: Final = CORE.expand_term("dateObserved")
HOURS: Final = 24


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """An entity that counts for the lamps of a street or of a group; several of one place are added up. `minutes`: what
    a count covers where the entity does not say."""

    number: int = 0
    what: Literal["street", "group"]
    subject: str
    entity: str
    minutes: int | None = None

    @property
    def place(self) -> str:
        """What the counters of the same lamps have in common."""
        return self.subject if self.what == "street" else f"#{self.subject}"


def count_of(attributes: Mapping[str, Any], minutes: int | None) -> Count | None:
    """The count of an entity in vehicles an hour; None if it has none, or does not say of which time."""
    intensity = plain(attributes.get(INTENSITY))
    if isinstance(intensity, bool) or not isinstance(intensity, int | float) or not math.isfinite(intensity):
        return None
    span = _span(attributes, minutes)
    if span is None or span[0] >= span[1]:
        return None
    return Count(intensity * 3600 / (span[1] - span[0]), *span)


def added(counts: Sequence[Count | None]) -> Count | None:
    """The counts of one place together: as old as the oldest, and none if one is missing."""
    known = [one for one in counts if one is not None]
    if not known or len(known) < len(counts):
        return None
    vehicles = math.fsum(one.vehicles for one in known)
    return Count(vehicles, min(one.begins for one in known), min(one.ends for one in known))


def _span(attributes: Mapping[str, Any], minutes: int | None) -> tuple[float, float] | None:
    begin, end = (_moment(plain(attributes.get(name))) for name in (_FROM, _TO))
    if begin is not None and end is not None:
        return begin, end
    observed = plain(attributes.get(_OBSERVED))
    if isinstance(observed, str) and "/" in observed:
        begin, end = (_moment(part) for part in observed.split("/", 1))
        return None if begin is None or end is None else (begin, end)
    instance: Mapping[str, Any] = next(iter(attributes.get(INTENSITY, ())), {})
    end = end or _moment(instance.get("observedAt")) or _moment(observed)
    return None if end is None or minutes is None else (end - 60 * minutes, end)


def _moment(value: Any) -> float | None:
    if isinstance(value, dict):
        value = value.get("@value")
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.timestamp()


def placing(
    counters: Iterable[Counter], groups: Iterable[Group], sensed: Collection[str] = ()
) -> Callable[[Lamp], Place | None]:
    """What a class by volume asks of each lamp; None for those that no count reaches: the schedule of a multicast group
    is nights that are on the lamp, and `sensed` ones follow sensors of their gateway. A street goes before groups, of
    which the first counts."""
    listed = list(counters)
    streets = {one.subject.casefold(): one.place for one in listed if one.what == "street"}
    counted = {one.subject: one.place for one in listed if one.what == "group"}
    inside = [(counted[group.id], selects(group.selection)) for group in groups if group.id in counted]

    def place(lamp: Lamp) -> Place | None:
        if lamp.multicast is not None or lamp.id in sensed:
            return None
        found = streets.get(lamp.street.casefold()) if lamp.street else None
        if found is None:
            found = next((name for name, is_in in inside if is_in(lamp)), "")
        return Place(found, lamp.installed_class or "", lamp.gateway is not None)

    return place


def typical(said: Iterable[tuple[int, float]]) -> list[float]:
    """The mean of each hour of the clock, of (hour, vehicles an hour); NaN where nothing was counted."""
    sums = [[0.0, 0] for _ in range(HOURS)]
    for hour, vehicles in said:
        sums[hour][0] += vehicles
        sums[hour][1] += 1
    return [total / number if number else math.nan for total, number in sums]


def hours(text: str) -> list[float] | None:
    """Vehicles of each hour of the clock: one number for all of them, or 24 from midnight on (`?`, NaN, for one that is
    not counted). None if it is neither."""
    try:
        found = [
            math.nan if part == "?" else float(part.replace(",", "."))
            for part in text.replace(";", " ").split()
        ]
    except ValueError:
        return None
    if len(found) not in (1, HOURS) or any(one < 0 or one > 100_000 for one in found):
        return None
    return found * HOURS if len(found) == 1 else found
