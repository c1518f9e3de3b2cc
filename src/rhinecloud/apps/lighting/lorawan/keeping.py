"""The work of one worker: each group has the schedule of the plan, and is sent it until its lamps say so.

A schedule is sent while its row is locked, so that a newer one cannot be asked for meanwhile: no lamp hears an older
one after a newer one. Who is killed between sending and noting it sends the same version again, which does no harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from rhinecloud.app import Text
from rhinecloud.city import City

from ..cadastre.lamps import Lamp, lamps
from ..planning import citynight, overrides, store
from ..planning.groups import selects
from ..rounds import go_round, woken_by
from . import ending, members, networks, rows
from .compiling import NIGHTS, Impossible, schedule_of
from .networks import Away, Declined, Network
from .rows import Group, Lacking, Row
from .schedule import DAY, decode, same

VIEW: Final = "/lorawan"
_LOOK: Final = 15.0  # seconds between looks
_SOON: Final = 0.2
_COMPILE_EVERY: Final = timedelta(minutes=15)
_SINGLES: Final = 20  # lamps that are told alone at a time
_ALONE: Final = 2  # times
_SENDING: Final = 120.0  # seconds
_LONGEST: Final = timedelta(minutes=10)  # between tries at a network server
_SEVERAL: Final = 3  # failures of a network server that raise an alarm
_NO_PLAN: Final = ("Es ist noch kein Lichtplan angewendet.", "No lighting plan was applied yet.")
_NO_GROUP: Final = ("Die Leuchtengruppe gibt es nicht mehr.", "The group of lamps does not exist any more.")
_log = logging.getLogger(__name__)


async def keep(city: City) -> None:
    """For as long as the city is served (a `Task`)."""
    woken = await woken_by(city, rows.WAKE, overrides.WAKE)
    try:
        known = networks.read(city.settings.lorawan_networks)
    except (ValueError, OSError) as error:
        _log.error("network servers of LoRaWAN: %s", error)
        known = {}
    async with city.client() as http:
        await go_round(woken, Keeper(city, known, http).round, "schedules of LoRaWAN groups wait")


class Keeper:
    """What the worker remembers from one round to the next."""

    def __init__(self, city: City, known: Mapping[str, Network], http: httpx.AsyncClient) -> None:
        self._city, self._networks, self._http = city, known, http
        self._seen: tuple[Any, ...] = ()
        self._compiled_at: datetime | None = None

    async def round(self) -> float:
        """Compile what is new, send what is due; seconds until the next round."""
        city, now = self._city, self._city.clock.now()
        groups = await rows.groups(city.db.pool)
        if not groups:
            return _LOOK
        seen = (await citynight.mark(city.db.pool), groups)
        late = self._compiled_at is None or now - self._compiled_at >= _COMPILE_EVERY
        fresh = 0
        if seen != self._seen or late:
            fresh = await self._compile(groups)
            self._seen, self._compiled_at = seen, now
        fresh += await self._settle()
        for number in await rows.due(city.db.pool, now):
            group = next((one for one in groups if one.number == number), None)
            if group is not None:
                fresh += await self._look_after(group)
        if fresh:
            await city.refresh(VIEW)
        return await self._pause()

    async def _pause(self) -> float:
        first: datetime | None = await self._city.db.pool.fetchval(
            "SELECT min(next_at) FROM lorawan_schedule"
        )
        if first is None:
            return _LOOK
        return min(_LOOK, max(_SOON, (first - self._city.clock.now()).total_seconds()))

    # Compiling

    async def _compile(self, groups: Sequence[Group]) -> int:
        """Who hears which group, and the schedule of each by the plan that is applied; how many are new."""
        city, now = self._city, self._city.clock.now()
        applied = await store.applied(city.db.pool)
        every = [lamp for lamp in await lamps(city) if lamp.device is not None and lamp.gateway is None]
        over = await overrides.by_lamp(city.db.pool, now, now + timedelta(days=NIGHTS))
        fresh = 0
        for group in groups:
            kept = await store.GROUPS.get(city.db.pool, group.lamps)
            inside = selects(kept.one.selection) if kept is not None else lambda lamp: False
            own = await self._put(group, [lamp for lamp in every if inside(lamp)])
            found: tuple[Any, bytes, str] | None = None
            why: Text | None = _NO_GROUP if kept is None else _NO_PLAN if applied is None else None
            if why is None and applied is not None:
                try:
                    found = await asyncio.to_thread(
                        schedule_of, applied.plan, own, now.timestamp(), city.clock.zone, over
                    )
                except Impossible as error:
                    why = error.text
            fresh += await self._want(group, found, 0 if applied is None else applied.version, why)
        return fresh

    async def _put(self, group: Group, those: Sequence[Lamp]) -> list[Lamp]:
        """Let these lamps be the group's; those of them that are."""
        async with self._city.transaction() as transaction:
            connection = transaction.connection
            devices = {lamp.id: str(lamp.device) for lamp in those}
            row = await rows.lock(connection, group.number)
            changed, gone = await members.write(connection, group.number, devices)
            await ending.end(self._city, transaction, ending.of_members(gone))
            if changed:
                if row is not None:
                    await rows.again(connection, group.number, self._city.clock.now())
                # Planning tells lamps their level one by one, but not those that have a schedule.
                await self._city.jobs.enqueue(transaction, "planning-lamps")
            of = await members.by_lamp(connection, list(devices))
        return [lamp for lamp in those if of.get(lamp.id) == group.number]

    async def _want(
        self, group: Group, found: tuple[Any, bytes, str] | None, plan: int, why: Text | None
    ) -> int:
        city, now = self._city, self._city.clock.now()
        async with city.transaction() as transaction:
            connection = transaction.connection
            row = await rows.lock(connection, group.number)
            await rows.refuse(connection, group.number, why)
            if found is None:
                return 0
            schedule, body, calendar = found
            minute = int(now.timestamp() // 60)
            if row is not None:
                told = decode(row.body)
                half = DAY * len(told.nights) // 2
                if same(told, schedule, minute) and told.end - minute > half:
                    return 0
            if await store.newest(connection) != plan:
                return 0  # somebody applied another meanwhile
            version = await rows.ask(connection, group.number, body, plan, calendar, now)
            _log.info("group %s gets schedule %s of plan %s", group.number, version, plan)
        return 1

    # Sending

    async def _settle(self) -> int:
        """Note which groups are complete."""
        city = self._city
        done = 0
        for number in await rows.complete(city.db.pool):
            async with city.transaction() as transaction:
                row = await rows.lock(transaction.connection, number)
                if row is not None and not await rows.lacking(transaction.connection, number):
                    await rows.later(transaction.connection, row, "verified", city.clock.now(), None)
                    done += 1
        return done

    async def _look_after(self, group: Group) -> int:
        """Send a group its schedule, all or those that lack it; note what became of that."""
        city, now = self._city, self._city.clock.now()
        given_up: list[Lacking] = []
        trouble: tuple[str, str] | None = None
        async with city.transaction() as transaction:
            connection = transaction.connection
            row = await rows.lock(connection, group.number)
            if row is None or row.next_at is None or row.next_at > now:
                return 0
            lacking = await rows.lacking(connection, group.number)
            singles = [one for one in lacking if one.told < _ALONE][:_SINGLES]
            if not lacking:
                await rows.later(connection, row, "verified", now, None)
            elif row.rounds >= city.settings.lorawan_rounds and not singles:
                await rows.later(connection, row, "incomplete", now, None)
                await rows.troubled(connection, [one.lamp for one in lacking], rows.MISSING)
                given_up = lacking
            else:
                try:
                    async with asyncio.timeout(_SENDING):
                        pause = await self._send(group, row, singles)
                except (Away, Declined, TimeoutError) as error:
                    text = str(error) or type(error).__name__
                    trouble = ("lorawan_declines" if isinstance(error, Declined) else "lorawan_away", text)
                    after = now + min(_LONGEST, timedelta(seconds=2 ** min(row.failures, 10)))
                    await rows.later(
                        connection, row, row.state, now, after, failures=row.failures + 1, trouble=text
                    )
                else:
                    alone = row.rounds >= city.settings.lorawan_rounds
                    if alone:
                        await rows.told(connection, [one.lamp for one in singles])
                    await rows.later(connection, row, "sent", now, now + pause, rounds=0 if alone else 1)
        await self._alarm(group, row, trouble, given_up)
        return 1

    async def _send(self, group: Group, row: Row, singles: Sequence[Lacking]) -> timedelta:
        """To all, and after the last round to those alone; how long to wait for what they say. Raises Away,
        Declined."""
        network = self._networks.get(group.network)
        if network is None:
            raise Declined(f"the file of network servers has no {group.network!r}")
        base = timedelta(seconds=self._city.settings.lorawan_pause_seconds)
        if row.rounds < self._city.settings.lorawan_rounds:
            await networks.multicast(self._http, network, group.multicast, group.port, row.frames)
            return base * int(2**row.rounds)
        for one in singles:
            await networks.unicast(self._http, network, one.device, group.port, row.frames)
        return base

    async def _alarm(
        self, group: Group, row: Row, trouble: tuple[str, str] | None, given_up: Sequence[Lacking]
    ) -> None:
        devices = self._city.devices
        if trouble is None and row.failures:
            for kind in ending.OF_NETWORK:
                await devices.clear_alarm(group.subject, kind)
        if trouble is not None and (trouble[0] == "lorawan_declines" or row.failures + 1 >= _SEVERAL):
            detail = {"name": group.name, "network": group.network, "reason": trouble[1]}
            await devices.raise_alarm(group.subject, trouble[0], detail)
        for one in given_up:
            evidence = {
                "lamp": one.lamp,
                "name": group.name,
                "wanted_version": row.version,
                "version": one.version,
                "heard_at": None if one.heard_at is None else one.heard_at.isoformat(),
                "sent_to_all": row.rounds,
                "sent_alone": one.told,
            }
            await devices.raise_alarm(one.device, rows.MISSING, evidence)
            if not await rows.is_troubled(
                self._city.db.pool, one.lamp, rows.MISSING
            ):  # it was heard meanwhile
                await devices.clear_alarm(one.device, rows.MISSING)
