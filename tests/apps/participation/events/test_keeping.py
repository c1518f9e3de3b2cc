"""What a worker remembers of events: one question for all who ask at once, and nothing for longer than a second."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rhinecloud.apps.participation.events import keeping
from rhinecloud.apps.participation.events.model import Event


class Database:
    """Answers by code, and counts how often it was asked."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.asked: list[str] = []
        self.go = asyncio.Event()
        self.go.set()

    def has(self, code: str, title: str = "") -> None:
        self.events[code] = Event(
            number=1, code=code, title=title, lead="", admission="open", expected=1, state="open", key=b"",
            starts_at=None, current=None,
        )  # fmt: skip

    async def by_code(self, city: Any, code: str) -> Event | None:
        self.asked.append(code)
        found = self.events.get(code)
        await self.go.wait()
        if found is not None and found.title == "broken":
            raise OSError("the database is away")
        return found


class Town:
    """As much of a City as is needed."""

    def __init__(self) -> None:
        self.bus = self
        self.told: list[tuple[str, bytes]] = []
        self.refreshed: list[str] = []

    async def tell(self, subject: str, payload: bytes) -> None:
        self.told.append((subject, payload))

    async def refresh(self, path: str) -> None:
        self.refreshed.append(path)


@pytest.fixture
async def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    found = Database()
    monkeypatch.setattr(keeping.reading, "by_code", found.by_code)
    return found


@pytest.fixture
def town() -> Any:
    return Town()


async def test_a_crowd_asks_once_and_one_who_leaves_disturbs_nobody(database: Database, town: Any) -> None:
    database.has("ABCDEF")
    database.go.clear()
    crowd = [asyncio.create_task(keeping.kept(town, code)) for code in ("ABCDEF", "abc def", "ABC-DEF") * 100]
    await asyncio.sleep(0)
    crowd[0].cancel()
    database.go.set()
    found = await asyncio.gather(*crowd, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(isinstance(one, Event) for one in found[1:])
    assert database.asked == ["ABCDEF"]


async def test_after_a_second_it_is_asked_anew(
    database: Database, town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(keeping.time, "monotonic", lambda: now[0])
    database.has("ABCDEF", "vorher")
    await keeping.kept(town, "ABCDEF")
    database.has("ABCDEF", "nachher")
    now[0] += 0.99
    before = await keeping.kept(town, "ABCDEF")
    now[0] += 0.02
    after = await keeping.kept(town, "ABCDEF")
    assert before is not None and after is not None
    assert (before.title, after.title) == ("vorher", "nachher")


async def test_who_asks_after_a_change_is_not_told_what_was_before(database: Database, town: Any) -> None:
    database.has("ABCDEF", "vorher")
    database.go.clear()
    early = asyncio.create_task(keeping.kept(town, "ABCDEF"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert database.asked == ["ABCDEF"]  # it is being asked when the change comes
    database.has("ABCDEF", "nachher")
    keeping.forget(town, "ABCDEF")
    late = asyncio.create_task(keeping.kept(town, "ABCDEF"))
    await asyncio.sleep(0)
    database.go.set()
    first, second = await early, await late
    assert first is not None and second is not None
    assert (first.title, second.title) == ("vorher", "nachher")
    third = await keeping.kept(town, "ABCDEF")
    assert third is not None and third.title == "nachher"


async def test_a_change_is_told_before_the_pages_are_shown_anew(database: Database, town: Any) -> None:
    database.has("ABCDEF")
    event = await keeping.kept(town, "ABCDEF")
    assert event is not None
    await keeping.changed(town, event)
    assert town.told == [("event", b"ABCDEF")]
    assert town.refreshed == ["/phone/ABCDEF", "/stage/ABCDEF", "/remote/1"]
    await keeping.kept(town, "ABCDEF")
    assert len(database.asked) == 2


async def test_what_cannot_be_a_code_asks_nothing(database: Database, town: Any) -> None:
    for code in ("", "ABCDE", "ABCDEFG", "ABCDE0", "ABCDEI", "ÄBCDEF", "' OR 1", "A" * 100_000):
        assert await keeping.kept(town, code) is None
    assert database.asked == []


async def test_guesses_push_no_event_out_and_fill_no_memory(database: Database, town: Any) -> None:
    database.has("ABCDEF")
    await keeping.kept(town, "ABCDEF")
    letters = "ABCDEFGHJKLMNPQR"
    for number in range(1_500):
        code = "Z" + "".join(letters[number >> 4 * place & 15] for place in range(5))
        assert await keeping.kept(town, code) is None
    memory = keeping._memories[town]
    assert (len(memory.events), len(memory.nothing)) == (1, 1_000)
    memory.events["ABCDEF"].at += 60  # however long that took
    await keeping.kept(town, "ABCDEF")
    assert database.asked.count("ABCDEF") == 1


async def test_an_error_is_not_remembered(database: Database, town: Any) -> None:
    database.has("ABCDEF", "broken")
    with pytest.raises(OSError, match="away"):
        await keeping.kept(town, "ABCDEF")
    database.has("ABCDEF", "well")
    found = await keeping.kept(town, "ABCDEF")
    assert found is not None and found.title == "well"
