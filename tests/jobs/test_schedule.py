"""Timed jobs: the city's clock through both changes of the hour, one leader, nothing queued twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhinecloud.jobs import Attempt, Jobs
from rhinecloud.jobs.schedule import Scheduler, Timed, last_due, next_due
from rhinecloud.settings import SettingsError, load
from rhinecloud.store import Database

from .conftest import Workers
from .test_queue import Desk, gone, until

BERLIN = ZoneInfo("Europe/Berlin")
# In 2026 the clocks go forward on 29 March at 2:00 (1:00 UTC) and back on 25 October at 3:00 (1:00 UTC).


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("cron", "after", "due"),
    [
        # An ordinary day, summer and winter: the same hour for people, another for UTC.
        ("30 2 * * *", "2026-07-01T00:00+02:00", ["2026-07-01T00:30Z", "2026-07-02T00:30Z"]),
        ("30 2 * * *", "2026-01-01T00:00+01:00", ["2026-01-01T01:30Z", "2026-01-02T01:30Z"]),
        # 2:30 is left out: due at 3:00 summer time, once.
        ("30 2 * * *", "2026-03-28T03:00+01:00", ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]),
        # 2:30 comes twice: due the first time only, also for one who looks in between.
        ("30 2 * * *", "2026-10-25T00:00+02:00", ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]),
        ("30 2 * * *", "2026-10-25T02:30+02:00", ["2026-10-26T01:30Z"]),
        ("30 2 * * *", "2026-10-25T02:10+01:00", ["2026-10-26T01:30Z"]),
        # Every half hour is every half hour that passes.
        ("*/30 * * * *", "2026-03-29T01:30+01:00", ["2026-03-29T01:00Z", "2026-03-29T01:30Z"]),
        ("*/30 * * * *", "2026-10-25T02:10+01:00", ["2026-10-25T01:30Z", "2026-10-25T02:00Z"]),
        ("30 * * * *", "2026-10-25T02:10+01:00", ["2026-10-25T01:30Z", "2026-10-25T02:30Z"]),
        (
            "*/30 * * * *",
            "2026-10-25T01:45+02:00",
            ["2026-10-25T00:00Z", "2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z"],
        ),
    ],
)
def test_due_times_follow_the_clocks_of_the_city(cron: str, after: str, due: list[str]) -> None:
    moment = local(after)
    for expected in due:
        moment = next_due(cron, BERLIN, moment)
        assert moment == local(expected)


@settings(max_examples=200)
@given(
    cron=st.sampled_from(["*/7 * * * *", "30 2 * * *", "30 * * * *", "0 2-4 * * *", "0 5 1 * *"]),
    after=st.datetimes(datetime(2026, 3, 28), datetime(2026, 3, 30))
    | st.datetimes(datetime(2026, 10, 24), datetime(2026, 10, 26)),
    pause=st.timedeltas(timedelta(microseconds=1), timedelta(hours=3)),
)
def test_asked_again_in_between_the_answer_stays_the_same(
    cron: str, after: datetime, pause: timedelta
) -> None:
    moment = after.replace(tzinfo=UTC)
    due = next_due(cron, BERLIN, moment)
    assert due > moment
    if moment + pause < due:
        assert next_due(cron, BERLIN, moment + pause) == due


@settings(max_examples=60)
@given(
    cron=st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 3 * * 0", "15 */6 * * *", "0 5 1 * *"]),
    begin=st.datetimes(datetime(2026, 3, 1), datetime(2026, 11, 30)),
    length=st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_the_last_due_time_is_the_last_of_all_that_follow(
    cron: str, begin: datetime, length: timedelta
) -> None:
    after = begin.replace(tzinfo=UTC)
    until_ = after + length
    every, moment = [], next_due(cron, BERLIN, after)
    while moment <= until_:
        every.append(moment)
        moment = next_due(cron, BERLIN, moment)
    assert last_due(cron, BERLIN, after, until_) == (every[-1] if every else None)


def test_a_time_zone_that_is_none_is_told_by_its_name() -> None:
    with pytest.raises(SettingsError, match="time_zone: 'Duisburg'"):
        load({"time_zone": "Duisburg"}, {})
    assert load({"time_zone": "Europe/Berlin"}, {}).time_zone == "Europe/Berlin"


def scheduler_of(jobs: Jobs, database: Database, *timed: Timed) -> Scheduler:
    """A leader whose clock the test reads out to it."""
    return Scheduler(database, BERLIN, {one.name: one for one in timed}, jobs._enqueue_timed)


async def test_a_night_in_which_the_clocks_change_has_one_nightly_run(
    database: Database, workers: Workers
) -> None:
    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("nightly", desk))
    leader = scheduler_of(jobs, database, Timed("nightly", "30 2 * * *", b'"report"'))
    seen: list[datetime | None] = []
    async with database.pool.acquire() as connection:
        for day in ("2026-03-28T12:00Z", "2026-10-24T12:00Z"):
            now = local(day)
            await connection.execute("DELETE FROM job_schedule WHERE name = 'nightly'")
            for _ in range(2 * 48):
                soonest = await leader.once(connection, now)
                assert soonest == next_due("30 2 * * *", BERLIN, now)
                now += timedelta(minutes=30)
                await until(lambda: gone(jobs))
            while not desk.seen.empty():
                payload, attempt = desk.seen.get_nowait()
                assert payload == "report"
                seen.append(attempt.due)
    assert seen == [
        local(moment)
        for moment in ("2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00")
        + ("2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00")
    ]


async def test_what_was_missed_is_made_up_for_once(database: Database, workers: Workers) -> None:
    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("hourly", desk))
    leader = scheduler_of(jobs, database, Timed("hourly", "0 * * * *", b"null"))
    async with database.pool.acquire() as connection:
        await leader.once(connection, local("2026-06-01T00:30Z"))
        assert await jobs.list() == []  # a new schedule begins with its next time
        await leader.once(connection, local("2026-06-01T09:10Z"))
        await leader.once(connection, local("2026-06-01T09:20Z"))
        assert (await desk.next())[1].due == local("2026-06-01T09:00Z")
        await until(lambda: gone(jobs))
        # Another expression begins anew as well.
        changed = scheduler_of(jobs, database, Timed("hourly", "15 * * * *", b"null"))
        await changed.once(connection, local("2026-06-01T12:30Z"))
        await changed.once(connection, local("2026-06-01T13:15Z"))
        assert (await desk.next())[1].due == local("2026-06-01T13:15Z")
    assert desk.seen.empty()


async def test_a_clock_that_was_put_back_stops_nothing(database: Database, workers: Workers) -> None:
    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("hourly", desk))
    leader = scheduler_of(jobs, database, Timed("hourly", "0 * * * *", b"null"))
    async with database.pool.acquire() as connection:
        await leader.once(connection, local("2026-07-10T00:30Z"))  # a clock that was forty days ahead
        await leader.once(connection, local("2026-06-01T00:30Z"))
        await leader.once(connection, local("2026-06-01T01:01Z"))
        assert (await desk.next())[1].due == local("2026-06-01T01:00Z")
        await until(lambda: gone(jobs))
        # Machines differ by a little: who takes over with a clock that is behind repeats nothing.
        await leader.once(connection, local("2026-06-01T00:59:58Z"))
        await leader.once(connection, local("2026-06-01T01:00:30Z"))
        assert await jobs.list() == []
    assert desk.seen.empty()


async def test_two_who_both_take_themselves_for_the_leader_queue_once(
    database: Database, workers: Workers
) -> None:
    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("hourly", desk))
    leader = scheduler_of(jobs, database, Timed("hourly", "0 * * * *", b"null"))
    async with database.pool.acquire() as one, database.pool.acquire() as other:
        now = local("2026-06-01T00:30Z")
        await leader.once(one, now)
        for _ in range(10):
            now += timedelta(hours=1)
            await asyncio.gather(leader.once(one, now), leader.once(other, now))
            await desk.next()
            await until(lambda: gone(jobs))
    assert desk.seen.empty()


async def test_a_run_that_is_not_over_is_not_queued_again(database: Database, workers: Workers) -> None:
    go = asyncio.Event()
    begun: asyncio.Queue[datetime | None] = asyncio.Queue()

    async def slow(payload: Any, attempt: Attempt) -> None:
        begun.put_nowait(attempt.due)
        await go.wait()

    jobs = await workers.begin(lambda j: j.register("hourly", slow))
    leader = scheduler_of(jobs, database, Timed("hourly", "0 * * * *", b"null"))
    async with database.pool.acquire() as connection:
        await leader.once(connection, local("2026-06-01T00:30Z"))
        await leader.once(connection, local("2026-06-01T01:30Z"))
        async with asyncio.timeout(20):
            assert await begun.get() == local("2026-06-01T01:00Z")
        await leader.once(connection, local("2026-06-01T02:30Z"))
        assert len(await jobs.list()) == 1
        go.set()
        await until(lambda: gone(jobs))
        await leader.once(connection, local("2026-06-01T03:30Z"))
        async with asyncio.timeout(20):
            assert await begun.get() == local("2026-06-01T03:00Z")


async def test_of_two_workers_one_leads_and_the_other_follows_it(
    database: Database, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhinecloud.jobs.schedule._AGAIN", 0.05)
    desk = Desk()

    def prepare(jobs: Jobs) -> None:
        jobs.register("minutely", desk)
        jobs.schedule("minutely", "* * * * *", "hello")

    async def missed() -> None:
        """As if the last run had been an hour ago."""
        await database.pool.execute(
            "INSERT INTO job_schedule (name, cron, told_until) VALUES ('minutely', '* * * * *', $1)"
            " ON CONFLICT (name) DO UPDATE SET told_until = excluded.told_until",
            datetime.now(UTC) - timedelta(hours=1),
        )

    await missed()
    both = [await workers.begin(prepare), await workers.begin(prepare)]

    async def leads() -> list[bool]:
        return [(await jobs.health())["schedule_here"] for jobs in both]

    async def one_leads() -> bool:
        return sum(await leads()) == 1

    await until(one_leads)
    payload, attempt = await desk.next()
    assert payload == "hello"
    assert attempt.due is not None and attempt.due > datetime.now(UTC) - timedelta(minutes=5)
    leader = both[(await leads()).index(True)]
    follower = both[(await leads()).index(False)]
    (known,) = [one for one in await follower.schedules() if one.name == "minutely"]
    assert known.queued_at is not None and known.next_at > datetime.now(UTC) - timedelta(minutes=1)

    await leader.close()
    both.remove(leader)
    await until(one_leads)
    while not desk.seen.empty():
        desk.seen.get_nowait()
    await missed()
    await follower.close()
    successor = await workers.begin(prepare)
    assert (await desk.next())[0] == "hello"
    assert (await successor.health())["schedule_here"]
