"""A simulated Duisburg: lamp posts that do what they are told, or break, vehicles, air, the Rhine, car parks."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass

import httpx

from rhinecloud.demo.clock import Clock, busy, elevation
from rhinecloud.demo.engineering import KINDS, Engineer, EngineerError
from rhinecloud.demo.fleet import Fleet, FleetError
from rhinecloud.demo.hall import hold
from rhinecloud.demo.inventory import Entity, inventory
from rhinecloud.demo.luminaires import Luminaires
from rhinecloud.demo.mqtt import address
from rhinecloud.demo.night import FASTEST as FASTEST_PLANNED
from rhinecloud.demo.night import steps
from rhinecloud.demo.obeying import Obeying, now
from rhinecloud.demo.publishing import publish
from rhinecloud.demo.remembering import levels
from rhinecloud.demo.stations import EVERY, STATIONS, report
from rhinecloud.demo.streets import Street, city
from rhinecloud.demo.traffic import Report, Traffic
from rhinecloud.tasks import stop

FASTEST = 1_000.0  # a day in a minute and a half
_SELDOM = 5.0  # seconds between two reports of a station, at least
_TICK = 0.5  # seconds
_LONGEST = 2.0  # seconds of simulated time that a tick makes up for after a pause
_AT_ONCE = 500  # entities in one request
_TELL_EVERY = 60.0  # seconds
_MOST_PEOPLE = 1_000  # of the opening event: the demo's load is small
_PATIENCE = 120.0  # seconds to wait for the city to answer


class DemoError(Exception):
    """The city cannot be reached or refuses; the text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate until stopped; 0 after a stop, 1 when the city refuses."""
    parser = argparse.ArgumentParser(prog="python -m rhinecloud.demo", description=__doc__)
    parser.add_argument("--http", default="http://127.0.0.1:8080", metavar="URL", help="[%(default)s]")
    parser.add_argument("--mqtt", default="127.0.0.1:1883", metavar="HOST:PORT", help="[%(default)s]")
    parser.add_argument("--lamps", type=int, default=2_000, metavar="N", help="lamp posts [%(default)s]")
    parser.add_argument("--vehicles", type=int, default=110, metavar="N", help="on the road [%(default)s]")
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="N",
        help="how quickly the demo's day passes [%(default)s]",
    )
    parser.add_argument(
        "--plan",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether the demo's night is planned in the city [%(default)s]",
    )
    parser.add_argument(
        "--faults",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether lamps break by themselves [%(default)s]",
    )
    parser.add_argument(
        "--participants",
        type=int,
        default=150,
        metavar="N",
        help="people at the opening event; 0 for no event [%(default)s]",
    )
    parser.add_argument(
        "--vote-seconds",
        type=float,
        default=300.0,
        metavar="S",
        help="how long they choose their theme group [%(default)s]",
    )
    parser.add_argument(
        "--phones",
        default="",
        metavar="HOST:PORT",
        help="an address of this machine at which phones of the network come in to the opening event",
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after so long")
    given = parser.parse_args(arguments)
    if given.lamps < 1 or given.vehicles < 0 or not 0 < given.speed <= FASTEST:
        parser.error(
            f"lamps, vehicles and speed are positive, and no day is faster than {FASTEST:.0f} times its own"
        )
    if not 0 <= given.participants <= _MOST_PEOPLE or given.vote_seconds <= 0:
        parser.error(f"from 0 to {_MOST_PEOPLE:,} people come to the event, and take some time to vote")
    try:
        return asyncio.run(_until_stopped(given))
    except (DemoError, FleetError, ValueError, httpx.TransportError) as error:
        print(error, file=sys.stderr)
        return 1


async def _until_stopped(given: argparse.Namespace) -> int:
    task = asyncio.create_task(_simulate(given))
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    await stop(task, waiting)
    return 0


async def _simulate(given: argparse.Namespace) -> None:
    streets = city(given.lamps)
    traffic, lamps = Traffic(streets, given.vehicles), Luminaires(streets)
    clock = Clock.from_dusk(time.time(), given.speed)
    host, port = address(given.mqtt)
    async with httpx.AsyncClient(base_url=given.http, timeout=30) as http:
        _look(traffic, lamps, clock)
        told = await _known(http)
        lamps.remember(told)
        lamps.step(_TICK, traffic.near())
        await introduce(http, inventory(lamps, now(), clock.now(time.time()), known=bool(told)))
        fleet = Fleet(http, host, port, streets)
        await fleet.add()
        _say(f"{given.lamps:,} lamp posts on {len(streets)} streets, {given.vehicles} vehicles")
        if await publish(http):
            _say("Published for everybody: where the lamp posts stand, and how bright they are")
        async with fleet:
            obeying = Obeying(lamps, fleet)
            tasks = [asyncio.create_task(obeying.run(), name="obeying")]
            try:
                if given.plan:
                    await _plan(http, streets, clock)
                if given.participants:
                    event = hold(given.http, given.participants, given.vote_seconds, _say, given.phones)
                    tasks.append(asyncio.create_task(event, name="opening event"))
                await _live(given, _City(traffic, lamps, clock, fleet, obeying), http)
                await fleet.settled()
            finally:
                await stop(*tasks)


async def _plan(http: httpx.AsyncClient, streets: list[Street], clock: Clock) -> None:
    """Have the demo's night planned, and light on demand set up; what the city does not take is said, and lamps go by
    themselves."""
    if clock.speed > FASTEST_PLANNED:
        _say(f"No program knows a night that is {clock.speed:.0f} times as quick: lamps go by themselves")
        return
    nights = {kind.id: steps(clock, time.time(), kind.course) for kind in KINDS}
    engineer = Engineer(http)
    await _told(engineer.plan(streets, nights, clock.speed))
    await _told(engineer.equip(streets))


async def _told(work: Awaitable[str]) -> None:
    try:
        done = await work
    except EngineerError as error:
        done = str(error)
    if done:
        _say(done)


@dataclass(frozen=True, slots=True)
class _City:
    traffic: Traffic
    lamps: Luminaires
    clock: Clock
    fleet: Fleet
    obeying: Obeying


async def _live(given: argparse.Namespace, city: _City, http: httpx.AsyncClient) -> None:
    traffic, lamps, clock, fleet = city.traffic, city.lamps, city.clock, city.fleet
    begun = last = told = time.monotonic()
    due = dict.fromkeys(STATIONS, 0.0)
    known = 0  # connections after which the city knows everything
    every = max(_SELDOM, EVERY / given.speed)
    while given.seconds is None or last - begun < given.seconds:
        await asyncio.sleep(_TICK)
        moment = time.monotonic()
        _look(traffic, lamps, clock)
        seconds = min(moment - last, _LONGEST)
        if given.faults:
            for street, act in city.obeying.develop():
                _say(f"{street}: {act.text}")
        reports = [*traffic.step(seconds), *lamps.step(seconds, traffic.near())]
        last = moment
        for station, when in due.items():
            if moment >= when:
                due[station] = moment + every
                reports.append(report(station, clock.now(time.time())))
        await _publish(fleet, reports)
        devices = len(fleet)
        if fleet.connections > known + devices // 2:
            if known:  # the city was away; it may have lost what it knew
                still = bool(await _known(http))
                await introduce(http, inventory(lamps, now(), clock.now(time.time()), known=still))
            known = max(devices, fleet.connections)
        if moment - told >= _TELL_EVERY:
            told = moment
            _say(
                f"{clock.text(time.time())}: {fleet.acknowledged:,} messages, "
                f"{fleet.acknowledged / (moment - begun):.0f}/s, {lamps.broken} lamps out of order"
                + "".join(f"; {problem}" for problem in fleet.problems)
            )


def _look(traffic: Traffic, lamps: Luminaires, clock: Clock) -> None:
    """Let the streets have the light and the traffic of the demo's time."""
    seconds = clock.now(time.time())
    lamps.elevation, traffic.busy = elevation(seconds), busy(seconds)


async def _known(http: httpx.AsyncClient) -> dict[str, float | None]:
    """What the city knows of lamps; nothing while it is away."""
    try:
        return await levels(http)
    except httpx.TransportError:
        return {}


async def _publish(fleet: Fleet, reports: list[Report]) -> None:
    """Spread over half a tick, as devices do not all speak at the same instant."""
    observed_at = now()
    pause = _TICK / 2 / max(1, len(reports))
    for one in reports:
        await fleet.report(one, observed_at)
        await asyncio.sleep(pause)


async def introduce(http: httpx.AsyncClient, entities: list[Entity]) -> None:
    """Write entities by batches; what is there already is updated. Raises DemoError."""
    for batch in _batches(entities):
        answer = await _insist(http, batch)
        if answer.status_code not in (200, 201, 204):
            raise DemoError(
                f"The city refuses the demo's entities ({answer.status_code}): {answer.text[:500]}"
            )


async def _insist(http: httpx.AsyncClient, batch: list[Entity]) -> httpx.Response:
    begun = time.monotonic()
    while True:
        problem = ""
        try:
            answer = await http.post(
                "/ngsi-ld/v1/entityOperations/upsert", params={"options": "update"}, json=batch
            )
            if answer.status_code not in (429, 502, 503, 504):
                return answer
            problem = f"it answers {answer.status_code}"
        except httpx.TransportError as error:
            problem = str(error) or type(error).__name__
        if time.monotonic() - begun > _PATIENCE:
            raise DemoError(f"The city at {http.base_url} cannot be reached: {problem}")
        await asyncio.sleep(1)


def _batches(entities: list[Entity]) -> Iterator[list[Entity]]:
    for start in range(0, len(entities), _AT_ONCE):
        yield entities[start : start + _AT_ONCE]


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
