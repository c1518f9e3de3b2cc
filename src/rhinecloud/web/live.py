"""Live views: server-sent events from bare ASGI, one hub for each process.

A view is a `Source`. While it has viewers, its channel lets it advance at most `rate` times a second; each viewer is
then given what leads from where it stands to now. The bytes are made once for all who stand at the same place, and
who reads slowly simply skips to the newest state: nothing queues up for anybody.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from rhinecloud.model.sight import Sight

from .sight import refused

_log = logging.getLogger(__name__)
HEARTBEAT = 15.0  # seconds; a reader that is gone is noticed by the next write
_AGAIN = 3.0  # seconds after which a view that failed is tried again
MOST_VIEWERS = 10_000
_CROWD = 256  # views that are kept before those that nobody looks at are forgotten
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class Source(Protocol):
    """What a view shows. `mark` is a place in its story; None is that of a viewer who has nothing yet."""

    async def advance(self) -> bool:
        """Take in what has happened; whether there is something to tell."""
        ...

    def mark(self) -> str:
        """The place where the source stands."""
        ...

    def message(self, since: str | None) -> bytes:
        """Events that lead from `since` to now, without ids; b"" for nothing. An unknown mark: from the start."""
        ...


def event(data: str, name: str | None = None) -> bytes:
    """A server-sent event."""
    lines = [f"event: {name}"] if name else []
    lines += [f"data: {line}" for line in data.splitlines() or [""]]
    return "\n".join(lines).encode() + b"\n\n"


class _Viewer:
    __slots__ = ("gone", "mark", "new", "wake")

    def __init__(self, mark: str | None) -> None:
        self.mark = mark
        self.gone = False
        self.new = True  # not told anything yet
        self.wake = asyncio.Event()


class Channel:
    """The viewers of one source."""

    def __init__(self, source: Source, rate: float) -> None:
        self._source = source
        self._pause = 1 / rate
        self._viewers: set[_Viewer] = set()
        self._dirty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._messages: dict[tuple[str | None, str], bytes] = {}

    @property
    def viewers(self) -> int:
        """How many look at it."""
        return len(self._viewers)

    def notify(self) -> None:
        """Something has happened that the source may want to tell."""
        self._dirty.set()

    def end(self) -> None:
        """Send every viewer away; they come back by themselves."""
        for viewer in self._viewers:
            viewer.gone = True
            viewer.wake.set()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        beat = loop.time()
        first = True
        while self._viewers:
            try:
                async with asyncio.timeout(max(0.0, beat + HEARTBEAT - loop.time())):
                    await self._dirty.wait()
            except TimeoutError:
                beat = loop.time()
                self._wake_all()
                continue
            self._dirty.clear()
            try:
                if await self._source.advance() or first:
                    self._messages.clear()
                    self._wake_all()
                else:
                    self._wake_new()
                first = False
            except Exception:
                _log.exception("a live view cannot be told; next try in %.0f s", _AGAIN)
                self._dirty.set()
                await asyncio.sleep(_AGAIN)
            await asyncio.sleep(self._pause)

    def _wake_all(self) -> None:
        for viewer in self._viewers:
            viewer.new = False
            viewer.wake.set()

    def _wake_new(self) -> None:
        for viewer in self._viewers:
            if viewer.new:
                viewer.new = False
                viewer.wake.set()

    def _message(self, since: str | None) -> tuple[str, bytes]:
        """Where the source stands, and what leads there from `since`."""
        now = self._source.mark()
        made = self._messages.get((since, now))
        if made is None:
            told = b"" if since == now else self._source.message(since)
            made = self._messages[since, now] = told[:-1] + f"id: {now}\n\n".encode() if told else b": \n\n"
        return now, made

    async def serve(self, mark: str | None, receive: Receive, send: Send) -> None:
        """Tell one viewer until it leaves."""
        viewer = _Viewer(mark)
        self._viewers.add(viewer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        # Who comes has a page that is newer than what the others were told last: the source has to look first.
        self._dirty.set()
        leaving = asyncio.create_task(_leave(viewer, receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await _body(send, f"retry: {random.randint(1500, 6000)}\n\n".encode())
            while True:
                await viewer.wake.wait()
                viewer.wake.clear()
                if viewer.gone:
                    break
                viewer.mark, message = self._message(viewer.mark)
                await _body(send, message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            pass  # the viewer left while it was told
        finally:
            self._viewers.discard(viewer)
            leaving.cancel()


async def _body(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _leave(viewer: _Viewer, receive: Receive) -> None:
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            viewer.gone = True
            viewer.wake.set()
            return


class Live:
    """All live views of this process, by what is shown and by the sight of who looks."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, Channel]] = {}
        self._crowd = _CROWD
        self.closing = False

    def channel(self, sight: Sight, key: str, make: Callable[[], Source], rate: float = 4.0) -> Channel:
        """The channel of a view for those of one sight, made for its first viewer; `rate`: most messages in a
        second."""
        by_sight = self._channels.get(key, {})
        if sight.key not in by_sight:
            self._forget_empty()
            by_sight = self._channels.setdefault(key, {})
            by_sight[sight.key] = Channel(make(), rate)
        return by_sight[sight.key]

    def notify(self, key: str) -> None:
        """Something happened that the views of this key may want to tell; nothing if nobody looks."""
        for channel in self._channels.get(key, {}).values():
            channel.notify()

    def notify_later(self, key: str, seconds: float) -> None:
        """The same after a while, if somebody looks then."""
        asyncio.get_running_loop().call_later(seconds, self.notify, key)

    def watched(self) -> dict[str, int]:
        """Number of viewers by key, of the views that have any."""
        found = {key: sum(c.viewers for c in by_sight.values()) for key, by_sight in self._channels.items()}
        return {key: viewers for key, viewers in found.items() if viewers}

    def close(self) -> None:
        """End every view: a server that stops must not wait for its viewers."""
        self.closing = True
        for by_sight in self._channels.values():
            for channel in by_sight.values():
                channel.end()

    def full(self) -> bool:
        """Whether one more viewer would be too many (or the server is stopping)."""
        return self.closing or sum(self.watched().values()) >= MOST_VIEWERS

    def _forget_empty(self) -> None:
        if len(self._channels) < self._crowd:
            return
        for key, by_sight in list(self._channels.items()):
            left = {sight: channel for sight, channel in by_sight.items() if channel.viewers}
            if left:
                self._channels[key] = left
            else:
                del self._channels[key]
        self._crowd = max(_CROWD, 2 * len(self._channels))


class StreamRoute(Route):
    """A route that tells a view to whoever has its permission.

    `channel_of` gives the channel for a request and may wait, or raise an HTTPException; `mark_of` tells what the
    viewer has already (a returning one says it by Last-Event-ID).
    """

    def __init__(
        self,
        path: str,
        live: Live,
        channel_of: Callable[[Request], Channel | Awaitable[Channel]],
        permission: str,
        mark_of: Callable[[Request], str | None] = lambda request: request.headers.get("last-event-id"),
    ) -> None:
        super().__init__(path, _Stream(live, channel_of, permission, mark_of))
        self.permission = permission


class _Stream:
    """An ASGI application; an instance, because Starlette takes functions for handlers of requests."""

    def __init__(
        self,
        live: Live,
        channel_of: Callable[[Request], Channel | Awaitable[Channel]],
        permission: str,
        mark_of: Callable[[Request], str | None],
    ) -> None:
        self._live = live
        self._permission = permission
        self._channel_of = channel_of
        self._mark_of = mark_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._live.full():
            refusal = Response(status_code=503, headers={"Retry-After": "5"})
            return await refusal(scope, receive, send)
        request = Request(scope)
        if (answer := refused(request, self._permission)) is not None:
            return await answer(scope, receive, send)
        channel = self._channel_of(request)
        if not isinstance(channel, Channel):
            channel = await channel
        return await channel.serve(self._mark_of(request), receive, send)


class Fragment:
    """A source that is one piece of HTML: whoever is behind is given the newest whole."""

    def __init__(self, render: Callable[[], Awaitable[str]]) -> None:
        self._render = render
        self._html = ""
        self._number = 0
        self._epoch = secrets.token_hex(4)

    async def advance(self) -> bool:
        """Render; nothing to tell if it looks as before."""
        html = await self._render()
        if html == self._html:
            return False
        self._html = html
        self._number += 1
        return True

    def mark(self) -> str:
        """The number of the rendering; of this process only, which does no harm: another gives the whole."""
        return f"{self._epoch}.{self._number}"

    def message(self, since: str | None) -> bytes:
        """The whole piece, to be swapped in."""
        return event(self._html) if self._html else b""
