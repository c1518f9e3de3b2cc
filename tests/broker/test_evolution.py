"""The temporal evolution of entities: added to, corrected, erased, beside the ordinary operations (CIM 009 §5.6.11 to
§5.6.16)."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhinecloud.broker import Applied, Broker, Operation, rfc3339
from rhinecloud.broker.temporal import Wanted
from rhinecloud.model import NgsiLdError, ResourceNotFound, instance_id
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.store import history, partitions
from rhinecloud.store.history import decode_chunk, micros

from .graph import iri, one, told
from .naive import NaiveEntity, Told

_numbers = itertools.count(1)
_DATASET = "urn:ngsi-ld:dataset:1"
POWER, COLOUR = iri("power"), iri("colour")


async def compact(broker: Broker) -> None:
    """What has arrived becomes cold."""
    async with broker.database.pool.acquire() as connection:
        for day in await partitions.days(connection, "history"):
            await history.compact(connection, day)
        await history.compact_default(connection, datetime.max.replace(tzinfo=UTC))
        await partitions.ensure(connection, "history", datetime.now(UTC).date())


class Stored(msgspec.Struct):
    """An instance as the tables have it."""

    instance_id: str
    attribute: str
    dataset: str
    observed: bool
    at: datetime
    instance: dict[str, Any]


async def stored(broker: Broker, entity_id: str) -> list[Stored]:
    """The whole history of an entity, read plainly, in order."""
    pool = broker.database.pool
    found: list[Stored] = []
    for series, attribute, dataset, unit, observed in await pool.fetch(
        "SELECT id, attribute, dataset, unit, observed FROM series WHERE entity_id = $1 ORDER BY id",
        entity_id,
    ):
        rows: list[tuple[datetime, int, Any, dict[str, Any]]] = []

        def plain(at: datetime, value: float) -> dict[str, Any]:
            made: dict[str, Any] = {"type": "Property", "value": int(value)}
            made |= {"unitCode": unit} if unit else {}  # noqa: B023
            made |= {"datasetId": dataset} if dataset else {}  # noqa: B023
            return made | ({"observedAt": rfc3339(at)} if observed else {})  # noqa: B023

        for chunk in await pool.fetch("SELECT * FROM chunk WHERE series = $1 ORDER BY month", series):
            times, values = decode_chunk(chunk)
            assert len(times) == chunk["n"] and values.sum() == chunk["vsum"]
            assert (values.min(), values.max()) == (chunk["vmin"], chunk["vmax"])
            for time, value in zip(times.tolist(), values.tolist(), strict=True):
                at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time)
                rows.append((at, 0, None, plain(at, value)))
        for age, table in ((1, "history_rows"), (2, "history")):
            for at, arrived, value, text in await pool.fetch(
                f"SELECT at, arrived, value, instance FROM {table} WHERE series = $1 ORDER BY arrived", series
            ):
                told = plain(at, value) if text is None else msgspec.json.decode(text)
                rows.append((at, age, arrived, told))
        rows.sort(key=lambda row: row[0])
        for _, same in itertools.groupby(rows, key=lambda row: row[0]):
            for number, (at, _, _, told) in enumerate(sorted(same, key=lambda row: row[1])):
                told.pop("modifiedAt", None)
                if "deletedAt" in told:
                    told["deletedAt"] = True
                identity = instance_id(series, micros(at), number)
                found.append(Stored(identity, attribute, dataset, observed, at, told))
    return sorted(found, key=lambda s: s.at)


def in_groups(rows: list[Stored]) -> list[tuple[str, str, bool, Any, list[dict[str, Any]]]]:
    found: dict[tuple[str, str, bool, Any], list[dict[str, Any]]] = {}
    for row in rows:
        key = (row.attribute, row.dataset, row.observed, row.at if row.observed else None)
        found.setdefault(key, []).append(row.instance)
    return [(*key, instances) for key, instances in found.items()]


def instance(value: Any, seconds: int | None, *, dataset: bool = False, unit: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "Property", "value": value}
    if unit and type(value) is int:
        made["unitCode"] = "WTT"
    if dataset:
        made["datasetId"] = _DATASET
    if seconds is not None:
        made["observedAt"] = rfc3339(datetime(2020, 1, 30, tzinfo=UTC) + timedelta(minutes=37 * seconds))
    return made


# Ordinary observations have times of their own, those of the temporal operations meet each other and these.
_values = st.one_of(st.integers(0, 5), st.sampled_from(["red", "green"]))
_names = st.sampled_from([POWER, COLOUR])
_moments = st.one_of(st.integers(0, 60), st.integers(10**8, 10**8 + 5))
_loose = st.builds(
    instance, _values, st.one_of(st.none(), _moments), dataset=st.booleans(), unit=st.booleans()
)
_steps = st.one_of(
    st.tuples(st.sampled_from(["upsert", "append", "measure"]), _names, _loose),
    st.tuples(st.just("evolve"), _names, st.lists(_loose, min_size=1, max_size=4)),
    st.tuples(st.sampled_from(["delete_attribute", "delete_evolution_attribute"]), _names, st.integers(0, 2)),
    st.tuples(st.just("modify_instance"), st.integers(0, 40), _loose),
    st.tuples(st.just("delete_instance"), st.integers(0, 40), st.none()),
    st.tuples(st.sampled_from(["delete", "delete_evolution"]), st.none(), st.none()),
    st.tuples(st.just("compact"), st.none(), st.none()),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_steps, min_size=1, max_size=12))
async def test_state_and_history_are_those_of_a_naive_graph(shared_broker: Broker, steps: list[Any]) -> None:
    broker, entity_id = shared_broker, f"urn:ngsi-ld:Lamp:naive{next(_numbers)}"
    naive = NaiveEntity()
    used: set[str] = set()
    for kind, what, how in steps:
        naive.tick()
        await _step(broker, entity_id, naive, used, kind, what, how)
        rows = await stored(broker, entity_id)
        assert sorted(in_groups(rows), key=repr) == sorted(naive.history(), key=repr), kind
        try:
            entity = await broker.retrieve(entity_id, sight=EVERYTHING)
        except ResourceNotFound:
            assert naive.state() is None
        else:
            assert sorted(_content(entity.attributes).items()) == sorted(
                _content(naive.state() or {}).items()
            )
            assert naive.alive


def _content(attributes: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    stamps = ("createdAt", "modifiedAt")
    return {
        name: sorted(
            ({k: v for k, v in i.items() if k not in stamps} for i in instances),
            key=lambda i: str(i.get("datasetId")),
        )
        for name, instances in attributes.items()
    }


async def _step(
    broker: Broker, entity_id: str, naive: NaiveEntity, used: set[str], kind: str, what: Any, how: Any
) -> None:
    if kind == "compact":
        await compact(broker)
        return
    if kind in ("upsert", "append", "measure"):
        how = _first_at(how, used)
        verdict = await one(broker, Operation(kind, entity_id, ("Lamp",), attributes={what: [how]}))  # type: ignore[arg-type]
        expected = getattr(naive, kind)({what: [how]})
    elif kind == "evolve":
        used.update(i["observedAt"] for i in how if "observedAt" in i)
        verdict = await one(
            broker, Operation("evolve", entity_id, ("Lamp",), attributes={what: how}, create_missing=True)
        )
        expected = naive.evolve(["Lamp"], {what: how})
    elif kind in ("delete_attribute", "delete_evolution_attribute"):
        options = {"dataset": _DATASET if how == 1 else None, "all_instances": how == 2}
        verdict = await one(broker, Operation(kind, entity_id, attribute=what, **options))  # type: ignore[arg-type]
        expected = getattr(naive, kind)(what, options["dataset"], everything=how == 2)
    elif kind in ("delete", "delete_evolution"):
        verdict = await one(broker, Operation(kind, entity_id))  # type: ignore[arg-type]
        expected = getattr(naive, kind)()
    else:
        rows = await stored(broker, entity_id)
        if not rows:
            return
        row = rows[what % len(rows)]
        if how is not None:
            how = {key: value for key, value in _first_at(how, used).items() if key != "datasetId"}
        attributes = {} if how is None else {row.attribute: [how]}
        verdict = await one(
            broker,
            Operation(
                kind,
                entity_id,
                attributes=attributes,
                attribute=row.attribute,
                instance=row.instance_id,  # type: ignore[arg-type]
            ),
        )
        told = _told(naive, rows, row)
        expected = naive.delete_instance(told) if how is None else naive.modify(told, how)
    assert isinstance(verdict, Applied if expected is not False else NgsiLdError), (kind, verdict)


def _first_at(instance: dict[str, Any], used: set[str]) -> dict[str, Any]:
    """Two of the same instant would be told apart by their arrival, of which compaction knows nothing."""
    if instance.get("observedAt") in used:
        return {key: value for key, value in instance.items() if key != "observedAt"}
    used.update([instance["observedAt"]] if "observedAt" in instance else [])
    return instance


def _told(naive: NaiveEntity, rows: list[Stored], row: Stored) -> Told:
    def alike(other: Any) -> bool:
        return (other.attribute, other.dataset or "", other.observed) == (
            row.attribute,
            row.dataset,
            row.observed,
        )

    here = [other for other in rows if alike(other)].index(row)
    return [t for t in sorted(naive.told, key=lambda t: t.at) if alike(t)][here]


async def begun(broker: Broker, *values: tuple[Any, int]) -> str:
    """A lamp with a history of its power; its id."""
    entity_id = f"urn:ngsi-ld:Lamp:evolving{next(_numbers)}"
    instances = [instance(value, minutes) for value, minutes in values]
    operation = Operation("evolve", entity_id, ("Lamp",), attributes={POWER: instances}, create_missing=True)
    assert isinstance(await one(broker, operation), Applied)
    return entity_id


def deletion(row: Stored, entity_id: str) -> Operation:
    return Operation("delete_instance", entity_id, attribute=row.attribute, instance=row.instance_id)


async def test_a_correction_waits_for_compaction_and_finds_what_it_left(shared_broker: Broker) -> None:
    broker = shared_broker
    entity_id = await begun(broker, (1, 0), (2, 1), (3, 2))
    rows = await stored(broker, entity_id)
    async with broker.database.pool.acquire() as connection:
        async with connection.transaction():
            for day in await partitions.days(connection, "history"):
                await history.compact(connection, day)
            pid = connection.get_server_pid()
            task = asyncio.create_task(one(broker, deletion(rows[1], entity_id)))
            async with asyncio.timeout(30):
                while not await broker.database.queries.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))", pid
                ):
                    assert not task.done()
                    await asyncio.sleep(0.01)
        await partitions.ensure(connection, "history", datetime.now(UTC).date())
    assert isinstance(await task, Applied)
    assert [row.instance["value"] for row in await stored(broker, entity_id)] == [1, 3]


async def test_compaction_waits_for_a_correction(shared_broker: Broker) -> None:
    broker = shared_broker
    entity_id = await begun(broker, (1, 0), (2, 1), (3, 2))
    rows = await stored(broker, entity_id)
    async with broker.transaction() as transaction:
        assert isinstance((await transaction.apply([deletion(rows[1], entity_id)]))[0], Applied)
        pid = transaction.connection.get_server_pid()
        task = asyncio.create_task(compact(broker))
        async with asyncio.timeout(30):
            while not await broker.database.queries.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))", pid
            ):
                assert not task.done()
                await asyncio.sleep(0.01)
    await task
    assert [row.instance["value"] for row in await stored(broker, entity_id)] == [1, 3]


async def test_several_at_one_instant_are_told_apart_before_and_after_compaction(
    shared_broker: Broker,
) -> None:
    """Several measurements in one second, in one transaction or several: each has an instanceId that deletes it."""
    broker = shared_broker
    for cold in (False, True):
        entity_id = f"urn:ngsi-ld:Lamp:evolving{next(_numbers)}"
        for many in (("red", 5), (7,), (3, "blue", 5)):
            operations = [
                Operation("measure", entity_id, ("Lamp",), attributes={POWER: [instance(value, 1)]})
                for value in many
            ]
            assert all(isinstance(verdict, Applied) for verdict in await broker.apply(operations))
        if cold:
            await compact(broker)
        left = sorted(["red", 5, 7, 3, "blue", 5], key=str)
        while left:
            page = await broker.evolution(entity_id, Wanted(), sight=EVERYTHING)
            shown = page.evolutions[0].events[POWER]
            assert sorted([event.instance["value"] for event in shown], key=str) == left
            victim = shown[len(shown) // 2].instance
            verdict = await one(
                broker,
                Operation("delete_instance", entity_id, attribute=POWER, instance=victim["instanceId"]),
            )
            assert isinstance(verdict, Applied)
            left.remove(victim["value"])


async def test_operations_of_one_transaction_see_each_other(shared_broker: Broker) -> None:
    broker = shared_broker
    entity_id = await begun(broker, (1, 0), (2, 1))
    rows = await stored(broker, entity_id)
    verdicts = await broker.apply(
        [
            Operation("measure", entity_id, ("Lamp",), attributes={POWER: [instance(3, 2)]}),
            deletion(rows[0], entity_id),
            Operation("evolve", entity_id, attributes={POWER: [instance(4, 2)]}),
            Operation("append", entity_id, attributes={COLOUR: [instance("red", None)]}),
            deletion(rows[1], entity_id),
            deletion(rows[1], entity_id),
            Operation("delete_evolution", "urn:ngsi-ld:Lamp:unknown"),
        ]
    )
    assert [isinstance(verdict, Applied) for verdict in verdicts] == [True] * 5 + [False] * 2
    left = [(row.attribute, row.instance["value"]) for row in await stored(broker, entity_id)]
    assert left == [(POWER, 4), (COLOUR, "red")]
    assert (await broker.retrieve(entity_id, sight=EVERYTHING)).attributes[POWER][0]["value"] == 4


async def test_what_changes_is_told_and_what_is_old_is_not(broker: Broker) -> None:
    entity_id = await begun(broker, (2, 1))
    await one(broker, Operation("evolve", entity_id, attributes={POWER: [instance(1, 0)]}))
    await one(broker, deletion((await stored(broker, entity_id))[0], entity_id))
    await one(broker, Operation("evolve", entity_id, attributes={POWER: [instance(3, 2)]}))
    await one(broker, Operation("delete_evolution_attribute", entity_id, attribute=POWER))
    await one(broker, Operation("delete_evolution", entity_id))
    changes = [change for change in await told(broker) if change["entityId"] == entity_id]
    assert [change["operation"] for change in changes] == ["create", "update", "update", "delete"]
    assert [change.get("old", {}).get(POWER, [{}])[0].get("value") for change in changes] == [
        None,
        2,
        3,
        None,
    ]


async def test_an_app_rolls_a_correction_back_with_the_rest(shared_broker: Broker) -> None:
    broker = shared_broker
    entity_id = await begun(broker, (1, 0), (2, 1))
    await compact(broker)
    rows = await stored(broker, entity_id)
    try:
        async with broker.transaction() as transaction:
            assert isinstance((await transaction.apply([deletion(rows[1], entity_id)]))[0], Applied)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert await stored(broker, entity_id) == rows
    assert (await broker.retrieve(entity_id, sight=EVERYTHING)).attributes[POWER][0]["value"] == 2
