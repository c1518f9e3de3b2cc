"""What a lamp should be doing at an instant, and why: for its page, for previews, for other areas."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Final, NamedTuple

import msgspec

from rhinecloud.app import Text
from rhinecloud.city import EVERYTHING, City, Query

from ..cadastre.lamps import Lamp, lamps
from ..control.clocks import bounds, night_of
from ..control.reasons import Reason, Why
from ..control.reasons import text as plainly
from ..control.rules import floors
from ..control.sun import Event, sky
from ..control.targets import Layers, Override, Target, night, target
from ..control.volume import Needed, Volume, assumed
from ..demand import raising
from ..talq import lowering
from . import overrides, settling, store, traffic
from .counting import Counter, placing
from .judging import Site, curve_of
from .plan import Plan, assigned


class Unknown(Exception):
    """There is no such lamp, or no place is known of it."""


class Explained(msgspec.Struct, frozen=True):
    """A target in words: the chain from what decides down to what lies below it, German and English, and by which
    version of the plan (0: none was applied)."""

    target: Target
    chain: tuple[Text, ...]
    plan: int


async def target_of(city: City, lamp: str, at: datetime | None = None) -> Target:
    """What a lamp should be doing, by the plan that is applied; `at` now if not given. Raises Unknown."""
    return (await explain(city, lamp, at)).target


async def explain(city: City, lamp: str, at: datetime | None = None) -> Explained:
    """The same with the reasons in words. Raises Unknown."""
    instant = city.clock.now() if at is None else at
    found = await lamps(city, [lamp])
    if not found:
        raise Unknown(lamp)
    applied = await store.applied(city.db.pool)
    plan = Plan() if applied is None else applied.plan
    zone = city.clock.zone
    evening = night_of(instant.timestamp(), zone)
    begin, end = (datetime.fromtimestamp(one, UTC) for one in bounds(evening, zone))
    rows = await overrides.of_lamp(city.db.pool, lamp, begin, end)
    over = [row.control() for row in rows]
    asks = await asks_of(city, lamp)
    one = target(layers(plan, found[0], evening, zone, over, asks), instant.timestamp())
    reasons = {str(row.number): row.reason for row in rows}
    chain = words(one.why, plan, reasons)
    if at is None and (demand := await _on_demand(city, lamp, one.level)) is not None:
        chain = (demand, *chain)
    return Explained(one, chain, 0 if applied is None else applied.version)


async def _on_demand(city: City, lamp: str, level: float) -> Text | None:
    """What light on demand has to do with a lamp. That it is raised is told of what the lamp itself says; who passed is
    known to nobody."""
    most = await raising.of_lamp(city.db.pool, lamp)
    if most is None or most <= level:
        return None
    entities = (await city.broker.query(Query(ids=(lamp,), limit=1), sight=EVERYTHING)).entities
    said = settling.level_of(entities[0].attributes) if entities else None
    if said is not None and settling.raised(level, said[0], most):
        return "Licht auf Anfrage hat sie angehoben", "raised by light on demand"
    return (
        f"Licht auf Anfrage hebt sie auf bis zu {most:.0f} % an, solange jemand unterwegs ist",
        f"light on demand raises it to up to {most:.0f} % while somebody is on the way",
    )


class Asks(msgspec.Struct, frozen=True):
    """What counted traffic asks for: where it is counted, and by place and program; `assumed`: of whatever place,
    vehicles in each hour of the clock. Not of lamps that are `sensed` (`placing`)."""

    counters: Sequence[Counter] = ()
    needed: Mapping[tuple[str, str], tuple[Needed, ...]] = {}
    assumed: Sequence[float] | None = None
    sensed: Collection[str] = ()


NOBODY_COUNTS: Final = Asks()


async def asks_of(city: City, lamp: str, assumed: Sequence[float] | None = None) -> Asks:
    """What it asks of a lamp now."""
    pool = city.db.pool
    sensed = await lowering.sensed(pool, [lamp])
    return Asks(await traffic.counters(pool), await traffic.asked(pool), assumed, sensed)


def layers(
    plan: Plan,
    lamp: Lamp,
    evening: date,
    zone: tzinfo,
    over: Sequence[Override] = (),
    asks: Asks = NOBODY_COUNTS,
    *,
    lawful: bool = True,
) -> Layers:
    """What lies over each other for a lamp in a night. Without `lawful` only what was planned."""
    calendar_id = assigned(plan, [lamp]).get(lamp.id)
    calendar = next((one for one in plan.calendars if one.id == calendar_id), None)
    site = Site(lamp.lon, lamp.lat)
    drawn, choice = curve_of({one.id: one for one in plan.programs}, calendar, site, evening, zone)
    return Layers(
        curve=drawn,
        chosen=() if calendar is None else (Reason("calendar", calendar.id, choice.rule),),
        dark=sky(lamp.lon, lamp.lat, evening)[Event.CIVIL],
        volume=_volume(plan, lamp, choice.program, evening, zone, asks),
        # Without a calendar nobody keeps the lamp anywhere: it stays as it is.
        floors=floors(lamp, plan.rules) if lawful and calendar is not None else (),
        overrides=tuple(over),
    )


def _volume(
    plan: Plan, lamp: Lamp, program: str | None, evening: date, zone: tzinfo, asks: Asks
) -> Volume | None:
    known = next((one for one in plan.programs if one.id == program), None)
    place = placing(asks.counters, plan.groups, asks.sensed)(lamp)
    if known is None or known.volume is None or place is None or not place.follows(known):
        return None
    if asks.assumed is not None:
        some = assumed(asks.assumed, known.volume, bounds(evening, zone), zone)
        return Volume(place.counted or "?", place.installed, some)
    return Volume(place.counted, place.installed, asks.needed.get((place.counted, known.id), ()))


class Night(NamedTuple):
    """A lamp's night: targets that follow each other, and when the sun sets and rises."""

    targets: list[Target]
    dusk: float
    dawn: float


def night_of_lamp(
    plan: Plan,
    lamp: Lamp,
    evening: date,
    zone: tzinfo,
    over: Sequence[Override] = (),
    asks: Asks = NOBODY_COUNTS,
) -> Night:
    """What a lamp does in a whole night."""
    above = sky(lamp.lon, lamp.lat, evening)[Event.SUNSET]
    return Night(night(layers(plan, lamp, evening, zone, over, asks)), above.begin, above.end)


def words(why: Why, plan: Plan, reasons: Mapping[str, str] | None = None) -> tuple[Text, ...]:
    """The chain with the names that people gave; `reasons` of overrides by their number."""
    names: dict[tuple[str, str], Text] = {}
    for kinds, those in (
        (("fixed", "astro", "ramp", "outside"), plan.programs),
        (("calendar",), plan.calendars),
        (("law",), plan.rules),
    ):
        names.update({(kind, one.id): one.name for kind in kinds for one in _named(those)})
    for number, reason in (reasons or {}).items():
        names["override", number] = (f"{number} ({reason})", f"{number} ({reason})")
    return tuple(_spoken(reason, names) for reason in why)


def _named(those: Collection[store.Named]) -> Collection[store.Named]:
    return those


def _spoken(reason: Reason, names: Mapping[tuple[str, str], Text]) -> Text:
    name = names.get((reason.kind, reason.id))
    if name is None:
        return plainly(reason)
    german, english = (
        plainly(msgspec.structs.replace(reason, id=one))[language] for language, one in enumerate(name)
    )
    return german, english
