"""The work of telling gateways what is wanted of them: plans and overrides, many gateways at once, each by itself."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import httpx

from rhinecloud.app import Attempt
from rhinecloud.city import City

from ..rounds import go_round, woken_by
from . import devices, gateways, overrides, plan_rows, sync
from .calling import gateway_client, own_tls
from .client import Away, Declined, GatewayClient
from .gateways import Gateway
from .plan_rows import PlanRow

_log = logging.getLogger(__name__)
Kind = Literal["override", "plan", "tidy"]
VIEW: Final = "/gateways"  # the part of the page that shows the progress
_AT_ONCE: Final = 16  # gateways
_LOOK: Final = 1.0  # seconds between looks, when nobody says that there is something
_ATTEMPT: Final = 45.0  # seconds; less than the lease of a plan
_ASSIGNING: Final = asyncio.Semaphore(3)  # each keeps a connection of the app's few
_PAUSE: Final = 60.0  # seconds after what nobody foresaw
_LONGEST: Final = timedelta(minutes=10)
_CHECK: Final = timedelta(hours=6)  # a confirmed plan is compared again


async def distribute(city: City) -> None:
    """The app's task: go on for as long as the city is served."""
    woken = await woken_by(city, plan_rows.WAKE, overrides.WAKE)
    tls = own_tls(city)
    async with city.client(tls) as http, asyncio.TaskGroup() as group:
        distributor = Distributor(city, http, tls, await gateways.own_address(city.db.pool), group)
        await go_round(woken, distributor.begin, "plans of gateways wait", again=_LOOK)


class Distributor:
    """What is under way: at most so many gateways at once, what lamps follow before what is only in order's sake."""

    def __init__(
        self,
        city: City,
        http: httpx.AsyncClient,
        tls: ssl.SSLContext | None,
        own: UUID,
        group: asyncio.TaskGroup,
    ) -> None:
        self._city = city
        self._http = http
        self._tls = tls
        self._own = own
        self._group = group
        self._busy: set[tuple[Kind, int]] = set()
        self._untidy: deque[int] = deque()  # gateways that have what no plan needs any more

    async def begin(self) -> float:
        """Begin what is due, as far as there is room; seconds until it is worth while to look again."""
        while True:
            found = await self._due()
            await overrides.expire(self._city.db.pool, self._city.clock.now())
            for kind, number, work in found:
                self._busy.add((kind, number))
                self._group.create_task(self._kept(work, kind, number), name=f"talq-{kind}-{number}")
            if not found:
                return _LOOK
            await self._some_end(_AT_ONCE // 2)

    async def _due(self) -> list[tuple[Kind, int, Coroutine[Any, Any, None]]]:
        pool, now = self._city.db.pool, self._city.clock.now()
        found: list[tuple[Kind, int, Coroutine[Any, Any, None]]] = []
        for number in await overrides.gateways_due(pool, now, _AT_ONCE):
            if ("override", number) not in self._busy and len(self._busy) + len(found) < 2 * _AT_ONCE:
                found.append(("override", number, _send_overrides(self._city, self._http, self._own, number)))
        room = _AT_ONCE - sum(kind != "override" for kind, _ in self._busy)
        for number in await plan_rows.claim(pool, now, room) if room > 0 else ():
            found.append(("plan", number, self._bring(number)))
        if self._untidy and not any(kind == "plan" for kind, *_ in (*self._busy, *found)):
            number = self._untidy.popleft()
            found.append(("tidy", number, self._tidy(number)))
        return found

    async def _some_end(self, most: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                while len(self._busy) > most:
                    await asyncio.sleep(0.01)

    async def _kept(self, work: Coroutine[Any, Any, None], kind: Kind, number: int) -> None:
        """One gateway's trouble is no other's; what nobody foresaw is not tried again at once."""
        try:
            async with asyncio.timeout(2 * _ATTEMPT):
                await work
        except Exception:
            _log.exception("%s of the gateway %s: again in a minute", kind, number)
            await asyncio.sleep(_PAUSE)
        finally:
            self._busy.discard((kind, number))

    async def _bring(self, number: int) -> None:
        """Over connections of its own: the library looks at all connections of a client for each request."""
        async with self._city.client(self._tls) as http:
            done = await _bring_over(self._city, http, self._own, number)
        if done and number not in self._untidy:
            self._untidy.append(number)

    async def _tidy(self, number: int) -> None:
        gateway = await gateways.by_number(self._city.db.pool, number)
        row = await plan_rows.read(self._city.db.pool, number)
        if gateway is None or row is None or gateway.uri is None:
            return
        with suppress(Away, Declined, TimeoutError):
            async with asyncio.timeout(_ATTEMPT):
                await sync.tidy(gateway_client(self._http, gateway, self._own), row.plan, self._own)


# Plans


async def _bring_over(city: City, http: httpx.AsyncClient, own: UUID, number: int) -> bool:
    """Whether the gateway has its plan now."""
    gateway = await gateways.by_number(city.db.pool, number)
    row = await plan_rows.read(city.db.pool, number)
    if gateway is None or row is None or gateway.uri is None:
        return False
    client = gateway_client(http, gateway, own)
    try:
        async with asyncio.timeout(_ATTEMPT):
            done = await _tell(city, client, gateway, row, own)
    except (Away, Declined, TimeoutError) as error:
        await _not_told(city, gateway, row, error)
        done = False
    await city.refresh(VIEW)
    return done


async def _tell(city: City, client: GatewayClient, gateway: Gateway, row: PlanRow, own: UUID) -> bool:
    """Bring the gateway to the plan and compare. True if all its devices have it. Raises Away, Declined."""
    groups = await sync.prepare(client, row.plan, own, gateway.service("GroupManagementService"))
    configuration = gateway.service("ConfigurationService")
    present = None
    if row.state == "asked":  # what they said last is enough to begin with
        lacking = plan_rows.missing(row.plan, await devices.calendars(city.db.pool, gateway))
    else:
        present = sync.calendars_in(await sync.devices_of(client, configuration))
        lacking = plan_rows.missing(row.plan, present)
    if lacking:
        async with _ASSIGNING, city.db.transaction() as connection:
            if not await plan_rows.hold(connection, gateway.number, row.version):
                return False
            await sync.assign(client, row.plan, lacking, groups, row.version)
        await plan_rows.settle(city.db.pool, row, "sent", city.clock.now(), again_at=_next(city, row))
    if lacking or present is None:
        present = sync.calendars_in(await sync.devices_of(client, configuration))
    await devices.told_calendars(city.db.pool, present)
    wrong = sum(len(those) for those in plan_rows.missing(row.plan, present).values())
    gone = row.plan.calendar_of().keys() - present.keys()
    now = city.clock.now()
    if not wrong and not gone:
        await plan_rows.settle(city.db.pool, row, "confirmed", now, again_at=now + _CHECK)
        await city.devices.clear_alarm(gateway.subject, "gateway_contradicts")
        return True
    trouble = f"{wrong} devices say another calendar, {len(gone)} are not there"
    late = row.attempts >= 2  # a gateway may take its time (202), and says so by what its devices have
    state: plan_rows.State = "contradicted" if late else "sent"
    await plan_rows.settle(city.db.pool, row, state, now, again_at=_next(city, row), trouble=trouble)
    if late:
        detail = {"name": gateway.name, "trouble": trouble}
        await city.devices.raise_alarm(gateway.subject, "gateway_contradicts", detail)
    return False


async def _not_told(city: City, gateway: Gateway, row: PlanRow, error: Exception) -> None:
    now = city.clock.now()
    declined = isinstance(error, Declined)
    late = now >= row.due_at
    state: plan_rows.State = "contradicted" if declined else "timed_out" if late else row.state
    trouble = str(error) or type(error).__name__
    await plan_rows.settle(city.db.pool, row, state, now, again_at=_next(city, row), trouble=trouble)
    if declined or late:
        kind = "gateway_declines" if declined else "gateway_away"
        await city.devices.raise_alarm(gateway.subject, kind, {"name": gateway.name, "trouble": trouble})


def _next(city: City, row: PlanRow) -> datetime:
    pause = timedelta(seconds=2 ** min(row.attempts, 10))
    return city.clock.now() + min(pause, _LONGEST)


# Overrides


async def _send_overrides(city: City, http: httpx.AsyncClient, own: UUID, number: int) -> None:
    gateway = await gateways.by_number(city.db.pool, number)
    if gateway is None or gateway.uri is None:
        return
    client = gateway_client(http, gateway, own)
    now = city.clock.now()
    async with _ASSIGNING, city.db.transaction() as connection:
        wishes = await overrides.lock_due(connection, number, now)
        for message, those in overrides.commands(wishes, now):
            begun = city.clock.now()  # the lamp may say so before the gateway's answer is here
            try:
                async with asyncio.timeout(10):
                    await client.send("POST", "override-commands", message)
            except (Away, Declined, TimeoutError) as error:
                await overrides.failed(connection, those, now, str(error) or type(error).__name__)
            else:
                await overrides.sent(connection, those, begun)


# Silence


async def watch_silence(city: City, payload: None, attempt: Attempt) -> None:
    """Raise an alarm for each gateway that has not been heard for long: one for all its lamps."""
    since = city.clock.now() - timedelta(minutes=city.settings.talq_silent_minutes)
    for gateway in await gateways.silent(city.db.pool, since):
        heard = None if gateway.heard_at is None else gateway.heard_at.isoformat()
        await city.devices.raise_alarm(
            gateway.subject, "gateway_silent", {"name": gateway.name, "heard_at": heard}
        )
