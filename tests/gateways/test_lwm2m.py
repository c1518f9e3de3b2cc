"""Packs of LwM2M resources, and the profile of lamp controllers that speak by the uCIFI data model."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.gateways.profiles import (
    Catalogue,
    Confirmation,
    FixedProfiles,
    Mapped,
    ProfileError,
    Unmappable,
)
from rhinecloud.gateways.profiles.lwm2m import resolve
from rhinecloud.model import CORE

ARRIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROFILES = FixedProfiles()
NOW = ARRIVED.timestamp()
LIT: list[dict[str, Any]] = [
    {"bn": "/3416/0/", "bt": NOW - 60, "n": "1", "v": 60},
    {"n": "3", "v": 60},
    {"n": "5", "vb": False},
    {"n": "15", "v": 812.5},
    {"n": "21", "v": 41.5},
    {"bn": "/3418/0/", "n": "1", "v": 231.2},
    {"n": "4", "v": 23.9},
    {"n": "5", "v": 0.97},
    {"n": "6", "v": 19_500},
]


def read(payload: Any, device: str = "lamp-1") -> Mapped:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return PROFILES.read(f"ucifi/{device}/report", body, ARRIVED)


def values(mapped: Mapped, index: int = 0) -> dict[str, Any]:
    return {
        CORE.compact_iri(iri): (one[0]["value"], one[0].get("unitCode"))
        for iri, one in mapped.measurements[index].attributes.items()
    }


def test_a_report_of_a_lamp_controller() -> None:
    mapped = read(LIT)
    assert (mapped.profile, mapped.measurements[0].entity_id) == ("ucifi", "urn:ngsi-ld:Streetlight:lamp-1")
    assert values(mapped) == {
        "illuminanceLevel": (0.6, None),
        "powerState": ("on", None),
        "status": ("ok", None),
        "operatingHours": (812.5, "HUR"),
        "temperature": (41.5, "CEL"),
        "voltage": (231.2, "VLT"),
        "powerConsumption": (23.9, "WTT"),
        "powerFactor": (0.97, None),
        "lifetimePowerConsumption": (19.5, "KWH"),
    }
    level = mapped.measurements[0].attributes[CORE.expand_term("illuminanceLevel")][0]
    assert level["observedAt"] == "2026-03-01T11:59:00Z"


def test_the_same_in_cbor() -> None:
    labels = {"bn": -2, "bt": -3, "n": 0, "v": 2, "vb": 4}
    pack = [{labels[key]: value for key, value in record.items()} for record in LIT]
    assert values(read(cbor2.dumps(pack))) == values(read(LIT))


def test_a_dark_and_broken_lamp() -> None:
    mapped = read([{"bn": "/3416/0/", "n": "3", "v": 0}, {"n": "5", "vb": True}, {"n": "10", "vb": True}])
    assert values(mapped) == {
        "illuminanceLevel": (0, None),
        "powerState": ("off", None),
        "status": ("defectiveLamp", None),
        "dayBurner": (True, None),
    }


def test_what_was_stored_comes_with_its_time_and_what_nobody_asks_for_is_left() -> None:
    mapped = read(
        [
            {"bn": "/3416/0/", "n": "3", "v": 40, "t": -3600},
            {"n": "3", "v": 70, "t": -60},
            {"bn": "/3/0/", "n": "9", "v": 95, "t": -30},
            {"n": "0", "vs": "maker"},
            {"bn": "", "n": "/3416/0/27", "vlo": "3418:0"},
        ]
    )
    assert [values(mapped, index)["illuminanceLevel"][0] for index in (0, 1)] == [0.4, 0.7]
    assert len(mapped.measurements) == 2


@pytest.mark.parametrize(
    "name", ["/3416/0/3", "3416/0/3", "urn:dev:os:32473-123:/3416/0/3", "rd/ep-7/3416/0/3"]
)
def test_names_of_resources(name: str) -> None:
    ((_, found),) = [(one["time"], one["values"]) for one in resolve(_pack(name), ARRIVED)]
    assert found == {"/3416/0/3": 7}


@pytest.mark.parametrize(
    "name", ["", "/", "//", "/3416", "/3416/0", "dimming", "/3416/0/3/", "-/3416/0/3", "/a/b/c"]
)
def test_what_is_no_path_of_a_resource(name: str) -> None:
    if name == "/3416/0/3/":
        assert resolve(_pack(name), ARRIVED)
        return
    with pytest.raises(ValueError):
        resolve(_pack(name), ARRIVED)


def _pack(name: str) -> bytes:
    return json.dumps([{"n": name, "v": 7}]).encode()


def test_what_holds_nothing_of_a_lamp_is_kept_aside() -> None:
    for payload in ([{"n": "/3/0/9", "v": 95}], [{"n": "/3416/0/3", "vs": "bright"}], [], {}, b"\xff"):
        with pytest.raises(Unmappable):
            read(payload)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_comes_is_read_or_kept_aside(payload: bytes) -> None:
    with contextlib.suppress(Unmappable):
        read(payload)


def test_a_lamp_is_told_its_level_and_confirms_by_reporting_it() -> None:
    profile = PROFILES.get("ucifi")
    assert profile is not None
    ((topic, payload),) = profile.commands("lamp-1", "Streetlight", 12, {"illuminanceLevel": 0.605})
    assert (topic, json.loads(payload)) == ("ucifi/lamp-1/write", [{"n": "/3416/0/1", "v": 61}])
    assert profile.told({"illuminanceLevel": 0.605}) == {"/3416/0/1": 61}
    assert read([{"n": "/3416/0/1", "v": 61}, {"n": "/3416/0/3", "v": 60}]).confirmations == [
        Confirmation("lamp-1", None, "done", reported={"/3416/0/1": 61, "/3416/0/3": 60})
    ]
    assert profile.topics_of("lamp-1", "") == (("ucifi/lamp-1/report",), ("ucifi/lamp-1/write",))


BOUNDED: dict[str, Any] = {
    "name": "bounded",
    "topics": ["x/{device}"],
    "entity": {"type": "Lamp"},
}


def test_bounds_need_one_number() -> None:
    for rule in (
        {"name": "a", "value": "on", "above": 0},
        {"names": "*", "path": "$.*", "above": 0},
        {"name": "a", "path": "$.*", "above": 0},
    ):
        with pytest.raises(ProfileError):
            Catalogue().compiled({**BOUNDED, "attributes": [rule]})
