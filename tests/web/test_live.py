"""The hub of live views: made once, the newest for whoever is slow, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from rhinecloud.model.sight import EVERYTHING, Sight
from rhinecloud.web.follower import Follower
from rhinecloud.web.live import Channel, Fragment, Live, StreamRoute, event


class Counting:
    """A source that counts how often it is asked to make a message."""

    def __init__(self) -> None:
        self.value = 0
        self.told = 0
        self.made = 0

    async def advance(self) -> bool:
        before, self.told = self.told, self.value
        return before != self.told

    def mark(self) -> str:
        return str(self.told)

    def message(self, since: str | None) -> bytes:
        self.made += 1
        return event(f"{since}>{self.told}")


class Browser:
    """One viewer. `open` says whether it reads: a closed one blocks what is sent to it."""

    def __init__(self, channel: Channel, mark: str | None = None) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.leave = asyncio.Event()
        self.status = 0
        self.bodies: list[bytes] = []
        self.task = asyncio.create_task(channel.serve(mark, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.open.wait()
        self.status = message.get("status", self.status)
        if body := message.get("body"):
            self.bodies.append(body)

    def data(self) -> list[str]:
        lines = b"".join(self.bodies).decode().splitlines()
        return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.data()) < count:
                await asyncio.sleep(0.005)
        return self.data()


async def test_a_message_is_made_once_for_all() -> None:
    source = Counting()
    channel = Channel(source, rate=200)
    viewers = [Browser(channel, "0") for _ in range(50)]
    await asyncio.sleep(0.05)
    source.value = 1
    channel.notify()
    for viewer in viewers:
        assert await viewer.until(1) == ["0>1"]
    assert source.made == 1
    channel.end()
    async with asyncio.timeout(10):
        await asyncio.gather(*(viewer.task for viewer in viewers))
    assert channel.viewers == 0


async def test_a_slow_reader_skips_to_the_newest() -> None:
    source = Counting()
    channel = Channel(source, rate=500)
    quick, slow = Browser(channel, "0"), Browser(channel, "0")
    await asyncio.sleep(0.02)
    slow.open.clear()
    for value in range(1, 6):
        source.value = value
        channel.notify()
        await quick.until(value)
    slow.open.set()
    assert quick.data() == ["0>1", "1>2", "2>3", "3>4", "4>5"]
    assert await slow.until(2) == ["0>1", "1>5"]  # the first was on its way
    channel.end()


async def test_who_comes_is_told_what_is_so_then() -> None:
    """Not what the others were told last: the page that opens the view is newer than that."""
    source = Counting()
    channel = Channel(source, rate=100)
    first = Browser(channel)
    assert await first.until(1) == ["None>0"]
    source.value = 1  # nobody notifies
    second = Browser(channel)
    assert await second.until(1) == ["None>1"]
    third = Browser(channel)  # and if nothing has changed since
    assert await third.until(1) == ["None>1"]
    assert await first.until(2) == ["None>0", "0>1"]
    channel.end()


async def test_changes_are_told_at_most_at_the_rate() -> None:
    source = Counting()
    channel = Channel(source, rate=10)
    viewer = Browser(channel, "0")
    for value in range(1, 60):
        source.value = value
        channel.notify()
        await asyncio.sleep(0.01)
    assert (await viewer.until(2))[-1].endswith(">59") or len(viewer.data()) <= 9
    assert len(viewer.data()) <= 9
    channel.end()


async def test_who_leaves_is_forgotten() -> None:
    channel = Channel(Counting(), rate=100)
    viewer = Browser(channel)
    await viewer.until(1)
    assert viewer.status == 200 and viewer.bodies[0].startswith(b"retry: ")
    viewer.leave.set()
    async with asyncio.timeout(10):
        await viewer.task
    assert channel.viewers == 0


async def test_a_fragment_is_told_whole_and_only_when_it_changed() -> None:
    html = ["<p>one</p>"]

    async def render() -> str:
        return html[0]

    channel = Channel(Fragment(render), rate=500)
    viewer = Browser(channel)
    assert await viewer.until(1) == ["<p>one</p>"]
    channel.notify()
    await asyncio.sleep(0.05)
    html[0] = "<p>two\n</p>"
    channel.notify()
    assert await viewer.until(3) == ["<p>one</p>", "<p>two", "</p>"]
    channel.end()


async def test_a_full_or_stopping_server_refuses() -> None:
    live = Live()
    channel = live.channel(EVERYTHING, "a", Counting)
    route = StreamRoute("/a", live, lambda request: channel, "graph.see")
    live.close()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/a", "headers": [], "query_string": b""}
    await route.app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"5") in sent[0]["headers"]


class SlowBroker:
    """A broker whose watch takes its time to begin."""

    def __init__(self) -> None:
        self.order: list[str] = []

    async def types(self, *, sight: Sight) -> list[tuple[str, int]]:
        self.order.append("read")
        return []

    async def watch(
        self, name: str | None, *, sight: Sight, begun: asyncio.Event
    ) -> AsyncIterator[list[Any]]:
        await asyncio.sleep(0.1)
        self.order.append("begun")
        begun.set()
        await asyncio.sleep(3_600)
        yield []


async def test_pages_read_the_graph_when_their_watch_has_begun() -> None:
    """The other way round, a change in between would be missing until the next one."""
    broker: Any = SlowBroker()
    follower = Follower(broker)
    async with asyncio.timeout(10):
        await follower.ready(EVERYTHING)
    assert broker.order == ["begun", "read"]
    follower.close()
