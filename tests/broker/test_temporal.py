"""The past as it is asked for, held against a naive reading of the same values, across the border of hot and cold."""

from __future__ import annotations

import calendar
import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhinecloud.broker import Broker, Operation, Query, Wanted, temporal
from rhinecloud.model import (
    BadRequestData,
    InvalidRequest,
    ResourceNotFound,
    TypeSelection,
    parse_geo_query,
    parse_instance_id,
    parse_q,
    parse_scope_q,
)
from rhinecloud.model.context import CORE
from rhinecloud.model.evolution import SCOPE
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.model.temporal_aggregates import parse_aggregation
from rhinecloud.model.temporal_query import TemporalQuery, parse_temporal_query
from rhinecloud.model.temporal_representation import EntityTemporal, render_temporal
from rhinecloud.store import commit, history, partitions
from rhinecloud.store.history import SeriesKey

POWER, LEVEL, NAME = "urn:x:power", "urn:x:level", "urn:x:name"
_numbers = itertools.count()

Rows = Sequence[tuple[datetime, Any]]


async def new_entity(broker: Broker, type_: str = "urn:x:Lamp") -> str:
    entity_id = f"urn:x:past:{next(_numbers):06d}"
    await broker.do(Operation("create", entity_id, (type_,)))
    return entity_id


async def remember(
    broker: Broker,
    entity_id: str,
    attribute: str,
    rows: Rows,
    *,
    dataset: str = "",
    unit: str = "",
    cold: bool = False,
) -> None:
    """Observations as the writer leaves them (`cold`: as compaction does, of a series once): numbers, or the value of
    a Property as an instance."""
    async with broker.database.transaction() as connection:
        plain = SeriesKey(entity_id, attribute, dataset, unit, True)
        other = SeriesKey(entity_id, attribute, dataset, "", True)
        numbers = await history.series_ids(connection, [plain, other])
        kept = []
        for at, value in rows:
            if isinstance(value, int | float) and not isinstance(value, bool):
                kept.append((numbers[plain], at, float(value), None))
            else:
                instance = (
                    value
                    if isinstance(value, dict) and "type" in value
                    else {"type": "Property", "value": value}
                )
                instance = {**instance, "observedAt": text(at), **({"datasetId": dataset} if dataset else {})}
                kept.append((numbers[other], at, None, msgspec.json.encode(instance).decode()))
        if not cold:
            await commit.write(connection, history=kept)
            return
        months: dict[date, list[tuple[int, float]]] = defaultdict(list)
        for _, at, value, _ in kept:
            if value is not None:
                months[at.date().replace(day=1)].append((history.micros(at), value))
        chunks = []
        for month, listed in months.items():
            times, values = zip(*sorted(listed, key=lambda one: one[0]), strict=True)
            chunks.append((numbers[plain], month, np.asarray(times), np.asarray(values)))
        await history.write_chunks(connection, chunks)
        await connection.executemany(
            "INSERT INTO history_rows (series, at, arrived, instance) VALUES ($1, $2, now(), $3)",
            [(number, at, instance) for number, at, _, instance in kept if instance is not None],
        )


async def compact(broker: Broker) -> None:
    """What has arrived so far becomes cold."""
    async with broker.database.pool.acquire() as connection:
        for day in await partitions.days(connection, "history"):
            await history.compact(connection, day)
        await history.compact_default(connection, datetime.max.replace(tzinfo=UTC))
        await partitions.ensure(connection, "history", datetime.now(UTC).date(), ahead=1)


def text(at: datetime) -> str:
    written = at.replace(tzinfo=None).isoformat()
    return (written.rstrip("0") if "." in written else written) + "Z"


def asked(timerel: str | None, at: datetime, end: datetime, **more: Any) -> TemporalQuery:
    given: dict[str, Any] = dict(more)
    if timerel is not None:
        given |= {"timerel": timerel, "timeAt": text(at)}
    if timerel == "between":
        given["endTimeAt"] = text(end)
    return parse_temporal_query(given)


# The naive reading ------------------------------------------------------------------------------------------------


def in_window(timerel: str | None, at: datetime, end: datetime, rows: Rows) -> list[tuple[datetime, Any]]:
    match timerel:
        case "before":
            kept = [row for row in rows if row[0] < at]
        case "after":
            kept = [row for row in rows if row[0] >= at]
        case "between":
            kept = [row for row in rows if at <= row[0] < end]
        case _:
            kept = list(rows)
    return sorted(kept, key=lambda row: row[0])


def later(origin: datetime, months: int, rest: timedelta, number: int) -> datetime:
    """The beginning of a period, by counting months one by one."""
    year, month = origin.year, origin.month
    for _ in range(months * number):
        month += 1
        if month == 13:
            year, month = year + 1, 1
    day = min(origin.day, calendar.monthrange(year, month)[1])
    return origin.replace(year=year, month=month, day=day) + rest * number


def naive(
    rows: Rows,
    timerel: str | None,
    at: datetime,
    end: datetime,
    months: int,
    rest: timedelta,
    methods: Sequence[str],
) -> dict[str, list[list[Any]]]:
    kept = in_window(timerel, at, end, rows)
    origin = at if timerel in ("after", "between") else kept[0][0]
    cells: dict[tuple[datetime, datetime], list[float]] = defaultdict(list)
    if not months and not rest:
        last = end if timerel == "between" else at if timerel == "before" else kept[-1][0]
        cells[origin, last] = [value for _, value in kept]
    else:
        number = 0
        for moment, value in kept:
            if not months:
                number = (moment - origin) // rest
            while months and later(origin, months, rest, number + 1) <= moment:
                number += 1
            cells[later(origin, months, rest, number), later(origin, months, rest, number + 1)].append(value)
    figures = {
        "totalCount": len,
        "distinctCount": lambda values: len(set(values)),
        "sum": math.fsum,
        "avg": statistics.fmean,
        "min": min,
        "max": max,
        "stddev": statistics.pstdev,
        "sumsq": lambda values: math.fsum(value * value for value in values),
    }
    return {
        method: [
            [figures[method](values), text(first), text(last)] for (first, last), values in cells.items()
        ]
        for method in methods
    }


# March ends here: chunks are of a month. The border of the window lies among the values.
near = st.builds(
    lambda seconds, micros: (
        datetime(2026, 3, 31, 23, 0, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=micros)
    ),
    st.integers(-7_200, 7_200),
    st.sampled_from([0, 0, 0, 10_000, 1]),
)
wide = st.builds(
    lambda days, seconds: datetime(2026, 1, 30, tzinfo=UTC) + timedelta(days=days, seconds=seconds),
    st.integers(0, 700),
    st.sampled_from([0, 1, 43_200, 86_399]),
)
moments = st.one_of(near, wide)
plain = st.one_of(st.integers(-1_000, 1_000), st.floats(-1e6, 1e6, allow_subnormal=False))
rows = st.lists(st.tuples(moments, plain), min_size=1, max_size=30)
DURATIONS = {
    None: (0, timedelta(0)),
    "P0D": (0, timedelta(0)),
    "PT1S": (0, timedelta(seconds=1)),
    "PT0.25S": (0, timedelta(milliseconds=250)),
    "PT1M": (0, timedelta(minutes=1)),
    "PT1H30M": (0, timedelta(minutes=90)),
    "P1D": (0, timedelta(days=1)),
    "P2W": (0, timedelta(weeks=2)),
    "P35D": (0, timedelta(days=35)),
    "P1M": (1, timedelta(0)),
    "P2M": (2, timedelta(0)),
    "P1M10DT1H": (1, timedelta(days=10, hours=1)),
    "P1Y": (12, timedelta(0)),
}
METHODS = ("totalCount", "distinctCount", "sum", "avg", "min", "max", "stddev", "sumsq")
methods = st.one_of(
    st.lists(st.sampled_from(METHODS), min_size=1, unique=True),
    st.lists(st.sampled_from(METHODS[:1] + METHODS[2:6]), min_size=1, unique=True),  # those of stored sums
)
windows = st.tuples(st.sampled_from(["before", "after", "between", None]), moments, moments)
slow = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@slow
@given(
    cold=rows | st.just([]),
    hot=rows | st.just([]),
    questions=st.lists(st.tuples(windows, st.sampled_from(list(DURATIONS)), methods), min_size=1, max_size=8),
)
async def test_aggregates_are_those_of_the_naive_reading(
    shared_broker: Broker, cold: list[Any], hot: list[Any], questions: list[Any]
) -> None:
    entity_id = await new_entity(shared_broker)
    await remember(shared_broker, entity_id, POWER, cold, cold=True)
    await remember(shared_broker, entity_id, POWER, hot)
    written: list[tuple[datetime, float]] = [*cold, *hot]
    for (timerel, at, end), duration, wanted_methods in questions:
        at, end = min(at, end), max(at, end)
        wanted = Wanted(
            asked(timerel, at, end), aggregation=parse_aggregation(",".join(wanted_methods), duration)
        )
        if not in_window(timerel, at, end, written):
            with pytest.raises(ResourceNotFound):
                await shared_broker.evolution(entity_id, wanted, sight=EVERYTHING)
            continue
        page = await shared_broker.evolution(entity_id, wanted, sight=EVERYTHING)
        (shown,) = page.evolutions
        document = render_temporal(shown, CORE, format="aggregatedValues")[POWER]
        months, rest = DURATIONS[duration]
        expected = naive(written, timerel, at, end, months, rest, wanted_methods)
        assert document.pop("type") == "Property"
        assert document.keys() == expected.keys()
        for method, periods in expected.items():
            assert [period[1:] for period in document[method]] == [period[1:] for period in periods]
            assert [period[0] for period in document[method]] == pytest.approx(
                [period[0] for period in periods], rel=1e-9, abs=1e-4
            ), method


def shown_values(evolution: EntityTemporal, attribute: str) -> list[tuple[str, Any]]:
    return [(event.at, event.instance["value"]) for event in evolution.events.get(attribute, ())]


mixed = st.one_of(st.integers(-5, 5), st.sampled_from(["on", "off", True, [1, 2], {"a": 1}]))
few = st.lists(st.tuples(near, mixed), max_size=20)


@slow
@given(
    cold=st.tuples(few, few, few),
    hot=st.tuples(few, few, few),
    question=windows,
    last_n=st.none() | st.integers(1, 12),
    most=st.integers(1, 12),
)
async def test_pages_put_together_are_everything(
    shared_broker: Broker, cold: Any, hot: Any, question: Any, last_n: int | None, most: int
) -> None:
    """Whoever goes on from the end of the range gets every instance; a range is torn at no instant."""
    broker = shared_broker
    entity_id = await new_entity(broker)
    places = ((POWER, ""), (POWER, "urn:x:d"), (LEVEL, ""))
    for (attribute, dataset), portion in zip(places, cold, strict=True):
        await remember(broker, entity_id, attribute, portion, dataset=dataset, cold=True)
    for (attribute, dataset), portion in zip(places, hot, strict=True):
        await remember(broker, entity_id, attribute, portion, dataset=dataset)
    timerel, at, end = question[0], min(question[1:]), max(question[1:])
    expected: dict[str, list[tuple[datetime, Any]]] = {
        POWER: in_window(timerel, at, end, [*cold[0], *hot[0], *cold[1], *hot[1]]),
        LEVEL: in_window(timerel, at, end, [*cold[2], *hot[2]]),
    }
    pool = broker.database.queries
    everything = Wanted(asked(timerel, at, end, lastN=last_n))
    if not any(expected.values()):
        with pytest.raises(ResourceNotFound):
            await temporal.retrieve(pool, entity_id, everything, most, EVERYTHING)
        return
    whole = await temporal.retrieve(pool, entity_id, everything, 10_000, EVERYTHING)
    assert whole.range is None
    for attribute, listed in expected.items():
        got = shown_values(whole.evolutions[0], attribute)
        assert [when for when, _ in got] == [text(when) for when, _ in listed[-(last_n or len(listed)) :]]
        assert all(one in [(text(when), value) for when, value in listed] for one in got)

    collected: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    wanted = everything
    for _ in range(100):
        page = await temporal.retrieve(pool, entity_id, wanted, most, EVERYTHING)
        (evolution,) = page.evolutions
        for attribute, events in evolution.events.items():
            fresh: dict[str, list[Any]] = defaultdict(list)
            for event in events:
                fresh[event.at].append(event.instance)
            collected[attribute].update(fresh)  # what comes again comes whole
        if page.range is None:
            break
        assert page.range.size == ("*" if last_n is None else str(last_n))
        resumed = datetime.fromisoformat(page.range.end)
        if last_n is None:
            resumed += timedelta(microseconds=1)  # the range's end is in it
            begins = max([resumed, *([at] if timerel in ("after", "between") else [])])
            until = {"before": at, "between": end}.get(timerel or "")
            following = asked("after" if until is None else "between", begins, until or begins)
        else:
            begins = at if timerel in ("after", "between") else None
            following = (
                asked("before", resumed, resumed, lastN=last_n)
                if begins is None
                else asked("between", begins, resumed, lastN=last_n)
            )
        wanted = Wanted(following)
        if not any(
            in_window(following.timerel, following.time_at or at, following.until, listed)
            for listed in expected.values()
        ):
            break
    else:
        pytest.fail("the pages have no end")
    for attribute, listed in expected.items():
        if last_n is None:
            got_times = sorted(when for when, many in collected[attribute].items() for _ in many)
            assert got_times == sorted(text(when) for when, _ in listed)


async def test_an_instance_keeps_its_identity_when_it_grows_cold(shared_broker: Broker) -> None:
    entity_id = await new_entity(shared_broker)
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    await remember(shared_broker, entity_id, POWER, [(at, 1), (at, 2), (at + timedelta(seconds=1), 3)])

    async def identities() -> dict[str, Any]:
        page = await shared_broker.evolution(entity_id, Wanted(), sight=EVERYTHING)
        return {
            event.instance["instanceId"]: event.instance["value"]
            for event in page.evolutions[0].events[POWER]
        }

    hot = await identities()
    assert sorted(hot.values()) == [1, 2, 3]
    places = [parse_instance_id(one) for one in hot]
    assert [place[2] for place in places if place is not None] == [0, 1, 0]
    await compact(shared_broker)
    assert await identities() == hot


async def test_an_instant_with_more_instances_than_a_page_is_not_torn(shared_broker: Broker) -> None:
    entity_id = await new_entity(shared_broker)
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for attribute in (POWER, LEVEL, NAME):
        await remember(shared_broker, entity_id, attribute, [(at, 1), (at + timedelta(hours=1), 2)])
    again = await new_entity(shared_broker)
    await remember(shared_broker, again, POWER, [(at, 1), (at, 2), (at, 3), (at + timedelta(hours=1), 4)])
    torn = await temporal.retrieve(shared_broker.database.queries, again, Wanted(), 1, EVERYTHING)
    assert torn.range == temporal.Range(text(at), text(at), "*")
    assert len(torn.evolutions[0].events[POWER]) == 3
    page = await temporal.retrieve(shared_broker.database.queries, entity_id, Wanted(), 2, EVERYTHING)
    assert page.range == temporal.Range(text(at), text(at), "*")
    assert {name: len(events) for name, events in page.evolutions[0].events.items()} == {
        POWER: 1,
        LEVEL: 1,
        NAME: 1,
    }


async def test_an_attribute_beyond_the_page_is_named_but_empty(shared_broker: Broker) -> None:
    entity_id = await new_entity(shared_broker)
    first = datetime(2026, 5, 1, tzinfo=UTC)
    await remember(shared_broker, entity_id, POWER, [(first + timedelta(hours=n), n) for n in range(5)])
    await remember(shared_broker, entity_id, LEVEL, [(first + timedelta(days=9), 1)])
    page = await temporal.retrieve(shared_broker.database.queries, entity_id, Wanted(), 4, EVERYTHING)
    assert [len(page.evolutions[0].events[name]) for name in (POWER, LEVEL)] == [4, 0]
    assert render_temporal(page.evolutions[0], CORE)[LEVEL] == []


async def test_which_entities_a_query_is_about(shared_broker: Broker) -> None:
    broker, kind = shared_broker, "urn:x:Selected"
    noon = datetime(2026, 6, 15, 12, tzinfo=UTC)
    gap, inside, hot, silent = [await new_entity(broker, kind) for _ in range(4)]
    # A chunk on both sides of the window, with nothing in it.
    around = [(noon - timedelta(days=3), 1), (noon + timedelta(days=3), 9)]
    await remember(broker, gap, POWER, around, cold=True)
    await remember(broker, inside, POWER, [(noon, 5), (noon + timedelta(days=3), 50)], cold=True)
    await remember(broker, silent, POWER, [(noon - timedelta(days=300), 1)], cold=True)
    await remember(broker, hot, LEVEL, [(noon + timedelta(minutes=1), "high")])
    window = asked("between", noon - timedelta(hours=1), noon + timedelta(hours=1))
    types = TypeSelection(((kind,),))

    async def ids(query: Query, wanted: Wanted | None = None) -> list[str]:
        page = await broker.evolutions(query, wanted or Wanted(window), sight=EVERYTHING)
        return [one.entity.id for one in page.evolutions]

    assert await ids(Query(types=types)) == [inside, hot]
    assert await ids(Query(types=types), Wanted(window, attributes=(LEVEL,))) == [hot]
    assert await ids(Query(types=types, ids=(gap, hot))) == [hot]
    assert await ids(Query(types=types, id_pattern=f"{inside}$")) == [inside]
    first = await broker.evolutions(Query(types=types, limit=1, count=True), Wanted(window), sight=EVERYTHING)
    assert (first.more, first.count, len(first.evolutions)) == (True, 2, 1)
    second = await broker.evolutions(Query(types=types, limit=1, offset=1), Wanted(window), sight=EVERYTHING)
    assert (second.more, [one.entity.id for one in second.evolutions]) == (False, [hot])
    # q is about the instances within the window: 50 came later.
    assert await ids(Query(types=types, q=parse_q("urn:x:power>10", CORE))) == []
    assert await ids(Query(types=types, q=parse_q("urn:x:power==5", CORE))) == [inside]
    assert await ids(Query(types=types, q=parse_q('urn:x:level=="high"', CORE))) == [hot]
    counted = await broker.evolutions(
        Query(types=types, q=parse_q("urn:x:power|urn:x:level", CORE), count=True, limit=1),
        Wanted(window),
        sight=EVERYTHING,
    )
    assert (counted.count, counted.more) == (2, True)
    with pytest.raises(BadRequestData):
        await ids(Query(types=types, q=parse_q("urn:x:near{urn:x:name}", CORE)))
    with pytest.raises(BadRequestData):
        await ids(Query(types=types, id_pattern="["))


async def test_places_and_scopes_of_the_past(shared_broker: Broker) -> None:
    broker, kind = shared_broker, "urn:x:Bus"
    noon = datetime(2026, 6, 15, 12, tzinfo=UTC)
    here, there = [await new_entity(broker, kind) for _ in range(2)]
    location = "https://uri.etsi.org/ngsi-ld/location"

    def point(lon: float) -> dict[str, Any]:
        return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, 51.4]}}

    await remember(broker, here, location, [(noon, point(6.76)), (noon + timedelta(hours=2), point(8.0))])
    await remember(broker, there, location, [(noon, point(8.0)), (noon + timedelta(hours=2), point(6.76))])
    await remember(
        broker, here, SCOPE, [(noon - timedelta(days=1), {"type": "Property", "value": ["/Duisburg"]})]
    )
    await remember(
        broker,
        there,
        SCOPE,
        [
            (noon - timedelta(days=1), {"type": "Property", "value": ["/Duisburg"]}),
            (noon - timedelta(hours=2), {"type": "Property", "value": ["/Essen"]}),
        ],
    )
    types = TypeSelection(((kind,),))
    near_it = parse_geo_query("near;maxDistance==2000", "Point", "[6.76, 51.4]", None, CORE)
    window = Wanted(asked("between", noon - timedelta(hours=1), noon + timedelta(hours=1)))

    async def ids(**conditions: Any) -> list[str]:
        page = await broker.evolutions(Query(types=types, **conditions), window, sight=EVERYTHING)
        return [one.entity.id for one in page.evolutions]

    assert await ids() == [here, there]
    assert await ids(geo=near_it) == [here]
    # A scope holds until the next, also if it was set before the window.
    assert await ids(scope_q=parse_scope_q("/Duisburg")) == [here]
    assert await ids(scope_q=parse_scope_q("/Essen")) == [there]


async def test_times_other_than_that_of_the_observation(shared_broker: Broker) -> None:
    broker = shared_broker
    entity_id = f"urn:x:past:{next(_numbers):06d}"
    before = datetime.now(UTC) - timedelta(minutes=1)
    old = {"type": "Property", "value": 1, "observedAt": "2020-01-01T00:00:00Z"}
    await broker.do(
        Operation(
            "create",
            entity_id,
            ("urn:x:Lamp",),
            attributes={POWER: [old], LEVEL: [{"type": "Property", "value": 7}]},
        )
    )

    async def attributes(**query: Any) -> set[str]:
        page = await broker.evolution(entity_id, Wanted(parse_temporal_query(query)), sight=EVERYTHING)
        return set(page.evolutions[0].events)

    assert await attributes() == {POWER, LEVEL}
    assert await attributes(timeproperty="observedAt") == {POWER}
    lately = {"timerel": "after", "timeAt": text(before)}
    assert await attributes(timeproperty="createdAt", **lately) == {POWER, LEVEL}
    assert await attributes(timeproperty="modifiedAt", **lately) == {POWER, LEVEL}
    with pytest.raises(ResourceNotFound):
        await attributes(timeproperty="deletedAt")
    with pytest.raises(ResourceNotFound):
        await attributes(**lately)
    await broker.do(Operation("delete_attribute", entity_id, attribute=LEVEL))
    assert await attributes(timeproperty="deletedAt", **lately) == {LEVEL}
    await compact(broker)
    # When a compacted observation arrived is not known; what has no observedAt stands at its arrival.
    assert await attributes(timeproperty="createdAt", **lately) == {LEVEL}
    # The evolution outlives the entity.
    await broker.do(Operation("delete", entity_id))
    page = await broker.evolution(
        entity_id, Wanted(parse_temporal_query({"timeproperty": "observedAt"})), sight=EVERYTHING
    )
    assert page.evolutions[0].deleted_at is not None
    assert page.evolutions[0].entity.types == ("urn:x:Lamp",)
    found = await broker.evolutions(
        Query(ids=(entity_id,)),
        Wanted(parse_temporal_query({"timeproperty": "deletedAt", **lately})),
        sight=EVERYTHING,
    )
    assert {name for one in found.evolutions for name in one.events} == {POWER, LEVEL}


async def test_units_are_not_added_to_each_other(shared_broker: Broker) -> None:
    entity_id = await new_entity(shared_broker)
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    await remember(shared_broker, entity_id, POWER, [(at, 500)], unit="WTT")
    await remember(shared_broker, entity_id, POWER, [(at, 2)], unit="KWT")
    page = await shared_broker.evolution(
        entity_id, Wanted(aggregation=parse_aggregation("sum", None)), sight=EVERYTHING
    )
    shown = render_temporal(page.evolutions[0], CORE)[POWER]
    assert {(one["unitCode"], one["sum"][0][0]) for one in shown} == {("WTT", 500.0), ("KWT", 2.0)}


async def test_an_attribute_that_is_asked_for_must_be_eligible(shared_broker: Broker) -> None:
    entity_id = await new_entity(shared_broker)
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    await remember(shared_broker, entity_id, NAME, [(at, "a"), (at, "b")])
    await remember(shared_broker, entity_id, POWER, [(at, 1)])
    average = parse_aggregation("avg", None)
    with pytest.raises(InvalidRequest):
        await shared_broker.evolution(
            entity_id,
            Wanted(attributes=(NAME,), aggregation=average, named=frozenset({NAME})),
            sight=EVERYTHING,
        )
    page = await shared_broker.evolution(entity_id, Wanted(aggregation=average), sight=EVERYTHING)
    assert list(page.evolutions[0].aggregated) == [POWER]


@pytest.mark.parametrize("edges", [False, True])
async def test_statistics_of_many_series(shared_broker: Broker, edges: bool) -> None:
    broker, kind = shared_broker, f"urn:x:Meter{edges}"
    first = datetime(2026, 2, 20, tzinfo=UTC)
    expected = {}
    for number in range(3):
        entity_id = await new_entity(broker, kind)
        values = [(first + timedelta(days=3 * n), float(n * (number + 1))) for n in range(12)]
        await remember(broker, entity_id, POWER, values[:9], cold=True)
        expected[entity_id] = values
    for entity_id, values in expected.items():
        await remember(broker, entity_id, POWER, values[9:])
    since, until = first + timedelta(days=4), first + timedelta(days=26)
    wanted = Wanted(asked("between", since, until) if edges else TemporalQuery())
    found = await broker.statistics(Query(types=TypeSelection(((kind,),))), wanted, sight=EVERYTHING)
    for index, entity_id in enumerate(found.entities):
        kept = [v for at, v in expected.pop(entity_id) if not edges or since <= at < until]
        assert (found.counts[index], found.totals[index]) == (len(kept), pytest.approx(sum(kept)))
        assert (found.smallest[index], found.largest[index]) == (min(kept), max(kept))
    assert not expected


async def test_numbers_of_many_series(shared_broker: Broker) -> None:
    """Hot and cold, each attribute from its own time on, in order, all of an entity together."""
    broker, kind, other = shared_broker, "urn:x:Meter:Many", "urn:x:level"
    first = datetime(2026, 2, 27, tzinfo=UTC)
    expected: dict[tuple[str, str], list[float]] = {}
    since, until = {POWER: first + timedelta(days=2), other: first + timedelta(days=1)}, first + timedelta(6)
    for number in range(3):
        entity_id = await new_entity(broker, kind)
        values = [(first + timedelta(days=n), float(n + 10 * number)) for n in range(8)]
        for attribute, begin in since.items():
            await remember(broker, entity_id, attribute, values[:4], cold=True)
            await remember(broker, entity_id, attribute, values[4:][::-1])
            expected[entity_id, attribute] = [v for at, v in values if begin <= at < until]
    portions = broker.numbers(Query(types=TypeSelection(((kind,),))), since, until, sight=EVERYTHING)
    found = [one async for portion in portions for one in portion]
    assert {(one.entity, one.attribute): one.values.tolist() for one in found} == expected
    assert [one.entity for one in found] == sorted(one.entity for one in found)
    assert all((np.diff(one.times) > 0).all() for one in found)


def test_what_has_happened_lies_in_the_month_of_its_chunk() -> None:
    """The naive reading's own months, so that the property above is not compared with itself."""
    begin = datetime(2026, 1, 31, tzinfo=UTC)
    assert [later(begin, 1, timedelta(0), n).date() for n in range(4)] == [
        date(2026, 1, 31),
        date(2026, 2, 28),
        date(2026, 3, 31),
        date(2026, 4, 30),
    ]
