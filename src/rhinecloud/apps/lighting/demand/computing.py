"""Tables of the whole city, computed in another process, and brought to those who run them."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from rhinecloud.app import Attempt
from rhinecloud.city import City
from rhinecloud.model import NgsiLdError

from ..cadastre.lamps import Lamp, streamed
from ..planning import store as plans
from ..planning.groups import selects
from . import store
from .lighting_up import Lamp as Told
from .neighbours import Detector, Kind, Lamps, Profile, Table, Zone, alone, encode, part, table, zoned
from .roads import Roads

VIEW: Final = "/demand"
WAKE: Final = "demand"
WANTED: Final = "light_on_demand"
PLANS: Final = "planning-gateways"  # the job of planning.manifest that asks TALQ gateways for their plans
EMPTY: Final = part(Table(), ())  # for who has no lamp ahead of a detector any more
_ONE: Final = asyncio.Lock()  # in a worker one after the other: mostly the first has done it for the next
_PATIENCE: Final = 300.0  # seconds for a table
_DAYS: Final = 7 * 86_400.0  # for which a field gateway may be away


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """A lamp for the tables, and who tells it (`runs` of store.Part; "" for nobody)."""

    id: str
    lon: float
    lat: float
    street: str
    runs: str


class Built(msgspec.Struct, frozen=True):
    """A table in its parts: who runs it → (revision, number of lamps, the table as it is sent). `reaches`: detector →
    (number of lamps, what it raises in the whole city, as `store.reach` reads it)."""

    revision: str
    lamps: int
    placed: int
    detectors: int
    seconds: float
    parts: dict[str, tuple[str, int, bytes]]
    reaches: dict[str, tuple[int, bytes]]


def build(
    ways: bytes | None,
    lamps: Sequence[Standing],
    detectors: Sequence[Detector],
    profiles: Mapping[Kind, Profile],
    zones: Sequence[Zone] = (),
) -> Built:
    """The tables of a city; without roads those of its zones. Takes its time: not for an event loop."""
    begun = time.perf_counter()
    ids, at_a_road = [one.id for one in lamps], 0
    whole = Table(lamps=tuple(ids), profiles=dict(profiles))
    if ways is not None:
        roads = Roads(store.unpack(ways))
        placed = roads.place([(one.lon, one.lat) for one in lamps], [one.street for one in lamps])
        at_a_road = int((placed.edge >= 0).sum())
        whole = table(roads, Lamps(ids, placed), detectors, profiles)
    whole = zoned(whole, zones)
    ahead = {number for there in whole.detectors.values() for number in there.lamps()}
    by_runs: dict[str, set[str]] = {}
    for number in ahead:
        by_runs.setdefault(lamps[number].runs, set()).add(lamps[number].id)
    by_runs.pop("", None)
    parts = {}
    for runs, some in by_runs.items():
        one = part(whole, some)
        parts[runs] = (one.revision, len(one.lamps), encode(one))
    reaches = {}
    for detector in whole.detectors:
        one = alone(whole, detector)
        reaches[detector] = (len(one.lamps), zlib.compress(encode(one)))
    seconds = time.perf_counter() - begun
    return Built(whole.revision, len(ahead), at_a_road, len(whole.detectors), seconds, parts, reaches)


def runs(lamp: Lamp, field: Mapping[str, str]) -> str:
    """Who runs light on demand for a lamp: the field gateway of its cabinet (`field`: cabinet → device), else the TALQ
    gateway that it is behind, else the platform if the lamp has a device of its own."""
    if (device := field.get(lamp.cabinet or "")) is not None:
        return f"field:{device}"
    if lamp.gateway is not None:
        return f"talq:{lamp.gateway}"
    return store.PLATFORM if lamp.device else ""


async def compute(city: City, payload: None, attempt: Attempt) -> None:
    """Compute what waits to be computed, ask gateways that were not asked (a `Job`)."""
    async with _ONE:
        found = await store.computed(city.db.pool)
        if found is None or found.mark != await store.mark(city.db.pool):
            await _compute(city)
        else:
            await distribute(city)


async def _compute(city: City) -> None:
    """Compute until what was computed is of what is there now, and ask the gateways to take it."""
    pool = city.db.pool
    while True:
        mark = await store.mark(pool)
        await _compute_one(city, mark)
        await distribute(city)
        await city.bus.tell(WAKE)
        await city.refresh(VIEW)
        if await store.mark(pool) == mark:
            return


async def follow(city: City, payload: None, attempt: Attempt) -> None:
    """Lamps change without telling anybody here: look once a night. A change whose job was lost is found as well."""
    await _compute(city)


async def _compute_one(city: City, mark: int) -> None:
    pool = city.db.pool
    ways, zones = await store.ways(pool), await store.zones(pool)
    if ways is None and not zones and await store.computed(pool) is None:
        return
    inside = [(zone, selects(zone.selection), list[str]()) for zone in zones.values()]
    field = {one.cabinet: one.device for one in await store.gateways(pool)}
    known = await store.detectors(pool)
    detectors = [one.detector() for one in known.values()]
    standing: list[Standing] = []
    told: dict[str, Told] = {}
    async for some in streamed(city):
        for lamp in some:
            who = runs(lamp, field)
            standing.append(Standing(lamp.id, lamp.lon, lamp.lat, lamp.street, who))
            for _, is_in, members in inside:
                if is_in(lamp):
                    members.append(lamp.id)
            if who == store.PLATFORM and lamp.device:
                told[lamp.id] = Told(lamp.device, lamp.street)
    built = await city.jobs.compute(
        build,
        ways,
        standing,
        detectors,
        await store.profiles(pool),
        [
            Zone(id=one.id, lamps=members, detectors=known.keys() & set(one.detectors), reacts=one.reacts)
            for one, _, members in inside
        ],
        timeout=_PATIENCE,
    )
    facts = {
        "mark": mark,
        "revision": built.revision,
        "lamps": built.lamps,
        "placed": built.placed,
        "known": len(standing),
        "detectors": built.detectors,
        "seconds": built.seconds,
    }
    await store.put_table(city, facts, built.parts, told, built.reaches)
    await _tell_talq_gateways(city)


async def _tell_talq_gateways(city: City) -> None:
    """They carry it in their programs: the plan that counts is asked of them anew."""
    if version := await plans.newest(city.db.pool):
        async with city.transaction() as transaction:
            await city.jobs.enqueue(transaction, PLANS, version)


async def distribute(city: City) -> None:
    """Ask every field gateway whose part has changed to take it: a wanted state, newer than all before. Asked again
    nothing happens."""
    for gateway in await store.gateways(city.db.pool):
        try:
            async with city.transaction() as transaction:
                row = await transaction.connection.fetchrow(
                    "SELECT g.revision, p.revision AS now, p.body FROM demand_gateway g "
                    "LEFT JOIN demand_part p ON p.runs = 'field:' || g.device WHERE g.device = $1 FOR UPDATE OF g",
                    gateway.device,
                )
                if row is None or (row["revision"] or EMPTY.revision) == (row["now"] or EMPTY.revision):
                    continue
                wanted = {WANTED: msgspec.json.decode(row["body"] or encode(EMPTY))}
                await city.devices.want(transaction, gateway.device, wanted, timeout_seconds=_DAYS)
                await _asked(transaction.connection, city, gateway.device, row["now"], None)
        except NgsiLdError as error:
            async with city.db.transaction() as connection:
                await _asked(connection, city, gateway.device, None, error.detail)


async def _asked(
    connection: store.Connection, city: City, device: str, revision: str | None, trouble: str | None
) -> None:
    await connection.execute(
        "UPDATE demand_gateway SET revision = $2, asked_at = $3, trouble = $4 WHERE device = $1",
        device,
        revision,
        city.clock.now(),
        trouble,
    )
