"""`kill -9` of workers, database and bus while 1,000 phones vote: each vote that was acknowledged counts, once.

Phones do what static/phone.js does: what was not acknowledged is sent again, as it was, after a pause that grows. Each
keeps a ledger of what it was told; in the end the polls are closed and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from tests.chaos.test_kill import City
from tests.conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve

from ..conftest import Organiser

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="kills engines; external ones are not ours"
)

PHONES = 1_000
ROUNDS = 2  # votes of each phone in each poll
SENDERS = 60  # requests at a time of all phones
VICTIMS = ("worker", "postgres", "nats-server", "worker", "postgres", "worker")


@dataclass
class Phone:
    """Somebody's phone: its cookie, and by poll the option that counts as far as it was told."""

    cookie: str = ""
    told: dict[int, int] = field(default_factory=dict)


class Hall:
    """The phones of an event, with one way out."""

    def __init__(self, base_url: str, code: str) -> None:
        self.path = f"/participation/e/{code}"
        limits = httpx.Limits(max_connections=SENDERS)
        self.http = httpx.AsyncClient(base_url=base_url, timeout=15, limits=limits)
        self.way_out = asyncio.Semaphore(SENDERS)
        self.trouble: Counter[str] = Counter()

    async def send(
        self, phone: Phone, method: str, path: str, data: dict[str, str] | None = None
    ) -> httpx.Response:
        """Until it is answered; what goes wrong in between goes wrong."""
        pause = 0.2
        while True:
            with contextlib.suppress(httpx.HTTPError):
                async with self.way_out:
                    self.http.cookies.clear()
                    answer = await self.http.request(
                        method,
                        path,
                        data=data,
                        headers={
                            "Cookie": phone.cookie,
                            "Accept": "application/json" if data else "text/html",
                            "Sec-Fetch-Site": "same-origin",
                        },
                    )
                if answer.status_code < 429:
                    return answer
                self.trouble[str(answer.status_code)] += 1
            self.trouble["again"] += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 3)

    async def join(self, phone: Phone) -> None:
        answer = await self.send(phone, "GET", self.path)
        assert answer.status_code == 200, answer.text[:2_000]
        phone.cookie = answer.headers["set-cookie"].partition(";")[0]

    async def vote(self, phone: Phone, poll: int, options: list[int], revision: int) -> None:
        chosen = random.choice([one for one in options if one != phone.told.get(poll)])
        data = {"poll": str(poll), "option": str(chosen), "revision": str(revision)}
        answer = await self.send(phone, "POST", f"{self.path}/vote", data)
        assert answer.status_code == 200, (answer.status_code, answer.text[:500])
        assert answer.json() == {"received": True, "revision": revision}
        phone.told[poll] = chosen


@pytest.fixture
def city(serve: Serve) -> Iterator[City]:
    return City(serve)


async def kill_one_after_the_other(city: City, over: asyncio.Event) -> Counter[str]:
    deaths: Counter[str] = Counter()
    for name in VICTIMS * 3:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), random.uniform(0.5, 2.0))
        if over.is_set():
            break
        pids = city.pids(name)
        if pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(random.choice(pids)).kill()
                deaths[name] += 1
    return deaths


@pytest.mark.timeout(600)
async def test_no_acknowledged_vote_is_lost_and_none_counts_twice(city: City) -> None:
    organiser = Organiser(city.server)
    event, code = organiser.event(expected=PHONES)
    polls = [
        organiser.poll(event, "single", secret=secret, options="Ja\nNein\nVielleicht")
        for secret in ("no", "yes")
    ]
    options = {poll: list(organiser.options(poll).values()) for poll in polls}
    for poll in polls:
        organiser.open(event, poll)
    hall = Hall(city.server.base_url, code)
    phones = [Phone() for _ in range(PHONES)]
    await asyncio.gather(*(hall.join(phone) for phone in phones))

    async def votes(phone: Phone) -> None:
        for revision in range(1, ROUNDS + 1):
            for poll in polls:
                await hall.vote(phone, poll, options[poll], revision)

    over = asyncio.Event()
    killing = asyncio.create_task(kill_one_after_the_other(city, over))
    await asyncio.gather(*(votes(phone) for phone in phones))
    over.set()
    deaths = await killing
    assert len(deaths) == len(set(VICTIMS)), f"too little was killed: {deaths}"
    assert hall.trouble["again"], "no phone noticed anything"
    for poll in polls:
        for _ in range(40):  # until the last that was killed is back
            try:
                organiser.close(event, poll)
                break
            except (AssertionError, httpx.HTTPError):
                await asyncio.sleep(0.5)
    for poll, table in zip(polls, ("vote", "counted"), strict=True):
        rows = organiser.rows(f"SELECT choice::text FROM app_participation.{table} WHERE poll = $1", poll)
        kept = Counter(row["choice"] for row in rows)
        assert kept == Counter(f"[{phone.told[poll]}]" for phone in phones)
        assert kept.total() == PHONES
    await hall.http.aclose()
    organiser.client.close()
