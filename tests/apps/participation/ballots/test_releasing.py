"""Live figures of secret polls move by at least ten ballots, and at least ten stay back."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.ballots import releasing
from rhinecloud.apps.participation.ballots.counting import Tally
from rhinecloud.apps.participation.ballots.releasing import BATCH, batch
from rhinecloud.apps.participation.ballots.results import settle

from .hall import Hall, Phone


@given(st.lists(st.integers(0, 60), max_size=40))
def test_no_step_is_smaller_than_ten_the_last_one_included(arrivals: list[int]) -> None:
    untold = told = 0
    for some in arrivals:
        untold += some
        step = batch(untold)
        assert step == 0 or step >= BATCH
        untold, told = untold - step, told + step
        assert told == 0 or untold >= BATCH
        assert untold < 2 * BATCH


@pytest.mark.parametrize("first", range(0, 60, 7))
async def test_the_database_releases_as_many_as_the_rule_says(hall: Hall, first: int) -> None:
    event = await hall.event()
    poll = await hall.poll(event, secret=True, results="closed")  # nothing is released by itself
    await hall.rows.execute("UPDATE poll SET results = 'live' WHERE number = $1", poll.number)
    poll = await hall.now(event, poll.number)
    numbers = [option.number for option in poll.options]
    untold = told = 0
    for some in (first, 3, 10, 1, 25):
        await hall.rows.executemany(
            "INSERT INTO ballot (poll, key, revision, choice) VALUES ($1, $2, 1, $3)",
            [(poll.number, random.randbytes(32), f"[{random.choice(numbers)}]") for _ in range(some)],
        )
        untold += some
        step = batch(untold)
        untold, told = untold - step, told + step
        await asyncio.gather(releasing.release(hall.city, poll), releasing.release(hall.other, poll))
        for whole in (False, True):
            tally = await hall.tally(poll, whole=whole)
            assert (tally.told, tally.ballots) == (told, told + untold)
            assert sum(tally.options.values()) == told
    await hall.close(poll)
    assert (await hall.tally(poll)).told == told + untold


async def test_changed_votes_move_the_figures_in_batches_too(hall: Hall) -> None:
    event = await hall.event()
    poll = await hall.poll(event, secret=True)
    a, b, _ = (option.number for option in poll.options)
    phones = [Phone() for _ in range(40)]
    await asyncio.gather(*(hall.cast(event, poll, phone, [a]) for phone in phones))

    async def figures() -> Tally:
        await releasing.release(hall.city, poll)
        return await hall.tally(poll, whole=False)

    assert (await figures()).options[a] == 30
    for changed in range(9):  # 10 stayed back: with 9 changed ones they are fewer than two batches
        await hall.cast(event, poll, phones[changed], [b], 2)
    seen = await figures()
    assert (seen.options[a], seen.options[b], seen.told) == (30, 0, 30)
    for phone in phones[9:30]:
        await hall.cast(event, poll, phone, [b], 2)
    seen = await figures()
    assert seen.options[b] >= BATCH or seen.options[a] > 30 or seen.told > 30
    assert (await hall.tally(poll, whole=True)) == seen  # an organiser sees no more than everybody


async def test_results_that_nobody_may_see_yet_are_seen_by_nobody(hall: Hall) -> None:
    event = await hall.event()
    for results in ("closed", "reveal"):
        named = await hall.poll(event, results=results)
        secret = await hall.poll(event, results=results, secret=True)
        for poll in (named, secret):
            choice: list[int] = [poll.options[0].number]
            await asyncio.gather(*(hall.cast(event, poll, Phone(), choice) for _ in range(30)))
            await releasing.release(hall.city, poll) if poll.secret else None
            seen = await hall.tally(poll, whole=False)
            assert (seen.ballots, seen.told, set(seen.options.values())) == (30, 0, {0})
        assert (await hall.tally(named, whole=True)).told == 30
        assert (await hall.tally(secret, whole=True)).told == 0
        for poll in (named, secret):
            async with hall.city.transaction() as transaction:
                await transaction.connection.execute(
                    "UPDATE poll SET revealed = true WHERE number = $1", poll.number
                )
                await settle(transaction, poll)
            told = {("closed", False): 0, ("closed", True): 0, ("reveal", False): 30, ("reveal", True): 20}
            assert (await hall.tally(poll, whole=False)).told == told[results, poll.secret]
