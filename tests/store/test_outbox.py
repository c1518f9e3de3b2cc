"""The outbox tells every committed change once, in the order of ids, whatever commits late or not at all."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st

from rhinecloud.store import Database, commit, outbox
from rhinecloud.store.outbox import Gap, settled_run


@dataclass
class Cluster:
    """What PostgreSQL promises: transaction ids and sequence values rise, a snapshot knows who still runs, but of
    those only who is older than the newest that has ended."""

    next_xid: int = 100
    newest_ended: int = 99
    next_id: int = 1
    running: dict[int, list[int]] = field(default_factory=dict)
    committed: set[int] = field(default_factory=set)

    def begin(self) -> int:
        self.running[self.next_xid] = []
        self.next_xid += 1
        return self.next_xid - 1

    @property
    def xmin(self) -> int:
        """`pg_snapshot_xmin` as GetSnapshotData has it."""
        xmax = self.newest_ended + 1
        return min((xid for xid in self.running if xid < xmax), default=xmax)

    def fence(self) -> int:
        """`pg_current_xact_id` in a transaction that ends at once."""
        self.end(xid := self.begin(), commit=True)
        return xid

    def draw(self, xid: int) -> None:
        self.running[xid].append(self.next_id)
        self.next_id += 1

    def end(self, xid: int, *, commit: bool) -> None:
        drawn = self.running.pop(xid)
        self.newest_ended = max(self.newest_ended, xid)
        if commit:
            self.committed.update(drawn)


@dataclass
class Reader:
    """The relay's loop, without the I/O."""

    limit: int
    last: int = 0
    gap: Gap | None = None
    told: list[int] = field(default_factory=list)

    def read(self, cluster: Cluster) -> None:
        ids = sorted(i for i in cluster.committed if i > self.last)[: self.limit]
        if not ids:
            self.gap = None
            return
        count, missing_after = settled_run(ids, self.last, self.gap, xmin=cluster.xmin)
        if missing_after is None:
            self.gap = None
        elif self.gap is None or self.gap.after != missing_after:
            self.gap = Gap(missing_after, cluster.fence())
        self.told += ids[:count]
        if count:
            self.last = ids[count - 1]


steps = st.lists(
    st.tuples(
        st.sampled_from(["begin", "draw", "draw", "draw", "commit", "commit", "rollback", "read"]),
        st.integers(0, 7),
    ),
    max_size=80,
)


@settings(max_examples=500)
@given(steps, st.integers(1, 5), st.booleans())
def test_nothing_is_skipped_and_the_order_is_that_of_the_ids(
    steps: list[tuple[str, int]], limit: int, restarts: bool
) -> None:
    cluster, reader = Cluster(), Reader(limit)
    for action, which in steps:
        running = sorted(cluster.running)
        if action == "begin":
            cluster.begin()
        elif action == "read":
            if restarts and which == 0:  # another worker is elected: it knows the position, not the gap
                reader.gap = None
            before = len(reader.told)
            reader.read(cluster)
            for told in reader.told[before:]:
                # What is told is final: no change with a smaller id may still commit.
                assert all(told < i for drawn in cluster.running.values() for i in drawn)
        elif running:
            xid = running[which % len(running)]
            if action == "draw":
                cluster.draw(xid)
            else:
                cluster.end(xid, commit=action == "commit")
    for xid in sorted(cluster.running):
        cluster.end(xid, commit=True)
    for _ in range(2 * len(cluster.committed) + 2):  # each gap costs one look and one passage
        reader.read(cluster)
    assert reader.told == sorted(cluster.committed)


def test_a_gap_holds_until_those_who_ran_have_ended() -> None:
    assert settled_run([1, 2, 4, 5], 0, None, xmin=7) == (2, 2)
    gap = Gap(2, fence=9)
    assert settled_run([4, 5], 2, gap, xmin=8) == (0, 2)
    assert settled_run([4, 5], 2, gap, xmin=9) == (2, None)
    assert settled_run([4, 7], 2, gap, xmin=9) == (1, 4)
    assert settled_run([3, 4], 2, gap, xmin=7) == (2, None)  # it committed late: the gap is filled


async def begin(database: Database) -> tuple[asyncpg.Connection, asyncpg.transaction.Transaction]:
    connection = await database.pool.acquire()
    transaction = connection.transaction()
    await transaction.start()
    await connection.fetchval("SELECT pg_current_xact_id()")
    return connection, transaction


async def test_late_commits_and_rollbacks_in_postgresql(database: Database) -> None:
    early, early_transaction = await begin(database)
    late, late_transaction = await begin(database)
    quick, quick_transaction = await begin(database)
    await commit.write(quick, changes=[b"1"])
    await commit.write(late, changes=[b"2", b"3"])
    await commit.write(early, changes=[b"4"])
    await commit.write(quick, changes=[b"5", b"6"])
    await quick_transaction.commit()

    async with database.pool.acquire() as connection:

        async def read(last: int, gap: Gap | None) -> tuple[list[bytes], Gap | None]:
            rows, gap = await outbox.read_settled(connection, last, gap, 100)
            assert [int(row.change) for row in rows] == [row.id for row in rows]
            return [row.change for row in rows], gap

        told, gap = await read(0, None)
        assert told == [b"1"]
        assert gap is not None
        assert (await read(1, gap))[0] == []
        await late_transaction.commit()  # fills 2 and 3
        told, gap = await read(1, gap)
        assert told == [b"2", b"3"]
        assert gap is not None
        assert gap.after == 3
        await commit.write(late, changes=[b"7"])  # commits at once
        assert await read(3, gap) == ([], gap)
        await early_transaction.rollback()  # 4 will never be
        told, gap = await read(3, gap)
        assert told == [b"5", b"6", b"7"]
        assert gap is None
    for connection in (early, late, quick):
        await database.pool.release(connection)


async def test_a_gap_waits_for_one_who_began_after_all_that_have_ended(database: Database) -> None:
    """pg_snapshot_xmax lies below a transaction that runs while no younger one has ended."""
    writers = [await begin(database) for _ in range(3)]
    (first, first_transaction), (second, second_transaction), (third, third_transaction) = writers
    await commit.write(third, changes=[b"1"])
    await commit.write(first, changes=[b"2"])
    await first_transaction.commit()
    async with database.pool.acquire() as connection:
        rows, gap = await outbox.read_settled(connection, 0, None, 10)
        assert rows == []
        await second_transaction.commit()
        rows, gap = await outbox.read_settled(connection, 0, gap, 10)
        assert rows == []  # the third still runs
        await third_transaction.commit()
        rows, gap = await outbox.read_settled(connection, 0, gap, 10)
        assert [row.change for row in rows] == [b"1", b"2"]
    for connection in (first, second, third):
        await database.pool.release(connection)


async def test_random_writers_against_a_reader_in_postgresql(database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    committed: set[bytes] = set()
    writing = True

    async def writer(name: int) -> None:
        for number in range(25):
            changes = [b"%d.%d.%d" % (name, number, i) for i in range(chance.randint(1, 3))]
            connection, transaction = await begin(database)
            try:
                for change in changes:
                    await commit.write(connection, changes=[change])
                    await asyncio.sleep(chance.random() * 0.004)
                if chance.random() < 0.3:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    committed.update(changes)
            finally:
                await database.pool.release(connection)

    async def reader() -> list[outbox.OutboxRow]:
        told: list[outbox.OutboxRow] = []
        gap: Gap | None = None
        async with database.pool.acquire() as connection:
            while True:
                last_look = not writing
                rows, gap = await outbox.read_settled(connection, told[-1].id if told else 0, gap, 7)
                told += rows
                if not rows and gap is None and last_look:
                    return told
                await asyncio.sleep(0.001)

    reading = asyncio.create_task(reader())
    await asyncio.gather(*(writer(name) for name in range(4)))
    writing = False
    told = await asyncio.wait_for(reading, 10)
    ids = [row.id for row in told]
    assert ids == sorted(set(ids))
    assert len(told) == len(committed)
    assert {row.change for row in told} == committed


async def test_a_position_never_goes_back(database: Database) -> None:
    assert await outbox.position(database.pool, "reader") is None
    await outbox.advance(database.pool, "reader", 7)
    await outbox.advance(database.pool, "reader", 3)
    assert await outbox.position(database.pool, "reader") == 7


async def test_what_is_untold_is_not_forgotten(database: Database) -> None:
    async with database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO outbox (id, at, change) VALUES (1, now() - interval '9 days', '1'), (2, now(), '2')"
        )
        today = await connection.fetchval("SELECT now()::date")
        assert await outbox.untold_before(connection, 0, today)
        assert not await outbox.untold_before(connection, 1, today)
        await outbox.forget_default(connection, today)
        rows = await outbox.read_told(connection, 0, 10, 10)
        assert [row.id for row in rows] == [2]
