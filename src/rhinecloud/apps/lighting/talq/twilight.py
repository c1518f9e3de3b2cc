"""Programs of twilight for gateways that know sunset and sunrise only: the same program with offsets. Pure.

Twilight begins so many minutes after sunset, and that number changes slowly over the year. Rounded to minutes, a year
in Duisburg needs some thirty variants; each is off by half a minute at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import NamedTuple

import msgspec
import numpy as np

from ..control.programs import Astro, Program
from ..control.sun import Event, nights
from .translating import Span, Unspeakable


class Place(NamedTuple):
    """WGS 84 degrees."""

    lon: float
    lat: float


def varies(program: Program) -> bool:
    """Whether it speaks of twilight."""
    return any(_of_twilight(period) for period in program.periods)


def _of_twilight(period: object) -> bool:
    return isinstance(period, Astro) and period.event is not Event.SUNSET


def variants(program: Program, place: Place, horizon: Sequence[date]) -> tuple[list[Program], list[Span]]:
    """The variants of a program, with ids of their own, and which of them holds when. `horizon`: consecutive nights.

    Raises Unspeakable where there is no such twilight in one of them.
    """
    events = sorted(
        {period.event for period in program.periods if isinstance(period, Astro)} - {Event.SUNSET},
        key=lambda event: event.value,
    )
    offsets = {event: _offsets(event, place, horizon) for event in events}
    by_night = [tuple(offsets[event][index] for event in events) for index in range(len(horizon))]
    found: dict[tuple[tuple[int, int], ...], Program] = {}
    spans = []
    position = 0
    for key, group in groupby(by_night):
        length = len(list(group))
        variant = found.setdefault(key, _with(program, dict(zip(events, key, strict=True))))
        spans.append(Span(horizon[position], horizon[position + length - 1], variant.id))
        position += length
    return list(found.values()), spans


def _offsets(event: Event, place: Place, horizon: Sequence[date]) -> list[tuple[int, int]]:
    """Whole minutes from sunset to the event, and from sunrise to it, of each night."""
    sun = nights(place.lon, place.lat, horizon[0], len(horizon))
    dark = nights(place.lon, place.lat, horizon[0], len(horizon), event.elevation)
    minutes = [(after - before)[0] / 60.0 for before, after in zip(sun, dark, strict=True)]
    if not all(np.isfinite(one).all() for one in minutes):
        raise Unspeakable(f"there are nights without {event.value} twilight here: use sunset with an offset")
    return [(round(one), round(other)) for one, other in zip(*minutes, strict=True)]


def _with(program: Program, offsets: dict[Event, tuple[int, int]]) -> Program:
    periods = tuple(
        Astro(
            sunset_offset=period.sunset_offset + offsets[period.event][0],
            sunrise_offset=period.sunrise_offset + offsets[period.event][1],
        )
        if isinstance(period, Astro) and _of_twilight(period)
        else period
        for period in program.periods
    )
    mark = (
        ".".join(f"{one:+d}{other:+d}" for one, other in offsets.values()).replace("+", "p").replace("-", "m")
    )
    return msgspec.structs.replace(program, id=f"{program.id}~{mark}", periods=periods)
