"""Events in two workers of one city, on real engines: what one changes the other knows, and what nobody ended ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from rhinecloud.apps.participation.events import changing, keeping, reading, steering
from rhinecloud.apps.participation.events.drafting import EventDraft, PollDraft, Running
from rhinecloud.apps.participation.events.model import Event
from rhinecloud.apps.participation.events.templates import poll as template
from rhinecloud.city import City
from rhinecloud.people import Actor

from ..ballots.conftest import cities

__all__ = ["cities"]  # fixtures

ORGANISER = Actor("person:1", "person")
Two = tuple[City, City]


def ready(*keys: str) -> list[PollDraft]:
    return [found.draft("de") for key in keys if (found := template(key)) is not None]


async def made(city: City, *keys: str, **given: Any) -> Event:
    return await changing.create_event(city, ORGANISER, EventDraft(title="Auftakt", **given), ready(*keys))


async def test_another_worker_forgets_at_once_what_was_changed(
    cities: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_OLDEST", 3_600.0)  # so that nothing is forgotten by itself
    here, there = cities
    hearing = asyncio.create_task(keeping.hear(there))
    event = await made(here, "single")
    for _ in range(100):  # until it hears
        before = await keeping.kept(there, event.code)
        assert before is not None
        await keeping.changed(here, event)
        await asyncio.sleep(0.02)
        if await keeping.kept(there, event.code) is not before:
            break
    before = await keeping.kept(there, event.code)
    assert before is not None and before.state == "prepared"
    await steering.open_poll(here, ORGANISER, event, event.polls[0])
    for _ in range(500):
        after = await keeping.kept(there, event.code)
        if after is not before:
            break
        await asyncio.sleep(0.01)
    assert after is not None and after.shown is not None and after.shown.state == "open"
    hearing.cancel()


async def test_many_are_made_at_once_and_no_two_have_a_code(
    cities: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["AAAAAA"] * 5 + [f"AAAAA{letter}" for letter in "BCDEFGHJKLMNP"])
    monkeypatch.setattr(changing.codes, "short_code", lambda: next(drawn))
    events = await asyncio.gather(*(made(cities[number % 2]) for number in range(6)))
    assert len({event.code for event in events}) == 6
    assert len({event.key for event in events}) == 6 and all(len(event.key) == 32 for event in events)


async def test_what_nobody_ended_ends_by_itself(cities: Two) -> None:
    city = cities[0]
    now = city.clock.now()
    old = await made(city, "yes-no", starts_at=now - timedelta(days=61))
    await steering.open_poll(city, ORGANISER, old, old.polls[0])
    recent = await made(city, starts_at=now - timedelta(days=59))
    unknown = await made(city)
    await city.db.pool.execute(
        "UPDATE event SET created_at = now() - interval '366 days' WHERE number = $1", unknown.number
    )
    without = await made(city)
    for _ in range(2):
        await steering.end_left(city, None, None)  # type: ignore[arg-type]
    found = [await reading.by_number(city, one.number) for one in (old, recent, unknown, without)]
    assert [one.state for one in found if one] == ["over", "prepared", "over", "prepared"]
    assert found[0] is not None and found[0].polls[0].state == "closed"


async def test_polls_are_put_in_another_order_by_two_at_once(cities: Two) -> None:
    event = await made(cities[0], "single", "scale", "words", "questions")
    last = event.polls[-1]
    await asyncio.gather(*(changing.move_poll_up(city, ORGANISER, event, last) for city in cities))
    now = await reading.by_number(cities[1], event.number)
    assert now is not None
    assert [poll.kind for poll in now.polls] == ["single", "questions", "scale", "words"]
    for _ in range(3):
        await changing.move_poll_up(cities[0], ORGANISER, event, last)
    added = await changing.add_poll(cities[0], ORGANISER, event, ready("yes-no")[0])
    now = await reading.by_number(cities[1], event.number)
    assert now is not None
    assert [poll.kind for poll in now.polls] == ["questions", "single", "scale", "words", "single"]
    assert now.polls[-1].number == added.number


async def test_a_change_that_comes_after_opening_is_refused_as_a_whole(cities: Two) -> None:
    city = cities[0]
    event = await made(city, "single")
    poll = event.polls[0]  # as the form had it
    await steering.open_poll(cities[1], ORGANISER, event, poll)
    late = ready("yes-no")[0]
    with pytest.raises(Running):
        await changing.edit_poll(city, ORGANISER, event, poll, late)
    now = await reading.by_number(city, event.number)
    assert now is not None and now.polls[0].options == poll.options and now.polls[0].title == poll.title


async def test_what_is_gone_is_gone_for_all(cities: Two) -> None:
    event = await made(cities[0], "single")
    await changing.delete_event(cities[0], ORGANISER, event)
    other = cities[1]
    with pytest.raises(changing.Gone):
        await changing.add_poll(other, ORGANISER, event, ready("scale")[0])
    with pytest.raises(changing.Gone):
        await steering.show(other, ORGANISER, event, None)
    with pytest.raises(changing.Gone):
        await changing.edit_event(other, ORGANISER, event, EventDraft(title="x"))
    with pytest.raises(changing.Gone):
        await changing.delete_event(other, ORGANISER, event)
