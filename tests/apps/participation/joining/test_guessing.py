"""Ten thousand guesses, while others behind the same address come in and vote."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from rhinecloud.apps.participation.events.model import CODE

from .conftest import Hall, Prepared
from .test_coming_in import OWN, Phone

GUESSES = 10_000
PEOPLE = 150


async def _guess(
    url: str, paths: Iterator[str], told: Counter[int], waits: list[str], over: asyncio.Event
) -> None:
    """Ask for these on one connection, as fast as it goes, ten thousand in all and for as long as others come in."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    while told.total() < GUESSES or not over.is_set():
        path = next(paths)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        await reader.readexactly(int(headers["content-length"]))
        told[int(head.split()[1])] += 1
        if "retry-after" in headers:
            waits.append(headers["retry-after"])
    writer.close()


def _guesses(event: Prepared) -> Iterator[str]:
    """What somebody would try who knows how codes look: numbers that there are, and a signature by chance."""
    drawn = random.Random(7)
    prefixes = [event.invitation(number)[:4] for number in range(1, 6)]
    while True:
        yield f"{event.path}/join?code={drawn.choice(prefixes)}{''.join(drawn.choices(CODE, k=12))}"


async def _person(hall: Hall, event: Prepared, number: int) -> int:
    async with Phone(hall) as phone:
        assert (await phone.get(event.join(number))).status_code == 303
        answer = await phone.vote(event)
        assert answer.json()["received"] is True, answer.text
        return answer.status_code


async def test_ten_thousand_guesses_let_nobody_in_and_disturb_nobody(hall: Hall) -> None:
    event = await hall.event(invited=PEOPLE)
    told: Counter[int] = Counter()
    waits: list[str] = []
    over, guesses = asyncio.Event(), _guesses(event)
    guessing = [asyncio.create_task(_guess(hall.url, guesses, told, waits, over)) for _ in range(8)]
    while told[429] < 100:  # the guesser has used up what an address may try before the hall comes in
        await asyncio.sleep(0.01)
    answered = []
    for start in range(1, PEOPLE + 1, 10):
        answered += await asyncio.gather(*(_person(hall, event, n) for n in range(start, start + 10)))
    over.set()
    await asyncio.gather(*guessing)
    assert answered == [200] * PEOPLE
    assert told.total() >= GUESSES and set(told) == {403, 429} and told[429] > GUESSES * 0.9
    assert len(waits) == told[429] and all(int(wait) >= 1 for wait in waits)
    assert await hall.rows.fetchval("SELECT count(*) FROM vote WHERE event = $1", event.number) == PEOPLE


async def test_guesses_of_events_are_limited_and_an_event_that_is_there_is_found(hall: Hall) -> None:
    event = await hall.event("open")
    async with httpx.AsyncClient(base_url=hall.url, headers=OWN) as client:
        drawn = random.Random(3)
        told = Counter[int]()
        for _ in range(60):
            answer = await client.get(f"/participation/e/{''.join(drawn.choices(CODE, k=6))}")
            told[answer.status_code] += 1
        assert set(told) <= {404, 429} and told[429] > 0
        assert (await client.get(event.path)).status_code == 200


async def test_who_shows_no_pass_is_counted_and_who_does_is_not(hall: Hall) -> None:
    """One phone may send no more than a phone does, and takes from the others of its address only then."""
    event = await hall.event(invited=PEOPLE)
    async with Phone(hall) as stranger:
        answers = [
            (await stranger.post(f"{event.path}/join", data={"code": "x"})).status_code for _ in range(90)
        ]
        assert answers.count(429) > 0
    assert await _person(hall, event, 1) == 200
    async with Phone(hall) as flooding:
        await flooding.get(event.join(2))
        codes = {"code": event.invitation(2)}
        answers = [(await flooding.post(f"{event.path}/join", data=codes)).status_code for _ in range(200)]
        assert answers[:50] == [303] * 50 and answers.count(429) > 0
    assert await _person(hall, event, 3) == 200


async def test_more_phones_than_are_expected_wait_at_an_open_link(hall: Hall) -> None:
    event = await hall.event("open", expected=20)
    told = Counter[int]()
    for _ in range(40):
        async with Phone(hall) as phone:
            answer = await phone.get(event.path)
            told[answer.status_code] += 1
            assert (phone.pass_of(event) is not None) == (answer.status_code == 200)
    assert told[200] >= 24 and told[429] > 0 and set(told) == {200, 429}
