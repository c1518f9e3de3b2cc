"""The document of a subscription: checked, kept in the core's names, merged, read and shown again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rhinecloud.model import BadRequestData, Context, NgsiLdError, OperationNotSupported
from rhinecloud.model.subscription import (
    merge_subscription,
    parse_subscription,
    read_subscription,
    show_subscription,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTEXT = Context.compile([{"Lamp": "urn:v:Lamp", "power": "urn:v:power"}])
ENDPOINT = {"uri": "https://example.org/told"}


def sent(**members: Any) -> dict[str, Any]:
    whole = {
        "id": "urn:s:1",
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": ENDPOINT},
        **members,
    }
    return {name: value for name, value in whole.items() if value is not None}


EVERYTHING = sent(
    subscriptionName="lamps",
    description="Lamps that burn",
    entities=[
        {"type": "(Lamp;Post)|Other", "idPattern": "^urn:"},
        {"type": "*", "id": ["urn:x:1", "urn:x:2"]},
    ],
    watchedAttributes=["power", "other"],
    notificationTrigger=["entityCreated", "attributeUpdated"],
    q='power>5;(other=="a"|power==1..3)',
    geoQ={
        "georel": "near;maxDistance==2000",
        "geometry": "Point",
        "coordinates": [6.76, 51.43],
        "geoproperty": "power",
    },
    scopeQ="/A/#|(/B;/C)",
    csf="endpoint",
    datasetId=["@none", "urn:d:1"],
    lang="de",
    localOnly=True,
    splitEntities=False,
    ngsildConformance="1.8",
    isActive=True,
    expiresAt="2027-01-01T00:00:00Z",
    throttling=2.5,
    notification={
        "pick": ["id", "power"],
        "omit": ["other"],
        "format": "concise",
        "sysAttrs": True,
        "showChanges": True,
        "join": "@none",
        "endpoint": {
            "uri": "mqtts://u:p@example.org:8884/city/lamps",
            "accept": "application/ld+json",
            "receiverInfo": [{"key": "k", "value": "v"}],
            "notifierInfo": [{"key": "MQTT-QoS", "value": "1"}],
            "timeout": 500,
            "cooldown": 1000.5,
        },
    },
)


def test_what_was_sent_is_shown_again() -> None:
    kept = parse_subscription(EVERYTHING, CONTEXT, NOW)
    assert kept["watchedAttributes"] == ["urn:v:power", "https://uri.etsi.org/ngsi-ld/default-context/other"]
    shown = show_subscription(kept, CONTEXT)
    assert parse_subscription(shown, CONTEXT, NOW) == kept
    assert {**shown, "q": ""} == {**EVERYTHING, "q": ""}
    assert parse_subscription(show_subscription(kept, Context.compile([])), Context.compile([]), NOW) == kept


def test_what_it_means() -> None:
    read = read_subscription(parse_subscription(EVERYTHING, CONTEXT, NOW))
    assert read.watched >= {"urn:v:power"} and read.throttling == 2.5 and read.lang == "de"
    assert read.triggers == {"entityCreated", "attributeUpdated"}
    assert read.geo is not None and read.geo.property == "urn:v:power"
    assert read.notification.endpoint.timeout == 0.5 and read.notification.endpoint.is_mqtt
    assert read.notification.projection.pick == {"id", "urn:v:power"}
    assert read.selects("urn:x:1", ("urn:any",)) and not read.selects("urn:x:3", ("urn:v:Lamp",))
    assert read.status(NOW) == "active"
    assert read.status(NOW + timedelta(days=366)) == "expired"
    plain = read_subscription(parse_subscription(sent(isActive=False), CONTEXT, NOW))
    assert plain.triggers == {"attributeCreated", "attributeUpdated"} and plain.status(NOW) == "paused"
    updated = parse_subscription(sent(notificationTrigger=["entityUpdated"]), CONTEXT, NOW)
    assert read_subscription(updated).triggers >= {"attributeCreated", "attributeUpdated", "attributeDeleted"}


def test_a_fragment_replaces_and_takes_away() -> None:
    """§5.8.2, §5.5.8"""
    kept = parse_subscription(EVERYTHING, CONTEXT, NOW)
    changed = merge_subscription(
        kept,
        {
            "type": "Subscription",
            "q": "power<1",
            "lang": "urn:ngsi-ld:null",
            "throttling": None,
            "status": "x",
        },
        CONTEXT,
        NOW,
    )
    assert (
        show_subscription(changed, CONTEXT)["q"] == "power<1"
        and "lang" not in changed
        and "throttling" not in changed
    )
    assert changed["notification"] == kept["notification"] and "status" not in changed
    simple = merge_subscription(kept, {"notification": {"endpoint": ENDPOINT}}, CONTEXT, NOW)
    assert simple["notification"] == {"endpoint": ENDPOINT}
    interval = {"timeInterval": 5, "throttling": None, "watchedAttributes": None}
    assert merge_subscription(kept, interval, CONTEXT, NOW)["timeInterval"] == 5
    for wrong in (
        {"id": "urn:s:2"},
        {"timeInterval": 5},
        {"notification": None},
        {"expiresAt": "2025-01-01T00:00:00Z"},
        {"colour": None},
        {"type": "Lamp"},
        7,
    ):
        with pytest.raises(BadRequestData):
            merge_subscription(kept, wrong, CONTEXT, NOW)


@pytest.mark.parametrize(
    "members",
    [
        {"q": "power{Lamp:power}>1"},
        {"q": "power>1;(power|other{power})"},
        {"ngsildConformance": "1.6"},
        {"notification": {"endpoint": {"uri": "coap://example.org/"}}},
    ],
)
def test_what_is_not_offered_is_said(members: dict[str, Any]) -> None:
    with pytest.raises(OperationNotSupported):
        parse_subscription(sent(**members), CONTEXT, NOW)


JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    1e400,
    "",
    " ",
    "urn:ngsi-ld:null",
    [],
    [None],
    [[]],
    {},
    {"a": 1},
    "\x00",
]


def test_junk_anywhere_gets_a_clear_answer() -> None:
    """Every member with every kind of junk: an error of the standard, or it was no junk there."""
    for name in EVERYTHING:
        for junk in JUNK:
            whole = {**EVERYTHING, name: junk}
            for parse in (
                lambda d: read_subscription(parse_subscription(d, CONTEXT, NOW)),
                lambda d: merge_subscription(EVERYTHING, {name: d[name]}, CONTEXT, NOW),  # noqa: B023
            ):
                try:
                    parse(whole)
                except NgsiLdError as error:
                    assert error.status in (400, 422)
    for name in (*EVERYTHING["notification"], "attributes", "joinLevel"):
        for junk in JUNK:
            whole = {**EVERYTHING, "notification": {**EVERYTHING["notification"], name: junk}}
            try:
                read_subscription(parse_subscription(whole, CONTEXT, NOW))
            except NgsiLdError as error:
                assert error.status in (400, 422)
    for name in EVERYTHING["notification"]["endpoint"]:
        for junk in JUNK:
            endpoint = {**EVERYTHING["notification"]["endpoint"], name: junk}
            whole = {**EVERYTHING, "notification": {"endpoint": endpoint}}
            try:
                read_subscription(parse_subscription(whole, CONTEXT, NOW))
            except NgsiLdError as error:
                assert error.status in (400, 422)
