"""Replay a day of real traffic over MQTT, at any speed.

Reads a file of single vehicles, one a line: `24.10.16 08:37:29;00;032;01;0`, that is local date and time; hundredths
of a second; speed in km/h; class; direction (0 or 1). Each vehicle is one QoS 1 message of a TrafficFlowObserved,
one for each direction, with the original time as observedAt; vehicles of the same second are all told.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rhinecloud.demo.mqtt import Publisher, address

_LINE = re.compile(r"(\d\d\.\d\d\.\d\d \d\d:\d\d:\d\d);(\d\d);(\d{1,3});(\d{1,2});([01])\s*")
_MOERS = "6.6305,51.4475"  # Römerstraße, roughly
_SHOW_EVERY = 2.0  # seconds
_LANE = {0: "forward", 1: "backward"}


class ReplayError(Exception):
    """A file or an option that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One vehicle that passed. `at` is in UTC, `speed` in km/h."""

    line: int
    at: datetime
    speed: int
    vehicle_class: int
    direction: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rhinecloud replay`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="single vehicles, one a line")
    parser.add_argument(
        "--mqtt", default="127.0.0.1:1883", metavar="HOST:PORT", help="MQTT server [%(default)s]"
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=60.0,
        metavar="X",
        help="times faster than it was; 0 is as fast as it goes",
    )
    parser.add_argument(
        "--name", default="moers-roemerstrasse", metavar="NAME", help="local id of the detector [%(default)s]"
    )
    parser.add_argument(
        "--position", default=_MOERS, metavar="LON,LAT", help="where the detector stands [%(default)s]"
    )
    parser.add_argument(
        "--timezone", default="Europe/Berlin", metavar="ZONE", help="zone of the file's times [%(default)s]"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="stop after so many vehicles")
    parser.add_argument(
        "--now", action="store_true", help="shift all times so that the first vehicle passes now"
    )
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE", help="write a line of JSON for each acknowledged message"
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay; 0 when every vehicle was acknowledged."""
    try:
        lon, lat = (float(part) for part in arguments.position.split(","))
        host, port = address(arguments.mqtt)
        vehicles = list(read(arguments.file, _zone(arguments.timezone)))
    except (ReplayError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.limit is not None:
        vehicles = vehicles[: arguments.limit]
    if not vehicles:
        print(f"{arguments.file} holds no vehicle.", file=sys.stderr)
        return 1
    if arguments.now:
        shift = datetime.now(UTC).replace(microsecond=0) - vehicles[0].at
        vehicles = [Vehicle(v.line, v.at + shift, v.speed, v.vehicle_class, v.direction) for v in vehicles]
    with contextlib.ExitStack() as stack:
        ledger = None
        if arguments.ledger is not None:
            ledger = stack.enter_context(arguments.ledger.open("w", encoding="utf-8"))
        replay = Replay(host, port, arguments.name, (lon, lat), arguments.speed, ledger)
        try:
            asyncio.run(replay.run(vehicles))
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
        print(f"{replay.acknowledged:,} of {len(vehicles):,} vehicles acknowledged.", file=sys.stderr)
        return 0 if replay.acknowledged == len(vehicles) else 1


def read(path: Path, zone: ZoneInfo) -> Iterator[Vehicle]:
    """The vehicles of a file, in its order. Raises ReplayError at a line that is none."""
    try:
        with path.open(encoding="ascii") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield vehicle(number, line, zone)
    except OSError as error:
        raise ReplayError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ReplayError(f"{path} is no such file: it holds more than ASCII") from None


def vehicle(number: int, line: str, zone: ZoneInfo) -> Vehicle:
    """One line. Raises ReplayError."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise ReplayError(f"line {number} is no vehicle: {line.strip()[:60]!r}")
    when, hundredths, speed, vehicle_class, direction = found.groups()
    try:
        local = datetime.strptime(when, "%d.%m.%y %H:%M:%S").replace(tzinfo=zone)
    except ValueError as error:
        raise ReplayError(f"line {number}: {error}") from None
    at = local.astimezone(UTC) + timedelta(milliseconds=10 * int(hundredths))
    return Vehicle(number, at, int(speed), int(vehicle_class), int(direction))


def payload(item: Vehicle, name: str, position: tuple[float, float] | None) -> bytes:
    """The measurement of one vehicle; with a position, also what the detector is."""
    document: dict[str, object] = {
        "observedAt": item.at.isoformat().replace("+00:00", "Z"),
        "intensity": 1,
        "averageVehicleSpeed": {"value": item.speed, "unitCode": "KMH"},
        "vehicleClass": item.vehicle_class,
    }
    if position is not None:
        document["location"] = {"type": "Point", "coordinates": list(position)}
        document["laneDirection"] = _LANE[item.direction]
        document["name"] = f"{name}-{item.direction}"
    return json.dumps(document, separators=(",", ":")).encode()


class Replay:
    """Publishes vehicles at their times and counts what was acknowledged."""

    def __init__(
        self,
        host: str,
        port: int,
        name: str,
        position: tuple[float, float],
        speed: float,
        ledger: TextIO | None,
    ) -> None:
        self._where = (host, port)
        self._name = name
        self._position = position
        self._speed = speed
        self._ledger = ledger
        self._introduced: set[int] = set()
        self.acknowledged = 0

    async def run(self, vehicles: list[Vehicle]) -> None:
        """Return when all are acknowledged, however often the server goes away meanwhile."""
        begun = time.monotonic()
        async with Publisher(*self._where, f"replay-{self._name}") as publisher:
            showing = asyncio.create_task(self._show(publisher, len(vehicles)))
            try:
                for item in vehicles:
                    if self._speed > 0:
                        due = begun + (item.at - vehicles[0].at).total_seconds() / self._speed
                        pause = due - time.monotonic()
                        if pause > 0.002:
                            await asyncio.sleep(pause)
                    await self._tell(publisher, item)
                await publisher.settled()
            finally:
                showing.cancel()
        seconds = time.monotonic() - begun
        print(f"{self.acknowledged / seconds:,.0f} vehicles/s in {seconds:.1f} s", file=sys.stderr)

    async def _tell(self, publisher: Publisher, item: Vehicle) -> None:
        position = None if item.direction in self._introduced else self._position
        self._introduced.add(item.direction)
        topic = f"json/TrafficFlowObserved/{self._name}-{item.direction}"
        acknowledged = await publisher.publish(topic, payload(item, self._name, position))
        acknowledged.add_done_callback(lambda future: self._note(item, topic, future))

    def _note(self, item: Vehicle, topic: str, acknowledged: asyncio.Future[None]) -> None:
        if acknowledged.cancelled():
            return
        self.acknowledged += 1
        if self._ledger is not None:
            line = {"line": item.line, "topic": topic, "observedAt": item.at.isoformat(), "speed": item.speed}
            self._ledger.write(json.dumps(line) + "\n")
            self._ledger.flush()

    async def _show(self, publisher: Publisher, total: int) -> None:
        while True:
            await asyncio.sleep(_SHOW_EVERY)
            state = "" if publisher.connected else f"  (not connected: {publisher.problem or 'trying'})"
            print(f"{self.acknowledged:,} of {total:,} vehicles{state}", file=sys.stderr)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ReplayError(f"There is no time zone {name}.") from None
