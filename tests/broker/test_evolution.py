"""The temporal evolution of entities: added to, corrected, erased, beside the ordinary operations (CIM 009 §5.6.11 to
§5.6.16)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhinecloud.broker import Applied, Broker, Operation, rfc3339
from rhinecloud.model import NgsiLdError, ResourceNotFound, instance_id
from rhinecloud.store import history, partitions
from rhinecloud.store.history import decode_chunk, micros

from .graph import iri, one
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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
            entity = await broker.retrieve(entity_id)
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
