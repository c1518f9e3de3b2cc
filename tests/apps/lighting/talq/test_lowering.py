"""What gateways are told of counted traffic: rows of overrides that nobody made, beside those of people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from rhinecloud.apps.lighting.talq import lowering, overrides
from rhinecloud.apps.lighting.talq.lowering import LEAST, RENEW, SHORTEST, Lowered, Told
from tests.conftest import Serve, Server

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
END = NOW + timedelta(hours=2)
MINUTE = timedelta(minutes=1)
NOTHING = Told(0, 0, 0)


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Server:
    return module_serve()


class Rows:
    """A gateway with lamps, in a transaction that is rolled back."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.device: dict[str, UUID] = {}

    async def lamps(self, *names: str) -> None:
        gateway = await self.connection.fetchval(
            "INSERT INTO talq_gateway (name, key_hash, stage, admitted_by) "
            "VALUES ('Ost', '\\x00', 'ready', 'ada') RETURNING number"
        )
        for name in names:
            self.device[name] = uuid4()
            await self.connection.execute(
                "INSERT INTO talq_device (address, gateway, name, class, lamp) VALUES ($1, $2, $3, 'lamp', $3)",
                self.device[name],
                gateway,
                name,
            )

    async def tell(
        self,
        wanted: dict[str, int],
        now: datetime = NOW,
        ends: datetime = END,
        by_hand: Sequence[str] = (),
    ) -> Told:
        columns = Lowered(list(wanted), list(wanted.values()), [ends] * len(wanted))
        return await lowering.tell(self.connection, columns, by_hand, now, "lighting")

    async def by_hand(
        self, name: str, level: int | None, now: datetime = NOW, ends: datetime | None = None
    ) -> None:
        """What `overrides.want` writes."""
        number = await self.connection.fetchval(
            "SELECT gateway FROM talq_device WHERE address = $1", self.device[name]
        )
        await self.connection.execute(
            "INSERT INTO talq_override AS old (device, gateway, version, level, ends, state, actor, asked_at, due_at) "
            "VALUES ($1, $2, 1, $3, $4, 'asked', 'ada', $5, $5) ON CONFLICT (device) DO UPDATE SET "
            "version = old.version + 1, level = $3, ends = $4, actor = 'ada', asked_at = $5, automatic = false",
            self.device[name],
            number,
            level,
            ends,
            now,
        )

    async def of(self, name: str) -> Any:
        return await self.connection.fetchrow(
            "SELECT version, level, ends, state, actor, automatic, due_at, next_at FROM talq_override "
            "WHERE device = $1",
            self.device[name],
        )

    async def level(self, name: str) -> int | None:
        record = await self.of(name)
        return None if record is None else record["level"]


@pytest_asyncio.fixture
async def rows(server: Server) -> AsyncIterator[Rows]:
    connection = await asyncpg.connect(server.database_url)
    await connection.execute("SET search_path TO app_lighting, public")
    change = connection.transaction()
    await change.start()
    found = Rows(connection)
    await found.lamps("a", "b")
    yield found
    await change.rollback()
    await connection.close()


async def test_less_light_has_an_end_and_nobody_made_it(rows: Rows) -> None:
    assert await rows.tell({"a": 67, "elsewhere": 67}) == Told(1, 0, 0)
    assert tuple(await rows.of("a")) == (1, 67, END, "asked", "lighting", True, END, NOW)
    assert await rows.level("b") is None
    assert await rows.tell({"a": 67}, NOW + MINUTE) == NOTHING
    # More light at once; and it is tried for as long as the gateway may have the old one.
    assert await rows.tell({"a": 75}, NOW + MINUTE, NOW + 20 * MINUTE) == Told(1, 0, 0)
    assert (await rows.of("a"))["due_at"] == END
    assert await rows.tell({}, NOW + 2 * MINUTE) == Told(0, 1, 0)
    ended = await rows.of("a")
    assert (ended["version"], ended["level"], ended["due_at"]) == (3, None, END)
    assert await rows.tell({}, NOW + 3 * MINUTE) == NOTHING
    # Less again not so soon.
    assert await rows.tell({"a": 67}, NOW + 2 * MINUTE + LEAST / 2) == NOTHING
    assert await rows.tell({"a": 67}, NOW + 2 * MINUTE + LEAST) == Told(1, 0, 0)
    assert await rows.tell({"a": 50}, NOW + 3 * MINUTE + LEAST) == NOTHING
    assert await rows.tell({"a": 50}, NOW + 2 * MINUTE + 2 * LEAST) == Told(1, 0, 0)


async def test_it_is_renewed_before_its_end_and_not_with_every_count(rows: Rows) -> None:
    told = []
    for minute in range(6 * 60):
        now = NOW + minute * MINUTE
        if any(await rows.tell({"a": 67}, now, now + timedelta(minutes=90))):
            told.append(minute)
        assert (await rows.of("a"))["ends"] > now
    assert told == [0, *(75 * count for count in range(1, 5))]
    version = (await rows.of("a"))["version"]
    assert version == len(told)
    later = NOW + timedelta(hours=6)
    assert await rows.tell({"a": 67}, later, later + MINUTE) == Told(0, 0, 1), "it has to end sooner"
    # What it would be told for a moment it is not told.
    assert await rows.tell({"b": 67}, later, later + SHORTEST - MINUTE) == Told(0, 1, 0)
    assert (await rows.level("a"), await rows.level("b")) == (None, None)
    assert RENEW > SHORTEST > LEAST


async def test_what_somebody_overrode_goes_before(rows: Rows) -> None:
    await rows.tell({"a": 67, "b": 67})
    await rows.by_hand("a", 15, NOW + MINUTE)
    await rows.by_hand("b", 30, NOW + MINUTE, NOW + 10 * MINUTE)
    for wanted in ({"a": 75, "b": 50}, {"a": 50}, {}):
        assert await rows.tell(wanted, NOW + 9 * MINUTE) == NOTHING
    assert (await rows.level("a"), await rows.level("b")) == (15, 30)
    # It is over by itself, or ended by hand: traffic asks again.
    assert await rows.tell({"a": 67, "b": 67}, NOW + 10 * MINUTE) == Told(1, 0, 0)
    assert await rows.level("b") == 67
    await rows.by_hand("a", None, NOW + 11 * MINUTE)
    assert await rows.tell({"a": 67, "b": 67}, NOW + 11 * MINUTE) == Told(1, 0, 0)
    # An override that its gateway has not heard of yet: what is there stays until it comes.
    assert await rows.tell({"b": 67}, NOW + 12 * MINUTE, by_hand=["a"]) == NOTHING
    assert await rows.level("a") == 67


async def test_who_comes_late_writes_nothing(rows: Rows) -> None:
    await rows.tell({"a": 67}, NOW + MINUTE)
    assert await rows.tell({"a": 90}, NOW) == NOTHING
    assert await rows.tell({}, NOW) == NOTHING
    await rows.by_hand("a", None, NOW + 2 * MINUTE)
    assert await rows.tell({"a": 67}, NOW + MINUTE) == NOTHING


async def test_lamps_that_sensors_raise_are_left_to_them(rows: Rows) -> None:
    await rows.tell({"a": 67, "b": 67})
    await rows.connection.execute(
        "INSERT INTO talq_quiet SELECT address, gateway FROM talq_device WHERE lamp = 'a'"
    )
    assert await lowering.sensed(rows.connection) == {"a"}
    assert await lowering.sensed(rows.connection, ["b"]) == set()
    assert await rows.tell({"a": 67, "b": 67}, NOW + LEAST) == Told(0, 1, 0)
    assert await rows.tell({"a": 67, "b": 67}, NOW + 2 * LEAST) == NOTHING
    assert await lowering.states(rows.connection, NOW) == {"asked": 1}


async def test_a_gateway_is_told_once_for_all_its_lamps(rows: Rows) -> None:
    await rows.tell({"a": 67, "b": 67})
    due = await rows.connection.fetchval("SELECT gateway FROM talq_override LIMIT 1")
    wishes = await overrides.lock_due(rows.connection, due, NOW)
    [(message, those)] = overrides.commands(wishes, NOW)
    assert message.target_command is not None and message.target_command.expiration == END
    assert (len(message.addresses), len(those)) == (2, 2)
    await overrides.sent(rows.connection, wishes, NOW)
    assert (await rows.of("a"))["state"] == "sent"


async def test_who_is_on_the_way_to_a_gateway_is_not_waited_for(server: Server) -> None:
    one, other = [await asyncpg.connect(server.database_url) for _ in range(2)]
    for connection in (one, other):
        await connection.execute("SET search_path TO app_lighting, public")
    rows = Rows(one)
    await rows.lamps("c", "d", "e")
    try:
        await rows.tell({"c": 67, "d": 67})
        async with other.transaction():
            gateway = await other.fetchval("SELECT gateway FROM talq_override LIMIT 1")
            assert len(await overrides.lock_due(other, gateway, NOW)) == 2
            assert await rows.tell({"c": 80, "e": 67}, NOW + MINUTE) == Told(1, 0, 0, waiting=2)
        assert await rows.tell({"c": 80, "e": 67}, NOW + MINUTE) == Told(1, 1, 0)
        assert [await rows.level(name) for name in "cde"] == [80, None, 67]
    finally:
        await one.execute("DELETE FROM talq_gateway")
        for connection in (one, other):
            await connection.close()
