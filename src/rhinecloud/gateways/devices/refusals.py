"""Topics that a device may not use: NATS drops what it says there, acknowledges it all the same, and tells its log.

No event of NATS 2.15 speaks of it, so one elected worker reads the embedded server's log. It names connection and
topic; whose connection that is, the server is asked. A city's own NATS keeps its log elsewhere: there these alarms are
missing (docs/reference/mqtt.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import asyncpg
import msgspec

from rhinecloud.broker.office import hold
from rhinecloud.bus import BusUnavailable
from rhinecloud.bus.intake import topic_of
from rhinecloud.gateways.devices.alarms import Alarms
from rhinecloud.gateways.devices.connections import Connections
from rhinecloud.gateways.devices.door import Door
from rhinecloud.store import Database

KIND = "forbidden_topic"
_EVERY = 1.0  # seconds between looks at the log
_AT_ONCE = 1024**2  # bytes of it
_LATE = timedelta(minutes=10)  # of what was written while nobody read; what is older nobody needs to hear of
_TOO_MANY = 500  # forbidden messages within a window, after which the device is sent away
_WINDOW = 10.0  # seconds
_AWAY = 60.0  # seconds for which it is
_LINE = re.compile(
    rb"\[\d+\] (?P<at>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+) \[ERR\] (?P<address>\S+) - mid(?:_ws)?:(?P<cid>\d+) - "
    rb'(?P<client>"(?:[^"\\]|\\.)*") - (?P<action>Publish|Subscription) Violation - '
    rb'Subject (?P<subject>"(?:[^"\\]|\\.)*")'
)
_log = logging.getLogger(__name__)


class Refusal(msgspec.Struct, frozen=True):
    """A line of the log: the connection `cid` may not publish to this topic, or subscribe to this filter."""

    at: datetime
    cid: int
    client: str
    address: str
    action: str  # publish or subscribe
    topic: str


def read_line(line: bytes) -> Refusal | None:
    """What a line of the server's log says of a forbidden topic; None for all other lines."""
    found = _LINE.match(line)
    if found is None:
        return None
    publish = found["action"] == b"Publish"
    topic = topic_of(_unquoted(found["subject"]))
    if not publish:
        levels = topic.split("/")
        topic = "/".join({"*": "+", ">": "#"}.get(level, level) for level in levels)
    return Refusal(
        at=datetime.strptime(found["at"].decode(), "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC),
        cid=int(found["cid"]),
        client=_unquoted(found["client"]),
        address=found["address"].decode(errors="replace").rpartition(":")[0],
        action="publish" if publish else "subscribe",
        topic=topic,
    )


class Refusals:
    """Reads the log and raises alarms, in the one worker that is elected for it."""

    def __init__(self, log: Path, alarms: Alarms, connections: Connections, door: Door) -> None:
        self._log = log
        self._alarms = alarms
        self._connections = connections
        self._door = door
        self._counted: dict[str, int] = {}
        self._window = 0.0

    async def keep(self, database: Database) -> NoReturn:
        """Stand for the office for ever."""

        async def serve(connection: asyncpg.Connection) -> None:
            await self.follow()

        await hold(database, "refused-topics", serve, again=_EVERY)

    async def follow(self) -> NoReturn:
        """Read what is written from now on, and what is there of the last minutes and was not raised yet."""
        last = await self._alarms.last_raised(KIND)
        since = datetime.now(UTC) - _LATE
        since = since if last is None else max(since, last)
        place, rest = 0, b""
        while True:
            place, text = await asyncio.to_thread(_more, self._log, place)
            *lines, rest = (rest + text).split(b"\n")
            found = [one for one in map(read_line, lines) if one is not None and one.at > since]
            if found:
                await self._tell(found)
            if len(text) < _AT_ONCE:
                await asyncio.sleep(_EVERY)

    async def _tell(self, found: Iterable[Refusal]) -> None:
        gathered: dict[int, list[Refusal]] = {}
        for one in found:
            gathered.setdefault(one.cid, []).append(one)
        for cid, refusals in gathered.items():
            device = await self._device(cid, refusals[-1])
            last = refusals[-1]
            detail = {
                "action": last.action,
                "topic": last.topic,
                "client": last.client,
                "address": last.address,
            }
            await self._alarms.raise_(device, KIND, detail, times=len(refusals), at=last.at)
            if device is not None:
                await self._count(device, len(refusals))

    async def _device(self, cid: int, refusal: Refusal) -> str | None:
        """Who signed in on that connection; None for nobody (--open), or if the server cannot tell any more."""
        try:
            connections = await self._connections.which(cid)
        except BusUnavailable as error:
            _log.warning("nobody tells whose connection %s is: %s", cid, error)
            return None
        # Numbers begin again with the server: another connection may have this one's by now.
        names = {one.user for one in connections if one.client == refusal.client and one.start <= refusal.at}
        name = names.pop() if len(names) == 1 else ""
        return name if name and not name.startswith("~") else None

    async def _count(self, device: str, times: int) -> None:
        """A device that goes on and on is sent away: each message is a line in the log."""
        now = time.monotonic()
        if now - self._window > _WINDOW:
            self._window, self._counted = now, {}
        self._counted[device] = self._counted.get(device, 0) + times
        if self._counted[device] < _TOO_MANY:
            return
        self._counted.pop(device)
        with contextlib.suppress(BusUnavailable):
            await self._door.disconnect(device, _AWAY)
            _log.warning("%s insists on topics that are not its own: sent away for %.0f s", device, _AWAY)


def _more(path: Path, place: int) -> tuple[int, bytes]:
    """What follows in the file, and how far that is. A file that became shorter was begun anew."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(place if place <= size else 0)
            text = file.read(_AT_ONCE)
            return file.tell(), text
    except FileNotFoundError:
        return 0, b""


def _unquoted(quoted: bytes) -> str:
    """What stands in a Go string literal (%q)."""
    text = quoted[1:-1].decode(errors="replace")
    return _ESCAPE.sub(_meaning, text)


_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def _meaning(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    return chr(int(code, 16)) if code else _SHORT.get(escape[4], escape[4])
