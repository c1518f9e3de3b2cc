"""Counting: every night what lamps used on the days that are due, from what they told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

import numpy as np

from rhinecloud.app import Attempt
from rhinecloud.city import City, Numbers
from rhinecloud.model import CORE

from ..cadastre.lamps import TYPE, Lamp, lamps
from ..carrier.feeding import off_by_day
from ..control.sun import nights
from ..evidence.power import Luminaire
from . import keeping
from .energy import Floats, Terms, Told, Used, used
from .sums import LOOK, due, month_of

_POWER: Final = "powerConsumption"
_LEVEL: Final = "illuminanceLevel"
_WATTS: Final = {"": 1.0, "WTT": 1.0, "KWT": 1_000.0}  # by unit codes of UN/CEFACT
_PERCENT: Final = {"": 100.0, "C62": 100.0, "P1": 1.0}
_MOST: Final = 5_000.0  # watts: no lamp takes more


async def nightly(city: City, payload: None, attempt: Attempt) -> None:
    """Queue the days that are due, and let old rows of single lamps go."""
    today, zone = city.clock.today(), city.clock.zone
    at = await keeping.counted(city.db.pool, today - timedelta(LOOK))
    if not at and not await lamps(city):
        return  # a city without lamps keeps no accounts
    counted = {day: moment.astimezone(zone).date() for day, moment in at.items()}
    async with city.transaction() as transaction:
        for day in due(today, counted):
            await city.jobs.enqueue(transaction, "accounts-count", day, key=f"accounts-count-{day}")
        kept = timedelta(city.settings.accounts_lamp_days)
        await keeping.forget(transaction.connection, today - kept)


async def count(city: City, day: date, attempt: Attempt) -> None:
    """Count what every lamp used on a day of the city's time zone; its month is told anew."""
    known = await lamps(city)
    rows = [row async for some in _counted(city, day, known) for row in some] if known else []
    async with city.transaction() as transaction:
        await keeping.write_day(transaction.connection, day, rows, city.clock.now())
        await keeping.tell(city, transaction, month_of(day))


def span(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """When a day of the city begins and ends: 23, 24 or 25 hours."""
    midnights = (datetime(one.year, one.month, one.day, tzinfo=zone) for one in (day, day + timedelta(1)))
    begin, end = (midnight.astimezone(UTC) for midnight in midnights)
    return begin, end


async def _counted(city: City, day: date, known: Sequence[Lamp]) -> AsyncIterator[list[keeping.Row]]:
    begin, end = span(day, city.clock.zone)
    terms, off = terms_of(city), await off_by_day(city)
    since = {
        name: begin - timedelta(seconds=reach)
        for name, reach in zip((_POWER, _LEVEL), terms.reach, strict=True)
    }
    left = {lamp.id: lamp for lamp in known}
    async for numbers in city.numbers(TYPE, since, end):
        own = [left.pop(entity) for entity in dict.fromkeys(one.entity for one in numbers) if entity in left]
        yield await asyncio.to_thread(rows, own, numbers, (begin, end), day, terms, off)
    yield await asyncio.to_thread(rows, list(left.values()), [], (begin, end), day, terms, off)


def terms_of(city: City) -> Terms:
    """The terms on which this city counts."""
    return Terms(
        power_hold=city.settings.accounts_power_minutes * 60.0,
        level_hold=city.settings.accounts_level_hours * 3600.0,
        curve=Luminaire(rated=1.0, controller=city.settings.accounts_controller_watts),
    )


def rows(
    known: Sequence[Lamp],
    told: Sequence[Numbers],
    span: tuple[datetime, datetime],
    day: date,
    terms: Terms,
    off: frozenset[str] = frozenset(),
) -> list[keeping.Row]:
    """What these lamps used on a day, as it is kept. `off`: feeders and cabinets without power by day."""
    if not known:
        return []
    places = {lamp.id: number for number, lamp in enumerate(known)}
    begin, end = (at.timestamp() for at in span)
    dark = nights([lamp.lon for lamp in known], [lamp.lat for lamp in known], day - timedelta(1), 2)
    found = used(
        begin,
        end,
        np.array([lamp.rated_power or np.nan for lamp in known]),
        np.array([not off.isdisjoint((lamp.feeder, lamp.cabinet)) for lamp in known]),
        _told(told, _POWER, _WATTS, (-_MOST, _MOST), places),
        _told(told, _LEVEL, _PERCENT, (0.0, 100.0), places),
        dark,
        terms,
    )
    columns = [getattr(found, name).tolist() for name in Used.__struct_fields__]
    return [
        (lamp.id, lamp.district, lamp.groups, *values[:-1], None if np.isnan(values[-1]) else values[-1])
        for lamp, values in zip(known, zip(*columns, strict=True), strict=True)
    ]


def _told(
    told: Sequence[Numbers],
    attribute: str,
    units: dict[str, float],
    between: tuple[float, float],
    places: dict[str, int],
) -> Told:
    """What of an attribute can be believed, in watts or percent, by lamp and time."""
    iri = CORE.expand_term(attribute)
    own = [one for one in told if one.attribute == iri and one.unit in units and one.entity in places]
    if not own:
        return Told(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    numbers = np.concatenate([np.full(one.times.size, places[one.entity]) for one in own])
    times: Floats = np.concatenate([one.times for one in own]) / 1e6
    values: Floats = np.concatenate([one.values * units[one.unit] for one in own])
    believed = (values >= between[0]) & (values <= between[1])
    numbers, times, values = numbers[believed], times[believed], values[believed]
    order = np.lexsort((times, numbers))
    return Told(numbers[order], times[order], values[order])
