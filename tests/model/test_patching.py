"""Patches of instances (CIM 009 §5.5.8, §5.5.12), held against RFC 7396 where that has a word."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.model import BadRequestData
from rhinecloud.model.patching import completed, merged, replaced
from rhinecloud.model.values import NULL

SUB = "https://example.org/sub"
keys = st.sampled_from(["a", "b", "c", "x:y"])
scalars = st.one_of(st.integers(0, 3), st.booleans(), st.sampled_from(["s", ""]))
values: Any = st.recursive(
    scalars,
    lambda inner: st.dictionaries(keys, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
)
patches: Any = st.recursive(
    st.one_of(scalars, st.just(NULL)), lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


def rfc7396(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value == NULL:
            result.pop(name, None)
        else:
            result[name] = rfc7396(result.get(name), value)
    return result


@given(values, patches.filter(lambda patch: patch != NULL))
def test_values_are_merged_as_json_is(value: Any, patch: Any) -> None:
    current, change = {"type": "Property", "value": value}, {"type": "Property", "value": patch}
    kept = deepcopy((current, change))
    assert merged(current, change)["value"] == rfc7396(value, patch)
    assert (current, change) == kept


def test_sub_attributes_by_their_datasets() -> None:
    one, two = {"type": "Property", "value": 1}, {"type": "Property", "value": 2, "datasetId": "urn:d:2"}
    current = {"type": "Property", "value": 0, "unitCode": "C62", SUB: [one, two]}
    patch = {SUB: [{"unitCode": "P1", "datasetId": "urn:d:2"}]}
    assert merged(current, patch)[SUB] == [one, {**two, "unitCode": "P1"}]
    with pytest.raises(BadRequestData):
        replaced(current, patch)
    other = {"type": "Property", "value": 3, "datasetId": "urn:d:2"}
    assert replaced(current, {SUB: [other]})[SUB] == [one, other]
    null = {"type": "Property", "value": NULL}
    for alter in (merged, replaced):
        assert alter(current, {SUB: [null]})[SUB] == [two]
        assert SUB not in alter(current, {SUB: [null, {**null, "datasetId": "urn:d:2"}]})
        assert alter(current, {"unitCode": NULL}).keys() == {"type", "value", SUB}
    relationship = {"type": "Relationship", "object": "urn:x:1"}
    assert merged(current, {SUB: [relationship]})[SUB] == [relationship, two]


def test_what_is_new_is_whole() -> None:
    patch = {
        "type": "Property",
        "value": {"a": NULL, "b": 1},
        "unitCode": NULL,
        SUB: [{"type": "Property", "value": NULL}],
    }
    assert completed(patch) == {"type": "Property", "value": {"b": 1}}
    for part in (
        {"unitCode": "C62"},
        {"type": "Property"},
        {"type": "Property", "unitCode": "C62"},
        {"value": 1},
    ):
        with pytest.raises(BadRequestData):
            completed(part)
