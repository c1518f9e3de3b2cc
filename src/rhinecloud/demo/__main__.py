"""A simulated Duisburg: lamp posts that brighten ahead of vehicles, detectors, air, the Rhine, car parks."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import httpx

from rhinecloud.demo.inventory import Entity, inventory
from rhinecloud.demo.mqtt import Publisher, address
from rhinecloud.demo.stations import EVERY, STATIONS, report
from rhinecloud.demo.streets import city
from rhinecloud.demo.traffic import Report, Traffic
from rhinecloud.tasks import stop

_TICK = 0.5  # seconds
_LONGEST = 2.0  # seconds of simulated time that a tick makes up for after a pause
_AT_ONCE = 500  # entities in one request
_TELL_EVERY = 60.0  # seconds
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
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="times real time [%(default)s]")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after so long")
    given = parser.parse_args(arguments)
    if given.lamps < 1 or given.vehicles < 0 or given.speed <= 0:
        parser.error("lamps, vehicles and speed are positive")
    try:
        return asyncio.run(_until_stopped(given))
    except (DemoError, ValueError) as error:
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
    traffic = Traffic(city(given.lamps), given.vehicles)
    host, port = address(given.mqtt)
    identifier = f"duisburg-{given.lamps}"
    async with (
        httpx.AsyncClient(base_url=given.http, timeout=30) as http,
        Publisher(host, port, identifier) as publisher,
    ):
        traffic.step(_TICK)
        await introduce(http, inventory(traffic, _now(), time.time()))
        _say(f"{given.lamps:,} lamp posts on {len(traffic.streets)} streets, {given.vehicles} vehicles")
        begun = last = told = time.monotonic()
        due = dict.fromkeys(STATIONS, 0.0)
        connections = publisher.connections
        while given.seconds is None or last - begun < given.seconds:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            reports = traffic.step(min(now - last, _LONGEST) * given.speed)
            last = now
            for station, when in due.items():
                if now >= when:
                    due[station] = now + EVERY
                    reports.append(report(station, time.time()))
            await _publish(publisher, reports)
            if publisher.connections > connections:
                if connections:  # the city was away; it may have lost what it knew
                    await introduce(http, inventory(traffic, _now(), time.time()))
                connections = publisher.connections
            if now - told >= _TELL_EVERY:
                told = now
                rate = publisher.acknowledged / (now - begun)
                _say(
                    f"{publisher.acknowledged:,} messages, {rate:.0f}/s, {traffic.defects} lamps out of order"
                )
        await publisher.settled()


async def _publish(publisher: Publisher, reports: list[Report]) -> None:
    """Spread over half a tick, as devices do not all speak at the same instant."""
    observed_at = _now()
    pause = _TICK / 2 / max(1, len(reports))
    for kind, key, attributes in reports:
        body = json.dumps({"observedAt": observed_at, **attributes}, separators=(",", ":"))
        await publisher.publish(f"json/{kind}/{key}", body.encode())
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
