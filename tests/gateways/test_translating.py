"""What is wanted of a lamp, in the words of lamps of several makers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rhinecloud.gateways.profiles import FixedProfiles, ProfileError
from rhinecloud.gateways.profiles.document import WantedRule
from rhinecloud.gateways.profiles.profiles import Catalogue
from rhinecloud.gateways.profiles.translating import Translating

PROFILES = FixedProfiles()


def told(values: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    return Translating([("", WantedRule(**rule)) for rule in rules]).told(values)


def messages(profile: str, level: float) -> dict[str, Any]:
    """What a lamp of the profile is sent: topic → payload."""
    found = PROFILES.get(profile)
    assert found is not None
    sent = {}
    for topic, payload in found.commands("l1", "Streetlight", 7, {"illuminanceLevel": level}):
        text = payload.decode()
        sent[topic] = json.loads(text) if text.startswith("{") else text
    return sent


@pytest.mark.parametrize(
    ("profile", "level", "sent"),
    [
        (
            "plain-json",
            0.4,
            {"json/Streetlight/l1/command": {"version": 7, "set": {"illuminanceLevel": 0.4}}},
        ),
        ("tasmota", 0.4, {"cmnd/l1/Dimmer": "40"}),
        ("tasmota", 1.0, {"cmnd/l1/Dimmer": "100"}),
        ("tasmota", 0.335, {"cmnd/l1/Dimmer": "34"}),
        ("tasmota", 0.001, {"cmnd/l1/Dimmer": "1"}),  # dim is not off
        ("tasmota", 0, {"cmnd/l1/POWER": "OFF"}),
        ("tasmota-switch", 0.1, {"cmnd/l1/POWER": "ON"}),
        ("tasmota-switch", 0.0, {"cmnd/l1/POWER": "OFF"}),
        ("json-light", 0.4, {"light/l1/set": {"state": "ON", "brightness": 102}}),
        ("json-light", 1, {"light/l1/set": {"state": "ON", "brightness": 255}}),
        ("json-light", 0, {"light/l1/set": {"state": "OFF"}}),
        ("zigbee2mqtt", 1, {"zigbee2mqtt/l1/set": {"state": "ON", "brightness": 254}}),
        ("zigbee2mqtt", 0, {"zigbee2mqtt/l1/set": {"state": "OFF"}}),
    ],
)
def test_a_level_in_the_words_of_a_lamp(profile: str, level: float, sent: dict[str, Any]) -> None:
    assert messages(profile, level) == sent


def test_what_no_rule_names_is_said_as_it_is() -> None:
    rule = {"name": "level", "key": "dim", "scale": 100, "digits": 0}
    assert told({"level": 0.5, "colour": "warm"}, rule) == {"dim": 50, "colour": "warm"}


@pytest.mark.parametrize(
    ("rule", "value", "said"),
    [
        ({"value": True}, 0.2, True),
        ({"map": {"true": "ON", "false": "OFF"}}, True, "ON"),
        ({"scale": 100}, 0.07, 7),
        ({"scale": 10, "digits": 1}, 0.125, 1.3),
        ({"digits": 0}, -2.5, -3),
        ({"scale": -1, "offset": 1}, 0.25, 0.75),
        ({}, "warm", "warm"),
    ],
)
def test_how_a_value_is_said(rule: dict[str, Any], value: Any, said: Any) -> None:
    assert told({"x": value}, {"name": "x", "key": "y", **rule}) == {"y": said}


@pytest.mark.parametrize(
    ("rule", "value"),
    [({"map": {"on": 1}}, "off"), ({"above": 0}, 0), ({"up_to": 1}, "much"), ({"scale": 2}, True)],
)
def test_a_value_without_words_is_refused(rule: dict[str, Any], value: Any) -> None:
    with pytest.raises(ValueError, match="x"):
        told({"x": value}, {"name": "x", "key": "y", **rule})


@pytest.mark.parametrize(
    ("keys", "pointer"),
    [
        ({"wanted": [{"name": "x", "key": "y", "scale": 2, "value": 1}]}, "/wanted/0"),
        ({"wanted": [{"name": "x", "key": ""}]}, "/wanted/0"),
        ({"wanted": [{"name": "x", "key": "y", "factor": 2}]}, "/wanted/0"),
        ({"wanted": [{"name": "x", "key": "y"}], "command_topic": None}, "/wanted"),
    ],
)
def test_a_rule_that_cannot_be(keys: dict[str, Any], pointer: str) -> None:
    document = {"name": "own", "command_topic": "c/{device}"} | keys
    with pytest.raises(ProfileError) as found:
        Catalogue().compiled({key: value for key, value in document.items() if value is not None})
    assert pointer in [place for place, _ in found.value.problems]
