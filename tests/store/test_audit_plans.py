"""The audit log is paged by index: of a hundred thousand lines each filter reads about as many as it shows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from rhinecloud.store import Database, audit
from rhinecloud.store.audit import Filter

MANY = 100_000
BORN = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 26


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def log(module_database_url: str) -> AsyncIterator[Database]:
    """A line a second: three people, of whom one was rarely here, and three acts."""
    database = await Database.open(module_database_url, size=4)
    try:
        await database.pool.execute(
            """
            INSERT INTO audit (at, actor, action, subject)
            SELECT $1::timestamptz + n * interval '1 second',
                   CASE WHEN n % 10000 = 0 THEN 'person:3' ELSE 'person:' || n % 2 + 1 END,
                   CASE WHEN n % 5000 = 0 THEN 'device.remove' WHEN n % 2 = 0 THEN 'device.add' ELSE 'job.retry' END,
                   'lamp-' || lpad(n::text, 6, '0')
              FROM generate_series(1, $2) AS n
            """,
            BORN,
            MANY,
        )
        await database.pool.execute("VACUUM ANALYZE audit")
        yield database
    finally:
        await database.close()


class Explaining:
    """A pool that keeps how many rows each statement took from tables and indexes."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.read = 0
        self.through: set[str] = set()

    async def fetch(self, statement: str, *given: Any) -> list[asyncpg.Record]:
        plan = await self._pool.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *given)
        for node in _nodes(plan):
            scanned = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            scanned += node.get("Rows Removed by Index Recheck", 0)
            if "Scan" in node["Node Type"] and node["Node Type"] not in ("CTE Scan", "WorkTable Scan"):
                self.read += int(scanned * node["Actual Loops"])
            if node["Node Type"] == "Seq Scan":
                self.through.add(node["Relation Name"])
        return await self._pool.fetch(statement, *given)  # type: ignore[no-any-return]


def _nodes(plan: Any) -> list[dict[str, Any]]:
    def below(node: dict[str, Any]) -> list[dict[str, Any]]:
        return [node, *(one for inner in node.get("Plans", ()) for one in below(inner))]

    return below(json.loads(plan)[0]["Plan"])


DAY = timedelta(days=1)
KINDS: list[tuple[Filter, int]] = [
    (Filter(), PAGE),
    (Filter(actor="person:1"), PAGE),
    (Filter(actor="person:3"), MANY // 10_000),
    (Filter(actor="nobody"), 0),
    (Filter(action="device.add"), PAGE),
    (Filter(action="device.remove"), MANY // 5_000),
    (Filter(action="device"), PAGE),
    (Filter(action="device.none"), 0),
    (Filter(subject="lamp"), PAGE),
    (Filter(subject="MP-000777"), 1),
    (Filter(subject="nothing"), 0),
    (Filter(subject="nothing", subjects=("lamp-000778", "lamp-000779")), 2),
    (Filter(until=BORN + timedelta(minutes=1)), PAGE),
    (Filter(since=BORN + timedelta(hours=1), until=BORN + timedelta(hours=1, seconds=3)), 3),
    (Filter(since=BORN + 30 * DAY), 0),
    (Filter(actor="person:1", since=BORN + timedelta(hours=1), until=BORN + timedelta(hours=2)), PAGE),
    (Filter(actor="person:3", action="device.remove"), MANY // 10_000),
    (Filter(action="device", until=BORN + timedelta(hours=1)), PAGE),
    (Filter(actor="person:1", subject="lamp-000777"), 0),
]


@pytest.mark.parametrize("before", [None, MANY // 2])
async def test_each_filter_is_paged_by_index(log: Database, before: int | None) -> None:
    wrong = {}
    for wanted, number in KINDS:
        pool = Explaining(log.queries)
        found = await audit.page(pool, wanted, before, PAGE)  # type: ignore[arg-type]
        if pool.read > 1_000 or pool.through:
            wrong[str(wanted)] = f"{pool.read} rows read, through {sorted(pool.through)}"
        if before is None and len(found) != number:
            wrong[f"{wanted} #"] = f"{len(found)} found"
        ids = [line.id for line in found]
        assert ids == sorted(ids, reverse=True) and all(before is None or one < before for one in ids)
    assert wrong == {}


async def test_pages_follow_each_other_without_a_gap(log: Database) -> None:
    wanted, seen, before = Filter(action="device", until=BORN + timedelta(minutes=3)), [], None
    while lines := await audit.page(log.queries, wanted, before, 20):
        seen += [line.id for line in lines]
        before = lines[-1].id
    assert seen == [n for n in range(179, 0, -1) if n % 2 == 0]


async def test_the_words_to_choose_from_take_a_step_each(log: Database) -> None:
    pool = Explaining(log.queries)
    assert await audit.actors(pool) == ["person:1", "person:2", "person:3"]  # type: ignore[arg-type]
    assert await audit.actions(pool) == ["device.add", "device.remove", "job.retry"]  # type: ignore[arg-type]
    assert pool.read < 100 and not pool.through
