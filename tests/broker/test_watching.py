"""Whoever watches gets every committed change once and in order, whatever happens to the bus or to the watcher."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from rhinecloud.broker import Broker, Change, Missing, Operation
from rhinecloud.broker import feed as feeding
from rhinecloud.broker.relay import READER
from rhinecloud.broker.upkeep import once
from rhinecloud.bus.connection import CHANGES
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.store import missing
from rhinecloud.tasks import stop

from ..conftest import EXTERNAL_NATS, NatsServer, wait_for
from .conftest import MakeBroker
from .graph import iri, one, told, whole

OWN_NATS = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="an external NATS is not ours to kill")


@pytest_asyncio.fixture
async def broker(make_broker: MakeBroker) -> Broker:
    """A broker with a history and a bus of its own: ids of changes begin with 1."""
    return await make_broker()


class Watcher:
    """Collects what a watch yields, in a task."""

    def __init__(self, broker: Broker, name: str | None = None, types: tuple[str, ...] = ()) -> None:
        self.changes: list[Change] = []
        self.delay = 0.0
        self._task = asyncio.create_task(self._run(broker.watch(name, types, sight=EVERYTHING)))

    async def _run(self, watch: AsyncIterator[list[Change]]) -> None:
        async for changes in watch:
            self.changes += changes
            await asyncio.sleep(self.delay)

    @property
    def ids(self) -> list[int]:
        return [change.id for change in self.changes]

    async def stop(self) -> None:
        await stop(self._task)


async def eventually(condition: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def elected(*brokers: Broker) -> Broker:
    await eventually(lambda: any(broker._relay.elected for broker in brokers))
    return next(broker for broker in brokers if broker._relay.elected)


async def watching(broker: Broker, name: str | None = None, types: tuple[str, ...] = ()) -> Watcher:
    """A watcher that has begun."""
    watcher = Watcher(broker, name, types)
    await asyncio.sleep(0.2)
    return watcher


async def all_ids(broker: Broker) -> list[int]:
    return [record[0] for record in await broker.database.pool.fetch("SELECT id FROM outbox ORDER BY id")]


async def write(broker: Broker, number: int, start: int = 0, at_once: int = 1) -> None:
    for n in range(start, start + number, at_once):
        await broker.apply([whole("upsert", f"urn:x:{i % 7}", n=i) for i in range(n, n + at_once)])


async def test_a_live_watch_sees_what_happens_from_now_on(broker: Broker) -> None:
    await one(broker, whole("create", "urn:x:before"))
    await elected(broker)
    await eventually(lambda: broker._relay.position > 0)
    await asyncio.sleep(0.1)
    watcher = await watching(broker)
    lamps = await watching(broker, types=(iri("Lamp"),))
    await one(broker, whole("create", "urn:x:1", n=1))
    await one(broker, whole("create", "urn:x:2", type="Post", n=1))
    await one(broker, whole("append", "urn:x:1", n=2, m=3))
    await one(broker, Operation("delete", "urn:x:2"))
    await eventually(lambda: len(watcher.changes) == 4 and len(lamps.changes) == 2)
    first, _, third, fourth = watcher.changes
    assert (first.operation, first.entity_id, first.attributes) == ("create", "urn:x:1", (iri("n"),))
    assert first.entity is not None
    assert first.entity.attributes[iri("n")][0]["value"] == 1
    assert (third.operation, third.attributes) == ("update", (iri("n"), iri("m")))
    assert third.old == {iri("n"): first.entity.attributes[iri("n")], iri("m"): []}
    assert third.entity is not None
    assert third.entity.attributes[iri("m")][0]["value"] == 3
    assert (fourth.operation, fourth.entity, fourth.types) == ("delete", None, (iri("Post"),))
    assert watcher.ids == sorted(watcher.ids)
    assert first.at.endswith("Z")
    assert [change.entity_id for change in lamps.changes] == ["urn:x:1", "urn:x:1"]
    await watcher.stop()
    await lamps.stop()


async def test_a_named_watch_goes_on_where_it_stopped(broker: Broker, make_broker: MakeBroker) -> None:
    watcher = await watching(broker, "board")
    await write(broker, 5)
    await eventually(lambda: len(watcher.changes) == 5)
    await watcher.stop()
    await write(broker, 5, 5)
    other = await make_broker()  # the next worker that runs the app
    again = await watching(other, "board")
    await eventually(lambda: set(watcher.ids + again.ids) >= set(range(1, 11)))
    assert again.ids == sorted(again.ids)
    # What came last before the stop may come again, for nobody had asked for what follows it.
    assert len(again.changes) <= 6
    await again.stop()


async def test_a_named_watch_that_was_away_too_long_is_told_what_it_missed(broker: Broker) -> None:
    watcher = await watching(broker, "board")
    await write(broker, 3)
    await eventually(lambda: len(watcher.changes) == 3)
    await watcher.stop()
    pool = broker.database.pool
    stopped = await feeding.outbox.position(pool, "board")
    assert stopped is not None
    await write(broker, 5, 3)
    await eventually(lambda: broker._relay.position == 8)
    for _ in range(2):  # once more finds nothing more
        async with pool.acquire() as connection:
            await once(connection, datetime.now(UTC) + timedelta(days=30), outbox_days=7)
    await write(broker, 2, 8)

    heard: list[Any] = []

    async def gap(missing: Missing) -> None:
        heard.append(missing)
        if len(heard) == 1:
            raise RuntimeError("killed while it read the state anew")

    async def follow(name: str) -> None:
        async for changes in broker.watch(name, (iri("Lamp"),), sight=EVERYTHING, gap=gap):
            heard.extend(change.id for change in changes)

    with pytest.raises(RuntimeError, match="killed"):
        await follow("board")
    again = asyncio.create_task(follow("board"))
    await eventually(lambda: heard[-1] == 10)
    await stop(again)
    first, second, *changes = heard
    assert first == second and (first.first, first.last) == (stopped + 1, 8)
    assert changes == [9, 10]
    # It knows now, and what it has heard of since is not missing.
    heard.clear()
    again = asyncio.create_task(follow("board"))
    fresh = asyncio.create_task(follow("fresh"))  # a new name has missed nothing
    await write(broker, 1, 10)
    await eventually(lambda: 11 in heard)
    await stop(again, fresh)
    assert all(isinstance(one, int) for one in heard)
    rows = await pool.fetch("SELECT reader, told_at IS NOT NULL FROM watch_gap WHERE reader = 'board'")
    assert [tuple(row) for row in rows] == [("board", True)]


async def test_a_gap_grows_until_it_is_told(broker: Broker) -> None:
    pool = broker.database.pool
    await feeding.outbox.advance(pool, "board", 0)
    for number in (1, 2):
        await write(broker, 1, number)
        await eventually(lambda number=number: broker._relay.position == number)
        async with pool.acquire() as connection:
            await once(connection, datetime.now(UTC) + timedelta(days=30), outbox_days=7)
    found = await missing.of(pool, "board")
    assert found is not None and (found.first, found.last) == (1, 2)
    await missing.told(pool, "board", msgspec.structs.replace(found, last=1))  # of one that has grown since
    assert await missing.of(pool, "board") == found
    async with pool.acquire() as connection:
        await missing.forget_readers(connection, "boa")
    assert await missing.of(pool, "board") is None


async def test_a_watcher_that_is_slow_reads_on_from_postgresql(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "_WAITING", 3)
    monkeypatch.setattr(feeding, "_CATCH_UP", 10)
    slow = await watching(broker)
    slow.delay = 0.1
    quick = await watching(broker, "quick")
    await write(broker, 150)
    slow.delay = 0.01
    await eventually(lambda: len(slow.changes) == len(quick.changes) == 150)
    assert slow.ids == quick.ids == await all_ids(broker)
    await slow.stop()
    await quick.stop()


@OWN_NATS
async def test_nothing_is_missed_while_the_bus_is_away_and_comes_back_empty(
    broker: Broker, nats: NatsServer
) -> None:
    assert nats.child is not None
    live, named = await watching(broker), await watching(broker, "named")
    await write(broker, 10)
    await eventually(lambda: len(live.changes) == len(named.changes) == 10)
    nats.child.send(signal.SIGKILL)
    nats.child.wait_stopped(5)
    await write(broker, 30, 10)  # writing goes on without the bus
    shutil.rmtree(jetstream(nats))
    nats.child.start()
    wait_for(nats.child)
    await write(broker, 10, 40)
    await eventually(lambda: len(live.changes) == len(named.changes) == 50)
    assert live.ids == named.ids == await all_ids(broker)
    await live.stop()
    await named.stop()


def jetstream(nats: NatsServer) -> Path:
    """Where the server keeps its streams."""
    assert nats.child is not None
    folders = [path for path in Path(nats.child.folder.path).rglob("jetstream") if path.is_dir()]
    assert len(folders) == 1
    return folders[0]


async def test_one_of_two_is_elected_and_the_other_takes_over(make_broker: MakeBroker) -> None:
    first, second = await make_broker(), await make_broker()
    watcher = await watching(second)
    chief = await elected(first, second)
    await asyncio.sleep(0.3)
    assert first._relay.elected != second._relay.elected
    other = second if chief is first else first
    await write(other, 20)  # the one that writes is not the one that tells
    await eventually(lambda: len(watcher.changes) == 20, 10)
    # Its connection to PostgreSQL breaks: the election is open again, and nothing is told twice or not at all.
    await chief.database.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid() "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    await write(other, 20, 20)
    await write(chief, 20, 40)
    await eventually(lambda: len(watcher.changes) == 60)
    assert watcher.ids == await all_ids(second)
    await chief._relay.close()
    await write(other, 5, 60)
    await eventually(lambda: len(watcher.changes) == 65)
    assert other._relay.elected
    await watcher.stop()


async def test_writing_gatherings_under_load_are_told_completely(make_broker: MakeBroker) -> None:
    brokers = [await make_broker(), await make_broker()]
    watchers = [await watching(broker, f"w{n}") for n, broker in enumerate(brokers)]
    await asyncio.gather(*(write(broker, 200, start, 5) for broker in brokers for start in (0, 1_000, 2_000)))
    await eventually(lambda: all(len(watcher.changes) >= 1_200 for watcher in watchers))
    ids = await all_ids(brokers[0])
    assert len(ids) == 1_200
    by_entity: dict[str, Any] = {}
    for watcher in watchers:
        assert watcher.ids == ids
        for change in watcher.changes:  # of one entity, each change begins where the one before ended
            assert change.entity is not None
            if change.entity_id in by_entity:
                assert change.old == by_entity[change.entity_id]
            by_entity[change.entity_id] = change.entity.attributes
        by_entity.clear()
        await watcher.stop()


async def test_changes_too_large_for_a_message_are_told_all_the_same(broker: Broker) -> None:
    watcher = await watching(broker)
    await one(broker, whole("create", "urn:x:1", text="x" * 2_000_000))
    await one(broker, whole("create", "urn:x:2", n=1))
    await broker.apply([whole("create", f"urn:x:big{n}", text="y" * 300_000) for n in range(5)])
    await eventually(lambda: len(watcher.changes) == 7)
    assert watcher.ids == await all_ids(broker)
    await watcher.stop()


async def test_a_new_epoch_forgets_what_the_bus_holds_of_the_old_one(
    broker: Broker, database_url: str
) -> None:
    await write(broker, 10)
    stream = broker._bus.streams  # type: ignore[attr-defined]
    await eventually(lambda: broker._relay.position == 10)
    assert (await stream.stream_info(CHANGES)).state.messages > 0
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE rhinecloud.bus_epoch SET epoch = epoch + 1")
    await connection.close()
    await broker._bus.ensure_changes("city", await broker.database.epoch())  # type: ignore[attr-defined]
    info = await stream.stream_info(CHANGES)
    assert info.state.messages == 0
    assert info.config.metadata["epoch.city"] == "2"
    await broker._bus.ensure_changes("city", 2)  # type: ignore[attr-defined]
    watcher = await watching(broker)
    await write(broker, 3, 10)
    await eventually(lambda: len(watcher.changes) == 3)
    await watcher.stop()


async def test_health_tells_how_far_the_relay_has_come(broker: Broker) -> None:
    await write(broker, 4)
    await eventually(lambda: broker._relay.position == 4)
    async with asyncio.timeout(5):
        while (health := await broker.health())["relay"]["told"] < 4:
            await asyncio.sleep(0.02)
    assert health["relay"] == {"elected_here": True, "told": 4, "newest": 4, "lag_seconds": 0.0}
    assert health["writer"] == {"committed": 4, "waiting": 0}
    assert len(await told(broker)) == 4
    assert (
        await broker.database.pool.fetchval("SELECT change_id FROM position WHERE reader = $1", READER) == 4
    )


async def test_what_is_read_once_a_watch_has_begun_leaves_no_gap(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages load the graph and follow it: a change in between must be in one of both."""
    position = feeding.outbox.position

    async def slow(*arguments: Any) -> int | None:
        await asyncio.sleep(0.3)
        return await position(*arguments)

    await elected(broker)
    monkeypatch.setattr(feeding.outbox, "position", slow)
    seen: list[str] = []
    begun = asyncio.Event()

    async def follow() -> None:
        async for changes in broker.watch(None, begun=begun, sight=EVERYTHING):
            seen.extend(change.entity_id for change in changes)

    following = asyncio.create_task(follow())
    await asyncio.sleep(0.05)
    assert not begun.is_set()
    async with asyncio.timeout(10):
        await begun.wait()
    await one(broker, whole("create", "urn:x:after", n=1))
    await eventually(lambda: "urn:x:after" in seen)
    await stop(following)
