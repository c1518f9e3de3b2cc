"""One person, one vote, received once: repeats, two tabs, two phones, two workers, late and later."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import Any

import pytest

from rhinecloud.apps.participation.ballots import casting, closing
from rhinecloud.apps.participation.ballots.casting import Receipt, Refused, Vote
from rhinecloud.apps.participation.ballots.choices import Choice
from rhinecloud.apps.participation.events.drafting import Running
from rhinecloud.apps.participation.events.model import Poll
from rhinecloud.people import OPEN

from .hall import Hall, Phone

SECRET = pytest.mark.parametrize("secret", [False, True], ids=["named", "secret"])


async def refused(cast: Awaitable[Any]) -> str:
    with pytest.raises(Refused) as found:
        await cast
    assert all(found.value.text)
    return found.value.reason


@SECRET
async def test_a_vote_that_comes_again_or_late_changes_nothing(hall: Hall, secret: bool) -> None:
    event = await hall.event()
    poll = await hall.poll(event, secret=secret)
    a, b, c = (option.number for option in poll.options)
    phone = Phone()
    assert await hall.own(poll, phone) is None
    assert await hall.cast(event, poll, phone, [a], 10) == Receipt(10, True, [a])
    assert await hall.cast(event, poll, phone, [a], 10, other=True) == Receipt(10, False, [a])
    assert await hall.cast(event, poll, phone, [b], 12, other=True) == Receipt(12, True, [b])
    assert await hall.cast(event, poll, phone, [c], 11) == Receipt(12, False, [b])
    assert await hall.cast(event, poll, phone, [c], 12) == Receipt(12, False, [b])  # two tabs, one revision
    own = await hall.own(poll, phone)
    assert own is not None and (own.choice, own.revision) == ([b], 12)
    # A form without JavaScript knows no revision.
    assert await hall.cast(event, poll, phone, [c], 0) == Receipt(13, True, [c])
    assert await hall.cast(event, poll, phone, [c], 0) == Receipt(13, False, [c])
    assert await hall.cast(event, poll, phone, [a], 10**15) == Receipt(
        casting.NEWEST, True, [a]
    )  # it holds no time
    await hall.close(poll)
    tally = await hall.tally(poll)
    assert (tally.ballots, tally.options) == (1, {a: 1, b: 0, c: 0})


@SECRET
async def test_many_tabs_at_two_workers_are_one_vote_and_all_are_told_the_same(
    hall: Hall, secret: bool
) -> None:
    event = await hall.event()
    poll = await hall.poll(event, secret=secret)
    numbers = [option.number for option in poll.options]
    phones = [Phone() for _ in range(15)]
    votes = [
        (phone, [random.choice(numbers)], revision, random.random() < 0.5)
        for phone in phones
        for revision in (1, 2, 3, 2, 3, 1)
    ]
    random.shuffle(votes)
    receipts = await asyncio.gather(
        *(
            hall.cast(event, poll, phone, choice, revision, other=other)
            for phone, choice, revision, other in votes
        )
    )
    assert all(receipt.revision >= vote[2] for receipt, vote in zip(receipts, votes, strict=True))
    for phone in phones:
        own = await hall.own(poll, phone)
        assert own is not None and own.revision == 3
        told = {
            tuple(r.choice) for r, v in zip(receipts, votes, strict=True) if v[0] is phone and r.revision == 3
        }  # type: ignore[arg-type]
        assert told == {tuple(own.choice)}  # type: ignore[arg-type]
    assert (await hall.tally(poll)).ballots == len(phones)


async def test_a_second_phone_of_one_person_changes_a_named_vote_and_has_none_in_a_secret_poll(
    hall: Hall,
) -> None:
    event = await hall.event("invitation", invitations=2)
    first = Phone(invitation=1)
    second = Phone(participant=first.participant, invitation=1)
    named, secret = await hall.poll(event), await hall.poll(event, secret=True)
    for poll in (named, secret):
        await hall.cast(event, poll, first, [poll.options[0].number], 1)
    changed = await hall.cast(event, named, second, [named.options[1].number], 2)
    assert changed.changed and (await hall.tally(named)).ballots == 1
    again = [hall.cast(event, secret, second, [secret.options[1].number], n) for n in (1, 2, 2)]
    for one in again:
        assert await refused(one) == "used"
    assert (await hall.cast(event, secret, first, [secret.options[1].number], 5)).changed
    assert await casting.has_voted(hall.city, secret, first.participant)
    await hall.close(secret)
    assert (await hall.tally(secret)).options[secret.options[1].number] == 1
    assert not await casting.has_voted(hall.city, secret, first.participant)


async def test_two_phones_of_one_person_at_once_are_one_secret_vote(hall: Hall) -> None:
    event = await hall.event()
    poll = await hall.poll(event, secret=True)
    for _ in range(10):
        first = Phone()
        second = Phone(participant=first.participant)
        outcomes = await asyncio.gather(
            hall.cast(event, poll, first, [poll.options[0].number]),
            hall.cast(event, poll, second, [poll.options[1].number], other=True),
            hall.cast(event, poll, second, [poll.options[1].number]),
            return_exceptions=True,
        )
        kept = [isinstance(one, Receipt) for one in outcomes]
        assert kept in ([True, False, False], [False, True, True]), outcomes
    assert (await hall.tally(poll)).ballots == 10


async def test_who_was_not_invited_or_not_any_more_has_no_vote(hall: Hall) -> None:
    event = await hall.event("invitation", invitations=3)
    poll = await hall.poll(event)
    choice: list[int] = [poll.options[0].number]
    await hall.rows.execute(
        "UPDATE invitation SET revoked = true WHERE event = $1 AND number = 2", event.number
    )
    outcomes = await asyncio.gather(
        *(hall.cast(event, poll, Phone(invitation=n), choice) for n in (1, 2, 3, 77, None)),
        return_exceptions=True,
    )
    reasons = [one.reason if isinstance(one, Refused) else one for one in outcomes]
    assert reasons == [Receipt(1, True, choice), "revoked", Receipt(1, True, choice), "unknown", "unknown"]
    kinds = await hall.rows.fetch("SELECT kind FROM participant WHERE event = $1", event.number)
    assert [row["kind"] for row in kinds] == ["club", "club"]


@SECRET
async def test_nothing_is_taken_before_opening_and_after_closing_and_closing_comes_once(
    hall: Hall, secret: bool
) -> None:
    event = await hall.event()
    poll = await hall.poll(event, secret=secret, opened=False)
    choice: list[int] = [poll.options[0].number]
    assert await refused(hall.cast(event, poll, Phone(), choice)) == "closed"
    await closing.open_poll(hall.city, OPEN, poll)
    await closing.open_poll(hall.other, OPEN, poll)
    phone = Phone()
    assert await refused(hall.cast(event, poll, phone, choice)) == "busy"  # as it was known before opening
    poll = await hall.now(event, poll.number)
    await hall.cast(event, poll, phone, choice)
    await asyncio.gather(hall.close(poll), closing.close_poll(hall.other, OPEN, poll), hall.close(poll))
    assert await refused(hall.cast(event, poll, phone, choice, 2)) == "closed"
    assert await refused(hall.cast(event, poll, Phone(), choice, other=True)) == "closed"
    with pytest.raises(Running):
        await closing.open_poll(hall.city, OPEN, poll)
    assert (await hall.tally(poll)).ballots == 1
    lines = await hall.rows.fetch(
        "SELECT action, detail FROM tenant_city.audit WHERE subject = $1 ORDER BY id", f"poll:{poll.number}"
    )
    assert [line["action"] for line in lines] == ["participation.open_poll", "participation.close_poll"]


@SECRET
async def test_votes_that_meet_closing_are_counted_or_refused_and_never_between(
    hall: Hall, secret: bool
) -> None:
    event = await hall.event()
    for _ in range(3):
        poll = await hall.poll(event, secret=secret)
        choice: list[int] = [poll.options[0].number]

        async def vote_until_refused(other: bool, poll: Poll = poll, choice: Choice = choice) -> int:
            taken = 0
            while True:
                try:
                    taken += (await hall.cast(event, poll, Phone(), choice, other=other)).changed
                except Refused as refusal:
                    assert refusal.reason == "closed"
                    return taken

        async def close(poll: Poll = poll) -> None:
            await asyncio.sleep(0.1)
            await hall.close(poll)

        *taken, _ = await asyncio.gather(*(vote_until_refused(n % 2 == 0) for n in range(30)), close())
        assert (await hall.tally(poll)).ballots == sum(n or 0 for n in taken) > 0


async def test_a_vote_on_paper_counts_once_and_replaces_no_vote_of_a_phone(hall: Hall) -> None:
    event = await hall.event("invitation", invitations=6)
    for secret in (False, True):
        poll = await hall.poll(event, secret=secret)
        a, b, _ = (option.number for option in poll.options)
        paper, phone = Phone(invitation=1 + 3 * secret), Phone(invitation=2 + 3 * secret)
        await hall.cast(event, poll, phone, [a])

        def on_paper(one: Phone, choice: list[int], poll: Any = poll) -> Awaitable[Receipt]:
            vote = Vote(
                event=event,
                poll=poll,
                participant=one.participant,
                invitation=one.invitation,
                choice=choice,
                on_paper=True,
                actor="person:7",
            )
            return casting.cast(hall.city, vote)

        assert (await on_paper(paper, [a])).changed
        assert await refused(on_paper(phone, [b])) == "used"
        if secret:
            assert await refused(on_paper(paper, [b])) == "used"
            assert await refused(hall.cast(event, poll, paper, [b])) == "used"
        else:  # a helper may correct what was misread
            assert not (await on_paper(paper, [a])).changed
            assert (await on_paper(paper, [b])).changed
        await hall.close(poll)
        expected = {False: {a: 1, b: 1}, True: {a: 2, b: 0}}[secret]
        found = (await hall.tally(poll)).options
        assert {a: found[a], b: found[b]} == expected
        lines = await hall.rows.fetch(
            "SELECT actor, detail::text FROM tenant_city.audit WHERE subject = $1",
            f"invitation:{event.number}.{paper.invitation}",
        )
        assert lines and all(line["actor"] == "person:7" for line in lines)
        numbers = {str(option.number) for option in poll.options}
        assert not any(
            number in line["detail"].replace(str(poll.number), "") for line in lines for number in numbers
        )


async def test_a_vote_that_the_database_refuses_disturbs_no_other(hall: Hall) -> None:
    event = await hall.event()
    poll = await hall.poll(event, "words", most=1)
    votes = [hall.cast(event, poll, Phone(), ["gut"]) for _ in range(20)]
    broken = hall.cast(event, poll, Phone(), ["\x00"])  # `choices` lets none such through
    outcomes = await asyncio.gather(*votes[:10], broken, *votes[10:], return_exceptions=True)
    assert isinstance(outcomes[10], Refused)
    assert all(isinstance(one, Receipt) for n, one in enumerate(outcomes) if n != 10)
    assert (await hall.tally(poll)).ballots == 20


async def test_more_than_can_wait_is_refused_at_once_and_nothing_that_was_taken_is_lost(hall: Hall) -> None:
    event = await hall.event()
    poll = await hall.poll(event)
    choice: list[int] = [poll.options[0].number]
    outcomes = await asyncio.gather(
        *(hall.cast(event, poll, Phone(), choice) for _ in range(6_000)), return_exceptions=True
    )
    taken = [one for one in outcomes if isinstance(one, Receipt)]
    refusals = [one for one in outcomes if isinstance(one, Refused)]
    assert len(taken) + len(refusals) == 6_000 and refusals
    assert all(one.reason == "busy" and one.retry_after > 0 for one in refusals)
    assert (await hall.tally(poll)).ballots == len(taken)
    insistent = Phone()
    again = await asyncio.gather(
        *(hall.cast(event, poll, insistent, choice, n) for n in range(1, 40)), return_exceptions=True
    )
    assert sum(isinstance(one, Refused) for one in again) == 19


async def test_arrival_is_the_order_of_first_votes(hall: Hall) -> None:
    event = await hall.event()
    poll = await hall.poll(event, "groups", by="arrival")
    numbers = [option.number for option in poll.options]
    phones = [Phone() for _ in range(30)]
    await asyncio.gather(*(hall.cast(event, poll, phone, numbers[:2]) for phone in phones))
    await hall.cast(event, poll, phones[0], numbers[::-1], 2)
    rows = await hall.rows.fetch("SELECT participant FROM vote WHERE poll = $1 ORDER BY arrival", poll.number)
    assert [row["participant"] for row in rows] == [phone.participant for phone in phones]
    tally = await hall.tally(poll)
    assert tally.options == {numbers[0]: 29, numbers[1]: 0, numbers[2]: 1}
    assert tally.ranks == {numbers[0]: [29, 0, 1], numbers[1]: [0, 30, 0], numbers[2]: [1, 0, 0]}
