"""Batches, redeliveries, late measurements, concurrent writers, overload, poisoned values, shared transactions."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from rhinecloud.broker import Applied, Broker, Operation, Overloaded, UnmappedMessage
from rhinecloud.broker import writer as writing
from rhinecloud.broker.gathering import Gathering
from rhinecloud.broker.writer import Writer
from rhinecloud.model import AlreadyExists, BadRequestData, NgsiLdError, ResourceNotFound
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.store import Connections, RoomDatabase, Rooms

from .conftest import MakeBroker
from .graph import LAMP, counts, iri, measured, one, part, shown, told, values, whole


async def test_a_batch_has_a_verdict_for_each_item_in_order(broker: Broker) -> None:
    verdicts = await broker.apply(
        [
            whole("create", "urn:x:1", n=1),
            whole("create", "urn:x:1", n=2),
            part("update", "urn:x:1", n=3),
            part("update", "urn:x:2", n=3),
            Operation("delete", "urn:x:3"),
            whole("create", "urn:x:3", n=4),
        ]
    )
    assert [type(verdict) for verdict in verdicts] == [
        Applied, AlreadyExists, Applied, ResourceNotFound, ResourceNotFound, Applied,
    ]  # fmt: skip
    assert await shown(broker, "urn:x:1") == {"type": "Lamp", "n": 3}
    assert [change["entityId"] for change in await told(broker)] == ["urn:x:1", "urn:x:1", "urn:x:3"]
    assert sorted(await values(broker, "n", "urn:x:1")) == [1, 3]  # one moment
    assert await broker.apply([]) == []


async def test_delete_and_make_again_in_one_batch(broker: Broker) -> None:
    at = {"type": "Point", "coordinates": [1, 2]}
    await one(broker, whole("create", power=1, location=at, scope="/A"))
    before = await broker.retrieve(LAMP, sight=EVERYTHING)
    verdicts = await broker.apply(
        [Operation("delete", LAMP), whole("create", type="Post", power=2), Operation("delete", "urn:x:2")]
    )
    assert [type(verdict) for verdict in verdicts] == [Applied, Applied, ResourceNotFound]
    assert await shown(broker) == {"type": "Post", "power": 2}
    after = await broker.retrieve(LAMP, sight=EVERYTHING)
    assert after.created_at > before.created_at  # type: ignore[operator]
    assert await broker.points([], [], sight=EVERYTHING) == []
    assert [c["operation"] for c in await told(broker)] == ["create", "delete", "create"]
    verdicts = await broker.apply(
        [whole("create", "urn:x:2", location=at), Operation("delete", "urn:x:2"), Operation("delete", LAMP)]
    )
    assert all(isinstance(verdict, Applied) for verdict in verdicts)
    assert (await counts(broker))[:2] == (0, 0)


async def test_a_redelivery_changes_nothing(broker: Broker) -> None:
    operations = [
        measured(1, "2026-01-01T00:00:00Z", delivery="a"),
        measured(2, "2026-01-01T00:00:01Z", delivery="b"),
    ]
    assert all(isinstance(verdict, Applied) for verdict in await broker.apply(operations))
    await one(broker, measured(3, "2026-01-01T00:00:02Z", delivery="c"))
    before = await counts(broker)
    for again in (operations, operations[::-1], operations[:1]):
        assert await broker.apply(again) == [Applied(duplicate=True)] * len(again)
    assert await counts(broker) == before
    assert (await shown(broker))["power"]["value"] == 3


async def test_a_redelivery_after_a_failure_is_tried_again(broker: Broker) -> None:
    update = Operation("update", LAMP, attributes=whole("create", power=5).attributes, delivery="a")
    assert isinstance(await one(broker, update), ResourceNotFound)
    assert (await counts(broker))[-1] == 0
    await one(broker, whole("create", power=1))
    assert isinstance(await one(broker, update), Applied)
    assert await one(broker, update) == Applied(duplicate=True)
    assert await values(broker) == [1, 5]


async def test_a_delivery_that_was_applied_in_part_is_not_applied_again(broker: Broker) -> None:
    both = [
        measured(1, "2026-01-01T00:00:00Z", delivery="a"),
        Operation("delete", "urn:x:none", delivery="a"),
    ]
    assert [type(verdict) for verdict in await broker.apply(both)] == [Applied, ResourceNotFound]
    assert await broker.apply(both) == [Applied(duplicate=True)] * 2
    assert await values(broker) == [1]


async def test_the_same_delivery_twice_at_the_same_time_counts_once(make_broker: MakeBroker) -> None:
    broker, other = await make_broker(), await make_broker()
    operations = [measured(n, f"2026-01-01T00:00:{n:02}Z", delivery=f"d{n}") for n in range(30)]
    verdicts = await asyncio.gather(*(b.apply([o]) for o in operations for b in (broker, other, broker)))
    assert sum(not v.duplicate for (v,) in verdicts if isinstance(v, Applied)) == 30
    assert await values(broker) == list(range(30))
    assert (await counts(broker))[2:] == (30, len(await told(broker)), 30)


async def test_an_older_measurement_goes_to_history_only(broker: Broker) -> None:
    await one(broker, measured(2, "2026-01-01T00:00:02Z"))
    before = await broker.retrieve(LAMP, sight=EVERYTHING)
    changes = len(await told(broker))
    late = whole(
        "measure",
        power={"value": 1, "observedAt": "2026-01-01T00:00:01.5Z"},
    )
    assert await one(broker, late) == Applied(history_only=(iri("power"),))
    assert await broker.retrieve(LAMP, sight=EVERYTHING) == before
    assert len(await told(broker)) == changes
    assert await values(broker) == [1, 2]
    mixed = whole("measure", power={"value": 0, "observedAt": "2025-12-31T00:00:00Z"}, height=4)
    assert await one(broker, mixed) == Applied(updated=(iri("height"),), history_only=(iri("power"),))
    assert (await shown(broker))["power"]["value"] == 2
    assert await values(broker) == [0, 1, 2]


async def test_equal_times_are_all_kept(broker: Broker) -> None:
    at = "2026-01-01T00:00:00Z"
    await broker.apply([measured(n, at) for n in (3, 1, 2)])
    await one(broker, measured(1, at))
    series = await broker.history(LAMP, iri("power"), sight=EVERYTHING)
    assert (series.times, sorted(series.values)) == ([at] * 4, [1, 1, 2, 3])
    assert (await shown(broker))["power"]["value"] == 1  # the last to arrive


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
async def test_clocks_that_say_nothing_do_not_break_history(broker: Broker, at: str) -> None:
    """What a device sends whose clock is not set: the first or the last instant that its language knows."""
    assert isinstance(await one(broker, measured(1, at)), Applied)
    assert (await shown(broker))["power"]["observedAt"] == at
    assert await values(broker) == [1]
    assert await broker.database.pool.fetchval("SELECT count(*) FROM history WHERE isfinite(at)") == 1


async def test_history_by_dataset_unit_window_and_limit(broker: Broker) -> None:
    for n in range(5):
        at = f"2026-01-01T00:00:0{n}Z"
        await one(
            broker,
            whole(
                "measure",
                power=[
                    {"value": n, "observedAt": at, "unitCode": "WTT"},
                    {"value": -n, "observedAt": at, "datasetId": "urn:x:1"},
                ],
            ),
        )
    await one(broker, whole("measure", power={"value": "broken", "observedAt": "2026-01-01T00:00:05Z"}))
    series = await broker.history(LAMP, iri("power"), limit=3, sight=EVERYTHING)
    assert series.times[0] == "2026-01-01T00:00:03Z"
    assert series.values[:2] == [3, 4]
    assert series.values[2]["value"] == "broken"
    assert series.unit == "WTT"
    assert (await broker.history(LAMP, iri("power"), dataset="urn:x:1", sight=EVERYTHING)).values == [
        0,
        -1,
        -2,
        -3,
        -4,
    ]
    assert (await broker.history("urn:x:none", iri("power"), sight=EVERYTHING)).values == []


async def test_two_workers_write_the_same_new_entities_at_once(make_broker: MakeBroker) -> None:
    broker, other = await make_broker(), await make_broker()
    ids = [f"urn:x:{n}" for n in range(40)]

    async def write(by: Broker, order: list[str], name: str) -> list[Any]:
        batches = [order[start : start + 8] for start in range(0, len(order), 8)]
        answers = await asyncio.gather(
            *(by.apply([whole("measure", i, **{name: 1}) for i in b]) for b in batches)
        )
        return [verdict for answer in answers for verdict in answer]

    verdicts = await asyncio.gather(write(broker, ids, "left"), write(other, ids[::-1], "right"))
    assert all(isinstance(verdict, Applied) for some in verdicts for verdict in some)
    assert sum(verdict.created for some in verdicts for verdict in some) == 40
    for entity_id in ids:
        assert await shown(broker, entity_id) == {"type": "Lamp", "left": 1, "right": 1}
    makers = await asyncio.gather(
        *(by.do(whole("create", "urn:x:new", n=n)) for n, by in enumerate((broker, other) * 5)),
        return_exceptions=True,
    )
    assert sorted(type(m).__name__ for m in makers) == ["AlreadyExists"] * 9 + ["Applied"]


async def test_many_writers_of_one_entity_lose_nothing(make_broker: MakeBroker) -> None:
    broker, other = await make_broker(), await make_broker()
    await one(broker, whole("create", power=0))
    await asyncio.gather(
        *(
            by.apply([part("append", **{f"n{n}": n})])
            for n in range(60)
            for by in (broker, other)
            if n % 2 == (by is other)
        )
    )
    document = await shown(broker)
    assert {name: document[name] for name in document if name[0] == "n"} == {f"n{n}": n for n in range(60)}
    last = (await told(broker))[-1]
    assert len(last["entity"]["attributes"]) == 61  # the last change told is the last state


async def test_overload_is_refused_and_what_was_taken_is_written(broker: Broker) -> None:
    small = Writer(broker.database, lambda: None, lanes=1, most_waiting=10)
    async with broker.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE entity IN ACCESS EXCLUSIVE MODE")  # nothing moves
        taken = [asyncio.create_task(small.apply([whole("create", "urn:x:0")]))]
        await asyncio.sleep(0.05)
        for n in range(1, 30):
            taken.append(asyncio.create_task(small.apply([whole("create", f"urn:x:{n}")])))
        await asyncio.sleep(0.05)
        assert small.waiting <= 10
    answers = await asyncio.gather(*taken, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Overloaded)]
    assert len(refused) == 19
    assert (await counts(broker))[0] == 11
    await small.close()


async def test_gathering_is_fair_to_a_large_item_and_cancels_what_waits() -> None:
    flushed: list[list[int]] = []
    gate = asyncio.Event()

    async def flush(items: list[int]) -> list[int | Exception]:
        flushed.append(items)
        await gate.wait()
        return [ValueError("odd") if item % 2 else item for item in items]

    gathering: Gathering[int, int] = Gathering(
        flush, lanes=1, most_at_once=5, most_waiting=100, weigh=lambda item: item
    )
    first = gathering.submit(50)  # alone it may exceed what goes at once
    await asyncio.sleep(0)
    later = [gathering.submit(n) for n in (2, 3, 1, 4)]
    later[2].cancel()
    gate.set()
    assert await first == 50
    answers = await asyncio.gather(*later, return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["int", "ValueError", "CancelledError", "int"]
    assert flushed == [[50], [2, 3], [4]]
    gate.clear()
    waiting = gathering.submit(1)
    await asyncio.sleep(0)
    behind = gathering.submit(1)
    await gathering.close()
    assert behind.cancelled()
    assert waiting.cancelled() or not waiting.done()


def poisoned(entity_id: str) -> list[Operation]:
    """Values that only PostgreSQL refuses."""
    long = "urn:x:" + "".join(
        chr(0x4E00 + (n * 7919) % 20_000) for n in range(1_000)
    )  # 3 kB: no index takes it
    return [
        Operation(
            "create",
            entity_id,
            ("urn:x:T",),
            attributes={iri("a"): [{"type": "Property", "value": "a\x00b"}]},
        ),
        Operation("create", long, ("urn:x:T",)),
        Operation("create", "urn:x:nul\x00", ("urn:x:T",)),
    ]


async def test_a_poisoned_value_harms_nobody_else(broker: Broker) -> None:
    bad = poisoned("urn:x:bad")
    batches = [
        [whole("create", f"urn:x:{n}", n=n), *bad, whole("create", f"urn:x:{n}b", n=n)] for n in range(3)
    ]
    single = [broker.apply([operation]) for operation in bad]
    answers = await asyncio.gather(*(broker.apply(batch) for batch in batches), *single)
    for answer in answers[:3]:
        assert [isinstance(verdict, Applied) for verdict in answer] == [True, False, False, False, True]
    assert all(isinstance(v, BadRequestData) for answer in answers[3:] for v in answer)
    assert (await counts(broker))[0] == 6
    assert len(await told(broker)) == 6


async def test_numbers_of_series_that_are_pushed_out_are_looked_up_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = writing.SeriesNumbers(3)
    monkeypatch.setattr(broker._writer, "_series", known)
    for _ in range(4):
        await asyncio.gather(*(broker.apply([whole("measure", f"urn:x:{n}", n=n, m=n)]) for n in range(10)))
    assert await values(broker, "n", "urn:x:3") == [3] * 4
    assert (await counts(broker))[2] == 80
    assert sum(map(len, known._known.values())) == known._number <= 3


async def test_one_transaction_holds_an_apps_rows_the_graph_the_change_and_the_audit(broker: Broker) -> None:
    pool = broker.database.pool
    await pool.execute("DROP TABLE IF EXISTS ballot; CREATE TABLE ballot (id int PRIMARY KEY)")

    async def vote(number: int, *, fail: bool = False) -> None:
        async with broker.transaction() as transaction:
            await transaction.connection.execute("INSERT INTO ballot VALUES ($1)", number)
            (verdict,) = await transaction.apply([whole("upsert", "urn:ngsi-ld:Poll:1", votes=number)])
            assert isinstance(verdict, Applied)
            await transaction.audit("clerk", "vote", "urn:ngsi-ld:Poll:1", {"number": number})
            assert await pool.fetchval("SELECT count(*) FROM ballot WHERE id = $1 AND id > 1", number) == 0
            if fail:
                raise RuntimeError("changed my mind")

    async def kept() -> tuple[Any, ...]:
        tables = ("ballot", "entity", "history", "outbox", "audit")
        return tuple([await pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables])

    await vote(1)
    assert await kept() == (1, 1, 1, 1, 1)
    with pytest.raises(RuntimeError):
        await vote(2, fail=True)
    with pytest.raises(asyncpg.UniqueViolationError):
        await vote(1)
    assert await kept() == (1, 1, 1, 1, 1)
    await vote(3)
    assert await kept() == (2, 1, 2, 2, 2)
    audit = await pool.fetch("SELECT actor, action, subject, detail FROM audit ORDER BY id")
    assert tuple(audit[1]) == ("clerk", "vote", "urn:ngsi-ld:Poll:1", '{"number": 3}')


async def test_one_transaction_holds_a_rooms_rows_the_graph_the_change_and_the_audit(
    broker: Broker, module_database_url: str
) -> None:
    """Each part under its own role: the room's rows as the room, the graph as the city."""
    rooms = Rooms(module_database_url)
    room = await rooms.prepare("app_polls", [("1.sql", "CREATE TABLE ballot (id int PRIMARY KEY)")])
    connections = Connections(module_database_url, 2)
    polls = RoomDatabase(connections, room)

    async def vote(number: int, *, fail: bool = False) -> None:
        async with broker.transaction(polls) as transaction:
            await transaction.connection.execute("INSERT INTO ballot VALUES ($1)", number)
            (verdict,) = await transaction.apply([whole("upsert", "urn:ngsi-ld:Poll:1", votes=number)])
            assert isinstance(verdict, Applied)
            await transaction.audit("clerk", "vote", "urn:ngsi-ld:Poll:1", {"number": number})
            assert await transaction.connection.fetchval("SELECT current_user") == room.login.role
            await transaction.connection.execute("UPDATE ballot SET id = id")
            if fail:
                raise RuntimeError("changed my mind")

    async def kept() -> tuple[Any, ...]:
        pool = broker.database.pool
        tables = ("entity", "history", "outbox", "audit")
        ballots = await polls.pool.fetchval("SELECT count(*) FROM ballot")
        return (ballots, *[await pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables])

    await vote(1)
    assert await kept() == (1, 1, 1, 1, 1)
    with pytest.raises(RuntimeError):
        await vote(2, fail=True)
    with pytest.raises(asyncpg.UniqueViolationError):
        await vote(1)
    assert await kept() == (1, 1, 1, 1, 1)
    # Whoever dies between the graph's write and the commit leaves nothing.
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
        async with broker.transaction(polls) as transaction:
            await transaction.connection.execute("INSERT INTO ballot VALUES (7)")
            await transaction.apply([whole("upsert", "urn:ngsi-ld:Poll:1", votes=7)])
            process = transaction.connection.get_server_pid()
            application = await asyncpg.connect(module_database_url)
            await application.execute("SELECT pg_terminate_backend($1)", process)
            await application.close()
            await transaction.audit("clerk", "vote", "urn:ngsi-ld:Poll:1")
    assert await kept() == (1, 1, 1, 1, 1)
    await vote(3)
    assert await kept() == (2, 1, 2, 2, 2)
    await connections.close()


async def test_verdicts_inside_a_transaction_are_returned_not_raised(broker: Broker) -> None:
    async with broker.transaction() as transaction:
        first = await transaction.apply([whole("create", power=1), Operation("delete", "urn:x:none")])
        second = await transaction.apply([part("update", power=2)])
        assert await transaction.apply([]) == []
        await transaction.delete()
    assert [isinstance(verdict, NgsiLdError) for verdict in (*first, *second)] == [False, True, False]
    assert await values(broker) == [1, 2]


async def test_unmapped_messages_are_kept_whole_and_once(broker: Broker) -> None:
    for _ in range(2):
        await broker.keep([UnmappedMessage("mqtt", "json/x", b"\x00\xff", "no JSON", delivery="d1")])
    await broker.keep([UnmappedMessage("mqtt", "json/x", b"", "empty")])
    records = await broker.database.pool.fetch("SELECT topic, payload, reason FROM unmapped ORDER BY id")
    assert [tuple(record) for record in records] == [
        ("json/x", b"\x00\xff", "no JSON"),
        ("json/x", b"", "empty"),
    ]
    assert (await broker.health())["graph"]["unmapped"] == 2
