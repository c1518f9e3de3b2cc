"""Jobs on a real PostgreSQL: with the caller's transaction or not at all, at least once, with pauses, dead and seen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.core.qm import QueueManager
from pgqueuer.queries import Queries

from rhinecloud.jobs import Attempt, GiveUp, JobRecord, Jobs, Later, NotDead
from rhinecloud.store import Database

from .conftest import Workers

PATIENCE = 20.0


class Letter(msgspec.Struct, frozen=True):
    """A payload."""

    to: str
    lines: int = 1


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """What the condition returns, as soon as it is true."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
        return found


class Desk:
    """A handler that writes down what it is given, and fails as often as it is told."""

    def __init__(self, failures: int = 0, error: Exception | None = None) -> None:
        self.seen: asyncio.Queue[tuple[Any, Attempt]] = asyncio.Queue()
        self.failures = failures
        self.error = error or ValueError("no luck")

    async def __call__(self, payload: Any, attempt: Attempt) -> None:
        self.seen.put_nowait((payload, attempt))
        if self.failures > 0:
            self.failures -= 1
            raise self.error

    async def next(self) -> tuple[Any, Attempt]:
        async with asyncio.timeout(PATIENCE):
            return await self.seen.get()


async def gone(jobs: Jobs) -> bool:
    return not await jobs.list()


async def dead(jobs: Jobs) -> list[JobRecord]:
    return list(await jobs.list("dead"))


async def test_the_tables_are_those_that_the_library_declares(database: Database) -> None:
    async with database.pool.acquire() as connection:
        plan = await Queries.from_asyncpg_connection(connection).plan_upgrade()
    # It would replace the function that wakes the workers whatever it is; ours also tells of a job put off.
    assert [text for text in plan.statements if "fn_pgqueuer_changed" not in text] == []


async def test_a_job_of_a_transaction_that_is_rolled_back_never_was(
    database: Database, workers: Workers
) -> None:
    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("letter", desk, Letter))
    with pytest.raises(RuntimeError, match="rolled back"):
        async with database.transaction() as connection:
            await jobs.enqueue(connection, "letter", Letter("a"))
            raise RuntimeError("rolled back")
    async with database.transaction() as connection:
        kept = await jobs.enqueue(connection, "letter", Letter("b", 2))
        assert await jobs.list() == []  # not before the commit
    payload, attempt = await desk.next()
    assert payload == Letter("b", 2)
    assert (attempt.job, attempt.name, attempt.number, attempt.last, attempt.due) == (
        kept,
        "letter",
        1,
        False,
        None,
    )
    await until(lambda: gone(jobs))
    assert desk.seen.empty()


async def enqueue(database: Database, jobs: Jobs, name: str, payload: Any = None, **more: Any) -> int | None:
    """Queue a job in a transaction of its own."""
    async with database.transaction() as connection:
        return await jobs.enqueue(connection, name, payload, **more)


async def test_a_failure_is_tried_again_and_counted(database: Database, workers: Workers) -> None:
    desk = Desk(failures=2)
    jobs = await workers.begin(lambda j: j.register("letter", desk, attempts=3, first_pause=0.05))
    await enqueue(database, jobs, "letter", "x")
    attempts = [(await desk.next())[1] for _ in range(3)]
    assert [(a.number, a.last) for a in attempts] == [(1, False), (2, False), (3, True)]
    await until(lambda: gone(jobs))


async def test_a_dead_job_is_seen_and_run_again(database: Database, workers: Workers) -> None:
    desk = Desk(failures=2, error=ValueError("the office is closed"))
    jobs = await workers.begin(lambda j: j.register("letter", desk, attempts=2, first_pause=0.05))
    job = await enqueue(database, jobs, "letter", {"to": "Amt"}, key="7")
    assert job is not None
    (record,) = await until(lambda: dead(jobs))
    assert (record.id, record.name, record.state, record.attempts) == (job, "letter", "dead", 2)
    assert (record.payload, record.key) == ('{"to":"Amt"}', "7")
    assert record.reason == "ValueError: the office is closed"
    assert record.trace is not None and "__call__" in record.trace
    assert (await jobs.health())["dead"] == 1
    desk.seen = asyncio.Queue()

    await jobs.retry(job, "somebody")
    payload, attempt = await desk.next()
    assert (payload, attempt.number) == ({"to": "Amt"}, 1)
    await until(lambda: gone(jobs))
    with pytest.raises(NotDead):
        await jobs.retry(job, "somebody")
    audit = await database.pool.fetch("SELECT actor, action, subject FROM audit")
    assert [tuple(line) for line in audit] == [("somebody", "job.retry", str(job))]


async def test_a_dead_job_can_be_discarded(database: Database, workers: Workers) -> None:
    jobs = await workers.begin(lambda j: j.register("letter", Desk(1, GiveUp("nobody of that name"))))
    job = await enqueue(database, jobs, "letter", [1])
    (record,) = await until(lambda: dead(jobs))
    assert (record.attempts, record.reason) == (1, "nobody of that name")
    await jobs.discard(record.id, "somebody")
    assert await jobs.get(record.id) is None
    detail = await database.pool.fetchval("SELECT detail FROM audit WHERE subject = $1", str(job))
    assert msgspec.json.decode(detail) == {"name": "letter", "payload": [1], "reason": "nobody of that name"}
    with pytest.raises(NotDead):
        await jobs.discard(record.id, "somebody")


async def test_a_payload_that_does_not_fit_is_dead_at_once(database: Database, workers: Workers) -> None:
    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("letter", desk, Letter))
    await enqueue(database, jobs, "letter", {"to": 5})
    (record,) = await until(lambda: dead(jobs))
    assert record.attempts == 1
    assert record.reason is not None and "$.to" in record.reason
    assert desk.seen.empty()


async def test_a_handler_says_when_to_come_again(database: Database, workers: Workers) -> None:
    desk = Desk(failures=1, error=Later(0.05, "closed for lunch"))
    jobs = await workers.begin(lambda j: j.register("letter", desk, first_pause=3_600))
    await enqueue(database, jobs, "letter")
    assert [(await desk.next())[1].number for _ in range(2)] == [1, 2]


async def test_an_attempt_that_takes_too_long_is_a_failure(database: Database, workers: Workers) -> None:
    async def stay(payload: Any, attempt: Attempt) -> None:
        await asyncio.Event().wait()

    jobs = await workers.begin(lambda j: j.register("stay", stay, attempts=1, timeout=0.1))
    await enqueue(database, jobs, "stay")
    (record,) = await until(lambda: dead(jobs))
    assert record.reason == "TimeoutError: not done within 0.1 s"


async def test_what_was_cancelled_inside_a_job_does_not_lose_the_job(
    database: Database, workers: Workers
) -> None:
    async def cancelled(payload: Any, attempt: Attempt) -> None:
        raise asyncio.CancelledError

    jobs = await workers.begin(lambda j: j.register("odd", cancelled, attempts=1))
    await enqueue(database, jobs, "odd")
    (record,) = await until(lambda: dead(jobs))
    assert record.reason is not None and "cancelled" in record.reason


async def test_a_job_is_not_begun_before_its_time(database: Database, workers: Workers) -> None:
    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("letter", desk))
    at = datetime.now(UTC) + timedelta(hours=1)
    later = await enqueue(database, jobs, "letter", "later", at=at)
    now = await enqueue(database, jobs, "letter", "now", at=datetime.now(UTC) - timedelta(hours=1))
    assert (await desk.next())[1].job == now

    async def only_later() -> bool:
        return [record.id for record in await jobs.list()] == [later]

    await until(only_later)
    (record,) = await jobs.list("waiting")
    assert abs(record.due_at - at) < timedelta(seconds=1)
    assert desk.seen.empty()


async def test_a_key_is_queued_once_while_it_waits(database: Database, workers: Workers) -> None:
    def nobody(jobs: Jobs) -> None:
        """No handler: whatever is queued waits."""

    jobs = await workers.begin(nobody)
    first = await enqueue(database, jobs, "letter", 1, key="a")
    assert first is not None
    assert await enqueue(database, jobs, "letter", 2, key="a") is None
    assert await enqueue(database, jobs, "letter", 3, key="b") is not None
    assert await enqueue(database, jobs, "report", 4, key="a") is not None
    assert [(r.name, r.key, r.payload) for r in await jobs.list()] == [
        ("report", "a", "4"),
        ("letter", "b", "3"),
        ("letter", "a", "1"),
    ]
    assert [r.payload for r in await jobs.list(name="letter", limit=1)] == ["3"]
    assert [r.payload for r in await jobs.list(name="letter", before=first + 1)] == ["1"]


async def test_a_dead_job_gives_way_to_a_newer_one_of_its_key(database: Database, workers: Workers) -> None:
    desk = Desk(failures=1, error=GiveUp("no"))
    jobs = await workers.begin(lambda j: j.register("letter", desk))
    job = await enqueue(database, jobs, "letter", 1, key="a")
    assert job is not None
    await until(lambda: dead(jobs))
    assert await enqueue(database, jobs, "letter", 2, key="a", at=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(NotDead, match="another job with the key"):
        await jobs.retry(job, "somebody")
    assert len(await jobs.list("dead")) == 1


async def test_many_are_queued_and_each_is_done_once(database: Database, workers: Workers) -> None:
    done: list[int] = []

    async def note(payload: int, attempt: Attempt) -> None:
        done.append(payload)

    first = await workers.begin(lambda j: j.register("note", note, int), lease=30)
    await workers.begin(lambda j: j.register("note", note, int), lease=30)
    async with database.transaction() as connection:
        jobs = await first.enqueue_many(connection, "note", range(1_000))
    assert len(set(jobs)) == 1_000
    await until(lambda: gone(first))
    assert sorted(done) == list(range(1_000))


async def test_no_more_at_once_than_allowed_over_all_workers(database: Database, workers: Workers) -> None:
    running = most = 0

    async def work(payload: Any, attempt: Attempt) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    prepared = [await workers.begin(lambda j: j.register("one", work, at_once=1), lease=30) for _ in "ab"]
    for number in range(6):
        await enqueue(database, prepared[0], "one", number)
    await until(lambda: gone(prepared[0]))
    assert most == 1


async def test_what_a_stopping_worker_interrupts_is_queued_again(
    database: Database, workers: Workers
) -> None:
    begun = asyncio.Event()

    async def stay(payload: Any, attempt: Attempt) -> None:
        begun.set()
        await asyncio.Event().wait()

    stopping = await workers.begin(lambda j: j.register("job", stay, attempts=1), lease=30)
    job = await enqueue(database, stopping, "job")
    assert job is not None
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
    await stopping.close(grace=0.1)
    record = await stopping.get(job)
    assert record is not None and (record.state, record.attempts) == ("waiting", 0)

    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("job", desk, attempts=1))
    assert (await desk.next())[1].number == 1
    await until(lambda: gone(jobs))


async def test_work_goes_on_after_all_connections_were_lost(database: Database, workers: Workers) -> None:
    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("letter", desk))
    await enqueue(database, jobs, "letter", 1)
    assert (await desk.next())[0] == 1
    cut = await database.pool.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert cut >= 3  # among them the one that is told of new jobs
    for number in (2, 3):
        await enqueue(database, jobs, "letter", number)
        while (await desk.next())[0] != number:
            pass
    await until(lambda: gone(jobs))


async def test_a_retry_that_cannot_be_written_down_is_no_death(
    database: Database, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_off, away = Queries.retry_job, [asyncpg.ConnectionDoesNotExistError("away")]

    async def at_first_away(*arguments: Any) -> None:
        if away:
            raise away.pop()
        await put_off(*arguments)

    monkeypatch.setattr(Queries, "retry_job", at_first_away)
    desk = Desk(failures=1)
    jobs = await workers.begin(lambda j: j.register("letter", desk, first_pause=0.05))
    await enqueue(database, jobs, "letter")
    assert [(await desk.next())[1].number for _ in range(2)] == [1, 1]
    await until(lambda: gone(jobs))
    assert not away


async def test_who_asks_before_it_listens_is_not_taken_for_deaf(
    database: Database, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen, probe = AsyncpgPoolDriver.add_listener, QueueManager.listener_healthy
    asked, heard = asyncio.Event(), asyncio.Event()
    managers: list[QueueManager] = []

    async def listen_late(*arguments: Any) -> None:
        await asked.wait()
        await asyncio.sleep(0.1)  # the question is on its way, and finds nobody
        await listen(*arguments)

    async def ask(manager: QueueManager, timeout: timedelta) -> Any:
        managers.append(manager)
        asked.set()
        answer = await probe(manager, timeout)
        heard.set()
        return answer

    monkeypatch.setattr(AsyncpgPoolDriver, "add_listener", listen_late)
    monkeypatch.setattr(QueueManager, "listener_healthy", ask)
    await workers.begin(lambda j: j.register("letter", Desk()))
    async with asyncio.timeout(PATIENCE):
        await heard.wait()
    assert len(managers) > 1
    assert len(set(map(id, managers))) == 1  # the worker did not begin again


def test_names_are_registered_once_and_schedules_can_be_due() -> None:
    pool: Any = type("Nothing", (), {"pool": None, "tenant": "city"})()
    jobs = Jobs(pool, "Europe/Berlin")
    jobs.register("letter", Desk())
    with pytest.raises(ValueError, match="already"):
        jobs.register("letter", Desk())
    with pytest.raises(ValueError, match="no handler for report"):
        jobs.schedule("report", "* * * * *")
    with pytest.raises(ValueError, match="not a cron expression"):
        jobs.schedule("letter", "61 * * * *")
