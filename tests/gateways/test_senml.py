"""SenML (RFC 8428): the examples of the standard, its rules, and whatever hypothesis thinks of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.gateways.profiles import FixedProfiles, Unmappable
from rhinecloud.gateways.profiles.senml import MAX_RECORDS, resolve
from rhinecloud.model import CORE

ARRIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
OWN = "urn:dev:ow:10e2073a01080063"


def resolved(*records: dict[str, Any]) -> list[dict[str, Any]]:
    return resolve(json.dumps(records).encode(), ARRIVED)


def test_base_values_hold_from_then_on() -> None:
    """§5.1.2 and §5.1.3 of the standard: base name, base time, base unit; relative times."""
    found = resolved(
        {"bn": f"{OWN}:", "bt": 1.320067464e9, "bu": "A", "bver": 5, "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "t": -5, "v": 1.2},
        {"n": "current", "v": 1.7},
    )
    assert [(one["name"], one["label"], one["value"], one["unit"], one["time"]) for one in found] == [
        (f"{OWN}:voltage", "voltage", 120.1, "V", 1.320067464e9),
        (f"{OWN}:current", "current", 1.2, "A", 1.320067459e9),
        (f"{OWN}:current", "current", 1.7, "A", 1.320067464e9),
    ]


def test_small_times_are_relative_to_now() -> None:
    (found,) = resolved({"n": "a", "v": 1, "t": -60})
    assert found["time"] == ARRIVED.timestamp() - 60


def test_every_kind_of_value_and_sums() -> None:
    found = resolved(
        {"bn": "x:", "n": "label", "vs": "Machine Room"},
        {"n": "open", "vb": False},
        {"n": "nfc", "vd": "aGkgCg"},
        {"n": "power", "u": "W", "v": 100, "s": 3600},
        {"bs": 1000, "n": "energy", "u": "W", "s": 1},
    )
    assert [(one["label"], one["kind"], one["value"], one.get("unit")) for one in found] == [
        ("label", "text", "Machine Room", None),
        ("open", "boolean", False, None),
        ("nfc", "data", "aGkgCg", None),
        ("power", "number", 100, "W"),
        ("power_sum", "sum", 3600, "J"),
        ("energy_sum", "sum", 1001, "J"),
    ]


def test_base_value_is_added() -> None:
    assert [one["value"] for one in resolved({"bn": "x", "bv": 20, "v": 1.5}, {"n": "y", "v": 2})] == [
        21.5,
        22,
    ]


def test_cbor_is_the_same() -> None:
    """§6: labels are numbers, data are bytes."""
    pack = cbor2.dumps([{-2: "urn:x:", -3: 1.32e9, 0: "t", 1: "Cel", 2: 23.5}, {0: "d", 8: b"hi \n"}])
    found = resolve(pack, ARRIVED)
    assert [(one["name"], one["value"], one["time"]) for one in found] == [
        ("urn:x:t", 23.5, 1.32e9),
        ("urn:x:d", "aGkgCg", 1.32e9),
    ]


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([], "1 to"),
        ([7], "object"),
        ([{"n": "a"}], "value or a sum"),
        ([{"n": "a", "v": 1, "vb": True}], "one value"),
        ([{"n": "a", "v": "1"}], "v is a number"),
        ([{"n": "a", "v": True}], "v is a number"),
        ([{"n": "a", "vb": 1}], "vb is"),
        ([{"n": "a", "vs": 1}], "vs is a text"),
        ([{"v": 1}], "no name"),
        ([{"n": "-a", "v": 1}], "no name"),
        ([{"n": "a b", "v": 1}], "no name"),
        ([{"n": "a", "v": 1, "new_": 2}], "understood"),
        ([{"bver": 99, "n": "a", "v": 1}], "version"),
        ([{"bn": "a"}], "base values only"),
        ([{"n": "a", "v": 1}] * (MAX_RECORDS + 1), "1 to"),
    ],
)
def test_packs_that_cannot_be(records: list[Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        resolve(json.dumps(records).encode(), ARRIVED)


def test_the_profile_makes_attributes_with_units_and_times() -> None:
    pack = [
        {"bn": f"{OWN}:", "bt": 1772366300, "n": "temperature", "u": "Cel", "v": 23.1},
        {"n": "humidity", "u": "%RH", "v": 67},
        {"n": "temperature", "u": "Cel", "v": 23.2, "t": 60},
    ]
    mapped = FixedProfiles().read("senml/WeatherObserved/dach", json.dumps(pack).encode(), ARRIVED)
    assert mapped.device == "dach"
    assert [one.entity_id for one in mapped.measurements] == ["urn:ngsi-ld:WeatherObserved:dach"] * 2
    first, second = mapped.measurements
    temperature = CORE.expand_name("temperature")
    assert first.attributes[temperature] == [
        {"type": "Property", "value": 23.1, "unitCode": "CEL", "observedAt": "2026-03-01T11:58:20Z"}
    ]
    assert first.attributes[CORE.expand_name("humidity")][0]["unitCode"] == "P1"
    assert second.attributes[temperature][0]["observedAt"] == "2026-03-01T11:59:20Z"


def test_an_unknown_unit_is_not_guessed() -> None:
    with pytest.raises(Unmappable, match="'furlong'"):
        FixedProfiles().read("senml/T/1", b'[{"n":"a","u":"furlong","v":1}]', ARRIVED)


RECORD = st.dictionaries(
    st.sampled_from(
        ["bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "x", "y_"]
    ),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5)
    ),
    max_size=6,
)


@given(st.lists(RECORD, max_size=5))
def test_any_pack_is_resolved_or_refused(records: list[dict[str, Any]]) -> None:
    labels = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6, "n": 0, "u": 1, "v": 2, "vs": 3}
    labels |= {"vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8}
    pack = cbor2.dumps([{labels.get(key, key): value for key, value in one.items()} for one in records])
    try:
        for one in resolve(pack, ARRIVED):
            assert one["name"]
            assert isinstance(one["time"], float | int)
    except ValueError as error:
        assert str(error)


@given(st.binary(max_size=200))
def test_any_bytes_are_resolved_or_refused(payload: bytes) -> None:
    for whole in (payload, b"\x81" + payload, b"[" + payload + b"]"):
        try:
            assert resolve(whole, ARRIVED)
        except ValueError as error:
            assert str(error)
