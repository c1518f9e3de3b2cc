"""Words that are hidden or let through, questions that are asked and supported once, and results in the graph."""

from __future__ import annotations

import asyncio

import pytest

from rhinecloud.apps.participation.ballots import closing, questions, results, words
from rhinecloud.apps.participation.ballots.casting import Refused
from rhinecloud.apps.participation.events.model import Event, Poll
from rhinecloud.city import EVERYTHING
from rhinecloud.model.errors import ResourceNotFound
from rhinecloud.people import OPEN

from .hall import Hall, Phone


async def shown(hall: Hall, poll: Poll) -> dict[str, int]:
    return dict((await hall.tally(poll, whole=False)).words)


async def test_a_hidden_word_is_gone_however_it_is_written_and_comes_back(hall: Hall) -> None:
    event = await hall.event()
    poll = await hall.poll(event, "words", most=2)
    for given in (["Mut", "Öl"], ["mut"], ["MUT", "öl"], ["Mut"], ["Pfui"]):
        await hall.cast(event, poll, Phone(), given)
    assert await shown(hall, poll) == {"Mut": 4, "Öl": 2, "Pfui": 1}
    await words.judge(hall.city, OPEN, event, poll, "PFUI", False)
    await hall.cast(event, poll, Phone(), ["pfui"])
    assert await shown(hall, poll) == {"Mut": 4, "Öl": 2}
    listed = await words.every(hall.city, poll)
    assert [(one.word, one.count, one.shown, one.judged) for one in listed] == [
        ("Mut", 4, True, False),
        ("Öl", 2, True, False),
        ("Pfui", 2, False, True),
    ]
    await words.judge(hall.city, OPEN, event, poll, "pfui", True)
    assert (await shown(hall, poll))["Pfui"] == 2


async def test_where_words_are_moderated_none_is_seen_before_it_is_let_through(hall: Hall) -> None:
    event = await hall.event()
    poll = await hall.poll(event, "words", most=2, moderated=True)
    await hall.cast(event, poll, Phone(), ["Mut", "Pfui"])
    assert await shown(hall, poll) == {}
    await words.judge(hall.city, OPEN, event, poll, "mut", True)
    assert await shown(hall, poll) == {"Mut": 1}
    await hall.close(poll)
    entity = await hall.city.broker.retrieve(results.entity_of(poll.number), sight=EVERYTHING)
    assert "Pfui" not in str(entity) and "Mut" in str(entity)
    await words.judge(hall.city, OPEN, event, await hall.now(event, poll.number), "mut", False)
    entity = await hall.city.broker.retrieve(results.entity_of(poll.number), sight=EVERYTHING)
    assert "Mut" not in str(entity)  # what is hidden later is hidden in the graph, too


async def asked(hall: Hall, event: Event, poll: Poll, phone: Phone, text: str) -> int:
    return await questions.ask(hall.city, event, poll, phone.participant, phone.invitation, text)


async def supported(hall: Hall, event: Event, poll: Poll, number: int, phone: Phone) -> bool:
    return await questions.support(hall.city, event, poll, number, phone.participant, phone.invitation)


async def test_a_question_is_seen_when_it_is_let_through_and_supported_once_by_each(hall: Hall) -> None:
    event = await hall.event()
    poll = await hall.poll(event, "questions")
    curious, people = Phone(), [Phone() for _ in range(20)]
    first = await asked(hall, event, poll, curious, " Wann  fährt die 901? ")
    assert await asked(hall, event, poll, curious, "Wann fährt die 901?") == first  # sent again
    second = await asked(hall, event, poll, people[0], "Und <b>dann</b>?")
    assert await questions.shown(hall.city, poll) == []
    assert not await supported(hall, event, poll, first, people[0])  # nobody sees it yet
    for number in (first, second):
        assert await questions.judge(hall.city, OPEN, event, poll, number, "shown")
    done = await asyncio.gather(*(supported(hall, event, poll, second, one) for one in people * 3))
    assert sum(done) == 20
    await supported(hall, event, poll, first, people[3])
    found = await questions.shown(hall.city, poll)
    assert [(one.number, one.votes, one.state) for one in found] == [
        (second, 20, "shown"),
        (first, 1, "shown"),
    ]
    assert await questions.supported(hall.city, poll, people[3].participant) == {first, second}
    await questions.judge(hall.city, OPEN, event, poll, second, "answered")
    assert [one.number for one in await questions.shown(hall.city, poll)] == [first, second]
    await questions.judge(hall.city, OPEN, event, poll, second, "hidden")
    assert [one.number for one in await questions.shown(hall.city, poll)] == [first]
    await hall.close(poll)
    assert (await questions.shown(hall.city, poll))[0].votes == 1
    who = "SELECT count(*) FILTER (WHERE participant IS NOT NULL) FROM question WHERE poll = $1"
    assert await hall.rows.fetchval(who, poll.number) == 0
    assert await hall.rows.fetchval("SELECT count(*) FROM support WHERE event = $1", event.number) == 0
    for one in (
        asked(hall, event, poll, curious, "Noch eine?"),
        supported(hall, event, poll, first, curious),
    ):
        with pytest.raises(Refused, match="closed"):
            await one


async def test_nobody_asks_without_end_and_who_is_not_invited_asks_nothing(hall: Hall) -> None:
    event = await hall.event("invitation", invitations=1)
    poll = await hall.poll(event, "questions")
    phone = Phone(invitation=1)
    outcomes = await asyncio.gather(
        *(asked(hall, event, poll, phone, f"Frage {n}?") for n in range(25)), return_exceptions=True
    )
    assert sum(isinstance(one, int) for one in outcomes) == questions.MOST_OF_ONE
    assert {one.reason for one in outcomes if isinstance(one, Refused)} == {"many"}
    with pytest.raises(Refused, match="unknown"):
        await asked(hall, event, poll, Phone(), "Und ich?")


@pytest.mark.parametrize("results_", ["live", "closed", "reveal"])
async def test_the_graph_tells_counts_once_everybody_may_know_them(hall: Hall, results_: str) -> None:
    event = await hall.event()
    poll = await hall.poll(event, "groups", results=results_, wishes=2)
    numbers = [option.number for option in poll.options]
    for wishes in (numbers[:2], numbers[1::-1], numbers[:1]):
        await hall.cast(event, poll, Phone(), wishes)
    urn = results.entity_of(poll.number)
    with pytest.raises(ResourceNotFound):
        await hall.city.broker.retrieve(urn, sight=EVERYTHING)
    await hall.close(poll)
    if results_ == "reveal":
        with pytest.raises(ResourceNotFound):
            await hall.city.broker.retrieve(urn, sight=EVERYTHING)
        for revealed in (True, False, True):
            async with hall.city.transaction() as transaction:
                await transaction.connection.execute(
                    "UPDATE poll SET revealed = $2 WHERE number = $1", poll.number, revealed
                )
                await results.settle(transaction, poll)
    entity = await hall.city.broker.retrieve(urn, sight=EVERYTHING)
    values = {name.rpartition("/")[2]: given[0]["value"] for name, given in entity.attributes.items()}
    assert (values["title"], values["eventTitle"], values["ballots"]) == ("Was nun?", "Auftakt", 3)
    assert [(one["count"], one["ranks"]) for one in values["counts"]] == [
        (2, [2, 1]),
        (1, [1, 1]),
        (0, [0, 0]),
    ]
    async with hall.city.transaction() as transaction:
        await results.forget(transaction, [poll.number])
    with pytest.raises(ResourceNotFound):
        await hall.city.broker.retrieve(urn, sight=EVERYTHING)


async def test_partitions_of_closed_polls_are_dropped_and_one_that_is_read_waits(hall: Hall) -> None:
    event = await hall.event()
    open_, poll = await hall.poll(event, secret=True), await hall.poll(event, secret=True)
    await hall.cast(event, open_, Phone(), [open_.options[0].number])
    await hall.cast(event, poll, Phone(), [poll.options[0].number])
    async with hall.city.db.transaction() as reader:  # as pg_dump does
        await reader.execute("LOCK TABLE ballot IN ACCESS SHARE MODE")
        await asyncio.wait_for(hall.close(poll), 20)
        left = "SELECT to_regclass('app_participation.ballot_' || $1::bigint) IS NOT NULL"
        assert await hall.rows.fetchval(left, poll.number)
        assert await hall.rows.fetchval("SELECT count(*) FROM ballot WHERE poll = $1", poll.number) == 0
        assert (await hall.tally(poll)).ballots == 1
    assert await closing.sweep(hall.city) >= 1 and await closing.sweep(hall.city) == 0
    assert not await hall.rows.fetchval(left, poll.number)
    assert (await hall.tally(open_)).ballots == 1 and await hall.rows.fetchval(left, open_.number)
