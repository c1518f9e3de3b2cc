"""The work of one worker: it keeps each lamp's target over the night and tells it to lamps that speak MQTT themselves
(and to gateways where it is less than their calendars say: `lowering`).

A target and the wanted state of the lamp's device are written in one transaction, with the instant that it is for:
whoever comes with an earlier instant or an older plan leaves the row alone. So a worker that is killed leaves nothing
half told, and no lamp gets an older target after a newer one, even while two workers believe that it is their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec

from rhinecloud.city import City, Transaction
from rhinecloud.model import BadRequestData, ResourceNotFound

from ..control.citywide import CityTargets
from ..rounds import go_round, woken_by
from ..talq.overrides import WAKE as OVERRIDDEN
from . import citynight, lowering, settling
from .citynight import CityNight, Row
from .overrides import WAKE

ACTOR: Final = lowering.ACTOR
LEVEL: Final = "illuminanceLevel"  # of the Smart Data Models: 0 … 1
VIEW: Final = "/plan/progress"
_LOOK_EVERY: Final = 15.0  # seconds, if nothing wakes it
_LOOK_SOON: Final = 1.0  # while lamps are about to confirm
_LOWER_EVERY: Final = timedelta(minutes=1)  # 50,000 lamps that are lowered take half a second
_PORTION: Final = 100  # lamps that are told in one transaction
_QUIET_PORTION: Final = 5_000  # that are only noted
_LEAST: Final = 60.0  # seconds for which a device may take its time
_MOST: Final = 86_400.0
_PAUSE: Final = 1.0  # at dusk lamps change in many small groups: those of a second go together


class Wish(NamedTuple):
    """A lamp's new target."""

    row: Row
    level: float
    since: datetime
    until: datetime
    why: str


async def keep(city: City) -> None:
    """For as long as the city is served (a `Task`)."""
    woken = await woken_by(city, WAKE)
    keeper = Keeper(city)

    async def overridden(_: bytes) -> None:
        keeper.compare_gateways()
        woken.set()

    await city.bus.hear(OVERRIDDEN, overridden)
    await go_round(woken, keeper.round, "targets of lamps")


class Keeper:
    """What the worker remembers from one round to the next."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._night: CityNight | None = None
        self._found: CityTargets | None = None
        self._next = self._lower_next = city.clock.now()

    def compare_gateways(self) -> None:
        """Somebody overrode lamps behind gateways, or ended that: look at them in the next round."""
        self._lower_next = self._city.clock.now()

    async def round(self) -> float:
        """Compute, tell what is new, see what became of what was told; seconds until the next round."""
        city = self._city
        now = city.clock.now()
        night = await citynight.renewed(city, self._night)
        if night is not self._night:
            self._night, self._next = night, now
        if self._night is None:
            return _LOOK_EVERY
        fresh = 0
        if now >= self._next:
            fresh = await self._compute(self._night, now)
            self._lower_next = now
        await self._lower(now)
        on_their_way, changed = await settling.look(city)
        if fresh or changed:
            await city.refresh(VIEW)
        pause = max(_PAUSE, (min(self._next, self._lower_next) - city.clock.now()).total_seconds())
        return min(pause, _LOOK_SOON if on_their_way else _LOOK_EVERY)

    async def _lower(self, now: datetime) -> None:
        """Also from time to time: what is told is renewed before it ends, and what somebody overrode comes back."""
        if self._night is not None and self._found is not None and now >= self._lower_next:
            self._lower_next = (
                now + _LOWER_EVERY
            )  # before it is looked at: an override meanwhile is another time
            told = await lowering.tell(self._city, self._night, self._found, now)
            if told.waiting:
                self.compare_gateways()

    async def _compute(self, night: CityNight, now: datetime) -> int:
        """Tell what is new; how many lamps have another target."""
        self._found = found = await asyncio.to_thread(night.at, self._city, now)
        whys = [msgspec.json.encode(why).decode() for why in found.reasons]
        fresh = {
            index: Wish(night.rows[index], level, _moment(since), _moment(until), whys[why])
            for index, (level, since, until, why) in enumerate(
                zip(
                    [round(level, 2) for level in found.level.tolist()],
                    found.since.tolist(),
                    found.until.tolist(),
                    found.why.tolist(),
                    strict=True,
                )
            )
            if night.rows[index].level != level or night.rows[index].why != whys[why]
        }
        written = await self._write(list(fresh.values()), now, night.mark.plan)
        for index, wish in fresh.items():
            night.rows[index] = wish.row._replace(level=wish.level, why=wish.why)
        self._next = citynight.next_change(found, now)
        if written != len(fresh):
            self._night = None  # somebody else was there: read what is so
        return written

    async def _write(self, fresh: Sequence[Wish], now: datetime, plan: int) -> int:
        written = 0
        told = sorted((wish for wish in fresh if _is_told(wish)), key=lambda wish: str(wish.row.device))
        noted = [wish for wish in fresh if not _is_told(wish)]
        for start in range(0, len(noted), _QUIET_PORTION):
            some = noted[start : start + _QUIET_PORTION]
            async with self._city.transaction() as transaction:
                still = await still_new(transaction.connection, some, now, plan)
                await transaction.connection.execute(
                    "UPDATE target SET level = n.level, since = n.since, until = n.until, why = n.why::json, "
                    "computed_at = $6, state = CASE WHEN target.level = n.level THEN state END, "
                    "wanted = CASE WHEN target.level = n.level THEN wanted END "
                    "FROM unnest($1::text[], $2::double precision[], $3::timestamptz[], "
                    "$4::timestamptz[], $5::text[]) AS n (lamp, level, since, until, why) WHERE target.lamp = n.lamp",
                    *([list(column) for column in zip(*map(_values, still), strict=True)] or [[]] * 5),
                    now,
                )
            written += len(still)
        for start in range(0, len(told), _PORTION):
            some = told[start : start + _PORTION]
            async with self._city.transaction() as transaction:
                still = await still_new(transaction.connection, some, now, plan)
                for wish in still:
                    await _tell(self._city, transaction, wish, now)
            written += len(still)
        return written


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _is_told(wish: Wish) -> bool:
    """Whether the lamp itself hears of it: not if only the reason is another. A lamp that is not planned any more stays
    as it is, unless an override begins or ends."""
    row = wish.row
    overridden = any('"override"' in (why or "") for why in (wish.why, row.why))
    return row.device is not None and row.level != wish.level and (row.planned or overridden)


async def still_new(
    connection: asyncpg.Connection, wishes: Sequence[Wish], now: datetime, plan: int
) -> list[Wish]:
    """Those whose rows nobody has written for a later instant or by a newer plan; the rows are locked."""
    await connection.execute("LOCK TABLE target IN ROW EXCLUSIVE MODE")
    if await connection.fetchval("SELECT max(version) FROM plan") != plan:
        return []
    records = await connection.fetch(
        "SELECT lamp FROM target WHERE lamp = ANY($1::text[]) AND plan = $3 "
        "AND (computed_at IS NULL OR computed_at <= $2) ORDER BY lamp FOR UPDATE",
        [wish.row.lamp for wish in wishes],
        now,
        plan,
    )
    still = {record[0] for record in records}
    return [wish for wish in wishes if wish.row.lamp in still]


def _values(wish: Wish) -> tuple[Any, ...]:
    return wish.row.lamp, wish.level, wish.since, wish.until, wish.why


async def _tell(city: City, transaction: Transaction, wish: Wish, now: datetime) -> None:
    """The target and what is wanted of the device, or nothing of both."""
    seconds = min(_MOST, max(_LEAST, (wish.until - now).total_seconds()))
    wanted, trouble = None, None
    try:
        wanted = await city.devices.want(
            transaction,
            str(wish.row.device),
            {LEVEL: round(wish.level / 100, 4)},
            actor=ACTOR,
            timeout_seconds=seconds,
        )
    except (ResourceNotFound, BadRequestData) as error:
        trouble = str(error)
    await transaction.connection.execute(
        "UPDATE target SET level = $2, since = $3, until = $4, why = $5::text::json, computed_at = $6::timestamptz, "
        "version = version + 1, state = $7, wanted = $8, asked_at = $6::timestamptz, sent_at = NULL, "
        "settled_at = CASE WHEN $9::text IS NULL THEN NULL ELSE $6::timestamptz END, trouble = $9 WHERE lamp = $1",
        *_values(wish),
        now,
        "asked" if trouble is None else "timed_out",
        None if wanted is None else wanted.version,
        trouble,
    )
