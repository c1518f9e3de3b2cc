"""A door for phones: the demo's city lets in this machine only, and this lets others of the network come to the opening
event, and to nothing else. It hands each phone that comes a guest's code, as somebody at the entrance would.

Every connection brings one request. What is not a page of the event, of its stage, or a file of the pages is not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

from rhinecloud.demo.mqtt import address
from rhinecloud.tasks import stop

_ROOT: Final = "/participation"
_HEAD: Final = 32 * 1024  # bytes
_BODY: Final = 64 * 1024
_PATIENCE: Final = 20.0  # seconds for a request
_AT_ONCE: Final = 200  # connections; each phone keeps one open
_FILE: Final = re.compile(r"(?:/participation)?/static/[\w-]+(?:\.[\w-]+)+")
_LIVE: Final = re.compile(r"/live/participation/(?:phone|stage|places)/[A-Z0-9]{1,20}")
_INSIDE: Final = re.compile(r"(?:/[a-z0-9]+(?:\.(?:csv|json|svg|txt))?){0,3}")
_NOT_HERE: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Way = Literal["through", "card", "event"]


def way(method: str, path: str, cookies: str, code: str) -> Way | None:
    """What to do with a request for a path of the event `code`: let it through, hand out a card, lead to the event; or
    None where it is not for phones. Pure."""
    event = f"{_ROOT}/e/{code}"
    if method == "GET" and path in ("/", _ROOT, event):
        if f"vote-{code}=" not in cookies:
            return "card"
        return "through" if path == event else "event"
    if path.startswith(event) and _INSIDE.fullmatch(path, len(event)) and method in ("GET", "POST"):
        return "through"
    return "through" if method == "GET" and (_FILE.fullmatch(path) or _LIVE.fullmatch(path)) else None


class Door:
    """Stands at `here` (HOST:PORT, as phones reach it) before the city at `url`."""

    def __init__(self, url: str, here: str) -> None:
        parts = urlsplit(url)
        self._city = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._host, self._port = address(here)
        self._server: asyncio.Server | None = None
        self._code, self._cards = "", list[str]()
        self._inside: set[asyncio.Task[None] | None] = set()

    async def open(self, code: str, cards: Sequence[str]) -> str:
        """Let phones come to the event `code`, each with one of the `cards` while there are any; its address. Raises
        OSError."""
        if self._server is None:
            self._code, self._cards = code, list(reversed(cards))
            self._server = await asyncio.start_server(self._come, self._host, self._port, limit=_HEAD)
        return f"http://{self._host}:{self._port}"

    async def close(self) -> None:
        """Nobody comes any more, and who is inside leaves."""
        if self._server is not None:
            self._server.close()
            await stop(*self._inside)
            await self._server.wait_closed()

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._inside.add(task)
        try:
            if len(self._inside) <= _AT_ONCE:
                await self._answer(reader, writer)
        except asyncio.CancelledError:
            pass  # the door is closed; this task has no other purpose
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
            pass  # it went away, or is no browser
        finally:
            self._inside.discard(task)
            await _closed(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_PATIENCE):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            method, target, _ = first.split(" ")
            headers = [
                (name.strip().lower(), value.strip())
                for name, _, value in (one.partition(":") for one in lines)
            ]
            told = dict(headers)
            size = int(told.get("content-length", "0"))
            if "transfer-encoding" in told or not 0 <= size <= _BODY:
                raise ValueError("no form of a phone")
            body = await reader.readexactly(size)
        found = way(method, target.partition("?")[0], told.get("cookie", ""), self._code)
        if found is None:
            writer.write(_NOT_HERE)
        elif found == "through" or (found == "card" and not self._cards):
            await self._through(f"{method} {target}", headers, body, writer)
            return
        else:
            to = f"{_ROOT}/e/{self._code}" + (f"/join?code={self._cards.pop()}" if found == "card" else "")
            writer.write(
                f"HTTP/1.1 303 See Other\r\nLocation: {to}\r\nCache-Control: no-store\r\n"
                "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
        await writer.drain()

    async def _through(
        self, what: str, headers: Sequence[tuple[str, str]], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        kept = [f"{name}: {value}" for name, value in headers if name not in ("connection", "content-length")]
        if what.startswith("POST"):
            kept = _as_from_here(kept, dict(headers).get("host", ""), "{}:{}".format(*self._city))
        kept += [f"content-length: {len(body)}", "connection: close"]
        answer, city = await asyncio.open_connection(*self._city)
        try:
            city.write("\r\n".join([f"{what} HTTP/1.1", *kept, "", ""]).encode("latin-1") + body)
            while some := await answer.read(_BODY):
                writer.write(some)
                await writer.drain()
        finally:
            await _closed(city)


def _as_from_here(headers: Sequence[str], door: str, city: str) -> list[str]:
    """A form that began on a page that came through this door is one of the city's own: it takes forms under its own
    name only. What began elsewhere keeps its origin, and is refused there."""
    here = {f"host: {door}": f"host: {city}", f"origin: http://{door}": f"origin: http://{city}"}
    return [here.get(line, line) for line in headers]


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
