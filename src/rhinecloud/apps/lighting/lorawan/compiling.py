"""From the plan that is applied to the schedule of a group of lamps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta, tzinfo
from typing import Final

from rhinecloud.app import Text

from ..cadastre.lamps import Lamp
from ..control.clocks import bounds, night_of
from ..control.reasons import Reason
from ..control.rules import Floor, floors
from ..control.sun import Event, sky
from ..control.targets import Layers, Override, night
from ..planning.judging import Site, curve_of
from ..planning.plan import Plan, assigned
from .frames import fits
from .schedule import DAY, Night, Schedule, Step

NIGHTS: Final = 14
_FEWEST: Final = 2


class Impossible(Exception):
    """These lamps cannot have one schedule: why, German and English."""

    def __init__(self, german: str, english: str) -> None:
        self.text: Text = (german, english)
        super().__init__(english)


def schedule_of(
    plan: Plan,
    lamps: Sequence[Lamp],
    instant: float,
    zone: tzinfo,
    overrides: Mapping[str, Sequence[Override]] | None = None,
) -> tuple[Schedule, bytes, str]:
    """The schedule of these lamps from the night of an instant (seconds since 1970) on, its bytes, and the calendar.

    All have one, as they hear the same frames: that of the calendar that each of them has, at the middle of their
    places, never below what the rules ask of any of them. Of overrides those count that all of them have. As many
    nights as fit into the frames, up to NIGHTS. Raises Impossible.
    """
    calendar_id = _calendar(plan, lamps)
    calendar = next(one for one in plan.calendars if one.id == calendar_id)
    programs = {one.id: one for one in plan.programs}
    site = Site(sum(one.lon for one in lamps) / len(lamps), sum(one.lat for one in lamps) / len(lamps))
    asked: list[Floor] = sorted({floor for lamp in lamps for floor in floors(lamp, plan.rules)}, key=_height)
    shared = _shared(lamps, overrides or {})
    first = night_of(instant, zone)
    edges: list[tuple[int, int]] = []
    for number in range(NIGHTS + 1):  # the nights of the schedule do not move with the change of the hour
        evening = first + timedelta(number)
        drawn, choice = curve_of(programs, calendar, site, evening, zone)
        layers = Layers(
            curve=drawn,
            chosen=(Reason("calendar", calendar.id, choice.rule),),
            dark=sky(site.lon, site.lat, evening)[Event.CIVIL],
            floors=tuple(asked),
            overrides=shared,
        )
        edges += [(round(one.since / 60), round(one.level)) for one in night(layers)]
    start = bounds(first, zone)[0] // 60
    for number in range(NIGHTS, _FEWEST - 1, -1):
        found = Schedule(start, tuple(_nights(edges, start, number)))
        if (body := fits(found)) is not None:
            return found, body, calendar.id
    raise Impossible(
        "Der Plan wechselt das Niveau so oft, dass er nicht in die Telegramme passt.",
        "The plan changes the level so often that it does not fit into the frames.",
    )


def _calendar(plan: Plan, lamps: Sequence[Lamp]) -> str:
    if not lamps:
        raise Impossible(
            "Keine Leuchte der Gruppe nennt ihr Gerät (refDevice).",
            "No lamp of the group names its device (refDevice).",
        )
    calendars = assigned(plan, lamps)
    without = len(lamps) - len(calendars)
    if without:
        raise Impossible(
            f"{without} Leuchten haben keinen Kalender; sie hören dieselben Telegramme.",
            f"{without} lamps have no calendar; they hear the same frames.",
        )
    kinds = sorted(set(calendars.values()))
    if len(kinds) > 1:
        raise Impossible(
            f"Die Leuchten haben verschiedene Kalender ({', '.join(kinds)}), hören aber dieselben Telegramme.",
            f"The lamps have different calendars ({', '.join(kinds)}), but hear the same frames.",
        )
    return kinds[0]


def _height(floor: Floor) -> tuple[float, str]:
    return -floor.level, floor.rule


def _shared(lamps: Sequence[Lamp], overrides: Mapping[str, Sequence[Override]]) -> tuple[Override, ...]:
    of_each = [{one.id: one for one in overrides.get(lamp.id, ())} for lamp in lamps]
    common = set(of_each[0]).intersection(*of_each)
    return tuple(one for name, one in of_each[0].items() if name in common)


def _nights(edges: Sequence[tuple[int, int]], start: int, number: int) -> list[Night]:
    """Cut into nights; of what falls into one minute the last counts."""
    levels = dict(edges)
    begins = sorted(levels)
    found, level, place = [], levels[begins[0]], 0
    for index in range(number):
        begin = start + DAY * index
        while place < len(begins) and begins[place] <= begin:
            level, place = levels[begins[place]], place + 1
        first, steps = level, []
        while place < len(begins) and begins[place] < begin + DAY:
            if levels[begins[place]] != level:
                level = levels[begins[place]]
                steps.append(Step(begins[place] - begin, level))
            place += 1
        found.append(Night(first, tuple(steps)))
    return found
