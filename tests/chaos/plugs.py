"""Connections that can be pulled: what runs between two programs goes through a plug.

A plug listens beside the server that it leads to. `pull` breaks every connection and refuses new ones, as if the
machine were gone; `silence` lets nothing through and breaks nothing, as if a cable were out; `put_back` ends both.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_PIECE = 64 * 1024


class Plug:
    """The way to one server. Its methods may be called from anywhere but its own loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop = loop
        self.name = name
        self.port = 0
        self.connections = 0
        self._server: asyncio.AbstractServer
        self._connect: Callable[[], Awaitable[Streams]]
        self._pulled = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    def lead_to(self, host: str, port: int, *, listen: int = 0) -> Plug:
        """A TCP port of this machine (`listen`, or any) that leads to another."""

        async def open_() -> None:
            self._connect = lambda: asyncio.open_connection(host, port)
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", listen)
            self.port = self._server.sockets[0].getsockname()[1]

        self._run(open_())
        return self

    def lead_to_socket(self, target: Path, listen: Path) -> Plug:
        """A Unix socket that leads to another."""

        async def open_() -> None:
            self._connect = lambda: asyncio.open_unix_connection(str(target))
            self._server = await asyncio.start_unix_server(self._serve, str(listen))

        self._run(open_())
        return self

    def pull(self) -> None:
        """Break everything; whoever comes is sent away."""

        async def change() -> None:
            self._pulled = True
            self._flows.set()
            for writer in self._writers:
                writer.transport.abort()

        self._run(change())

    def silence(self) -> None:
        """Nothing comes through any more, and nobody is told."""

        async def change() -> None:
            self._flows.clear()

        self._run(change())

    def put_back(self) -> None:
        """As before; what was silenced flows on."""

        async def change() -> None:
            self._pulled = False
            self._flows.set()

        self._run(change())

    def close(self) -> None:
        """Break everything for good."""

        async def end() -> None:
            self._server.close()
            for pump in self._pumps:
                pump.cancel()
            for writer in self._writers:
                writer.transport.abort()

        self._run(end())

    def _run(self, what: Awaitable[None]) -> None:
        async def do() -> None:
            await what

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._pulled:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            await self._flows.wait()
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target, (writer, far_writer)))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            while piece := await source.read(_PIECE):
                await self._flows.wait()
                target.write(piece)
                await target.drain()
        except OSError:
            pass
        finally:
            # The end of one direction ends both: nobody here speaks in one direction only.
            for writer in both:
                with contextlib.suppress(RuntimeError):
                    writer.close()
                self._writers.discard(writer)


@contextlib.contextmanager
def board() -> Iterator[Callable[[str], Plug]]:
    """Makes plugs, which live in a thread of their own: a test that blocks pulls none by that."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="plugs", daemon=True)
    thread.start()
    made: list[Plug] = []

    def plug(name: str) -> Plug:
        made.append(Plug(loop, name))
        return made[-1]

    try:
        yield plug
    finally:
        for one in made:
            one.close()

        async def settle() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                await asyncio.wait(others, timeout=5)

        asyncio.run_coroutine_threadsafe(settle(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
