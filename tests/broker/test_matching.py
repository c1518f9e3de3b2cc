"""The index and the shortcuts find what holding every subscription against every change finds."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rhinecloud.broker import Change
from rhinecloud.broker.subscriptions.conditions import geo_test, q_test
from rhinecloud.broker.subscriptions.matching import (
    Effects,
    Index,
    Watched,
    differ,
    effects_of,
    state_of,
    triggered,
)
from rhinecloud.model import CORE, Entity, geometry_matcher, matches, parse_entity, parse_geo_query, parse_q
from rhinecloud.model.subscription import TRIGGERS, parse_subscription, read_subscription

from ..model import strategies

NOW = datetime.now(UTC)
TYPES, NAMES, IDS = ["A", "B", "C"], ["p", "q", "r"], [f"urn:x:{n}" for n in range(4)]
numbers = itertools.count(1)


@given(strategies.queries, strategies.entities)
@settings(max_examples=300)
def test_a_shortcut_reads_q_as_the_model_does(q: Any, entity: Entity) -> None:
    assert q_test(q)(entity) == matches(q, entity)


@given(
    st.sampled_from(
        ["p==1", "p!=1", "p>1", 'p=="a"', 'p!="a"', 'p~="a.*"', 'p!~="a.*"', "p", "p;q", "(p|q>1);r"]
    ),
    st.dictionaries(
        st.sampled_from(NAMES),
        st.sampled_from(
            [1, 2.5, "a", "abc", True, [1, 2], ["a"], {"object": "urn:x:1"}, {"a": 1}]
            + [[{"value": 1}, {"value": 2, "datasetId": "urn:d:1"}]]
            + [[{"value": "b"}, {"value": "ab", "datasetId": "urn:d:1"}]]
        ),
    ),
)
@settings(max_examples=300)
def test_a_shortcut_reads_plain_values_as_the_model_does(text: str, members: dict[str, Any]) -> None:
    entity = parse_entity({"id": "urn:x:1", "type": "A", **members}, CORE)
    q = parse_q(text, CORE)
    assert q_test(q)(entity) == matches(q, entity)


@given(
    st.sampled_from(["near;maxDistance==5000", "near;minDistance==5000", "within", "disjoint", "intersects"]),
    st.lists(st.tuples(st.floats(6.5, 6.9), st.floats(51.3, 51.5)), min_size=1, max_size=3),
)
@settings(max_examples=200)
def test_a_box_leaves_out_nothing(georel: str, points: list[tuple[float, float]]) -> None:
    square = [[[6.6, 51.35], [6.8, 51.35], [6.8, 51.45], [6.6, 51.45], [6.6, 51.35]]]
    query = parse_geo_query(georel, "Polygon", square, None, CORE)
    at = [
        {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": list(point)},
            **({"datasetId": f"urn:d:{n}"} if n else {}),
        }
        for n, point in enumerate(points)
    ]
    entity = parse_entity({"id": "urn:x:1", "type": "A", "location": at if len(at) > 1 else at[0]}, CORE)
    expected = any(geometry_matcher(query)(one["value"]) for one in at)
    assert geo_test(query)(entity) == expected


subscriptions = st.builds(
    lambda selectors, watched, triggers, q: {
        "type": "Subscription",
        "notification": {"endpoint": {"uri": "http://example.org/"}},
        **({"entities": selectors} if selectors else {}),
        **({"watchedAttributes": watched} if watched else {}),
        **({"notificationTrigger": triggers} if triggers else {}),
        **({"q": q} if q else {}),
        "localOnly": True,
    },
    st.lists(
        st.builds(
            lambda kind, ids, pattern: {
                "type": kind,
                **({"id": ids} if ids else {}),
                **({"idPattern": pattern} if pattern else {}),
            },
            st.sampled_from([*TYPES, "*", "A|B", "(A;B)", "(A;B)|C"]),
            st.lists(st.sampled_from(IDS), max_size=2, unique=True),
            st.sampled_from([None, None, "[12]$"]),
        ),
        max_size=2,
    ),
    st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    st.lists(st.sampled_from(sorted(TRIGGERS)), max_size=3, unique=True),
    st.sampled_from([None, None, "p==1", "q"]),
)
states = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2))
changes = st.builds(
    lambda entity_id, types, before, after, kind: _change(entity_id, types, before, after, kind),
    st.sampled_from(IDS),
    st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True),
    states,
    states,
    st.sampled_from(["create", "update", "delete"]),
)


def _change(entity_id: str, types: list[str], before: Any, after: Any, kind: Any) -> Change:
    old = parse_entity({"id": entity_id, "type": types, **(before if kind != "create" else {})}, CORE)
    new = parse_entity({"id": entity_id, "type": types, **(after if kind != "delete" else {})}, CORE)
    return Change(
        entity_id,
        new.types,
        kind,
        tuple({**old.attributes, **new.attributes}),
        None if kind == "delete" else new,
        old.attributes,
        id=next(numbers),
    )


@given(st.lists(subscriptions, max_size=6), st.lists(changes, min_size=1, max_size=6))
@settings(max_examples=300)
def test_the_index_misses_nothing_and_nobody_twice(documents: list[Any], told: list[Change]) -> None:
    watched = []
    for number, document in enumerate(documents):
        checked = parse_subscription({**document, "id": f"urn:s:{number}"}, CORE, NOW)
        watched.append(Watched.of(number, 0, read_subscription(checked), CORE))
    index = Index(watched)
    for change in told:
        expected = [
            one.number
            for one in watched
            if one.subscription.selects(change.entity_id, change.types)
            and triggered(one.subscription, change, effects_of(change))
            and (one.subscription.q is None or matches(one.subscription.q, state_of(change)))
        ]
        assert sorted(one.number for one in index.matching(change, NOW)) == expected


def test_what_counts_as_a_change() -> None:
    """§5.8.6: another value of any member; not the times of storage."""
    old = {"type": "Property", "value": 1, "createdAt": "a", "modifiedAt": "b"}
    assert not differ(old, {**old, "modifiedAt": "c"})
    assert differ(old, {**old, "value": 2}) and differ(old, {**old, "unitCode": "CEL"})
    assert differ({**old, "unitCode": "CEL"}, old)
    before = {"x": [old], "y": [old, {**old, "datasetId": "urn:d:1"}], "gone": [old]}
    after = {"x": [{**old, "value": 2}], "y": [old, {**old, "datasetId": "urn:d:2"}], "new": [old]}
    entity = Entity(id="urn:x:1", types=("urn:A",), attributes=after)
    change = Change(entity.id, entity.types, "update", ("x", "y", "gone", "new"), entity, before)
    assert effects_of(change) == Effects(frozenset({"new", "y"}), frozenset({"x"}), frozenset({"gone", "y"}))
