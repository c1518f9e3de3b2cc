"""The profiles of the program, with messages of the form that the systems document; and commands on the way back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from rhinecloud.gateways.profiles import Confirmation, FixedProfiles, Mapped, Unmappable
from rhinecloud.model import CORE

ARRIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROFILES = FixedProfiles()

# docs: thethingsindustries.com/docs/integrations/data-formats (fields, not values)
TTS_UP: dict[str, Any] = {
    "end_device_ids": {
        "device_id": "eui-0004a30b001c0530",
        "application_ids": {"application_id": "stadt"},
        "dev_eui": "0004A30B001C0530",
    },
    "correlation_ids": ["as:up:01"],
    "received_at": "2026-03-01T11:59:58.869542824Z",
    "uplink_message": {
        "f_port": 2,
        "f_cnt": 23709,
        "frm_payload": "A2cxAQ==",
        "decoded_payload": {"temperature": 21.5, "Bat": 3.38, "door": False, "water SOIL": 0},
        "rx_metadata": [{"gateway_ids": {"gateway_id": "gw1"}, "rssi": -42, "snr": 5.8}],
        "settings": {"frequency": "867500000"},
        "received_at": "2026-03-01T11:59:58.656Z",
        "locations": {"user": {"latitude": 51.43, "longitude": 6.76, "source": "SOURCE_REGISTRY"}},
    },
}
# docs: chirpstack.io/docs/chirpstack/integrations/events.html
CHIRPSTACK_UP: dict[str, Any] = {
    "deduplicationId": "57433366-50a6-4dc2-8145-2df1bbc70d9e",
    "time": "2026-03-01T11:59:57.123+00:00",
    "deviceInfo": {"devEui": "0101010101010101", "deviceName": "Pegel", "applicationId": "a-1"},
    "devAddr": "00189440",
    "fCnt": 4,
    "fPort": 1,
    "data": "qg==",
    "object": {"level": 312, "battery": {"voltage": 3.1}},
    "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -48, "snr": 9.0}],
}
# docs: tasmota.github.io/docs (MQTT, telemetry)
TASMOTA_SENSOR: dict[str, Any] = {
    "Time": "2026-03-01T13:00:00",
    "AM2301": {"Temperature": 21.5, "Humidity": 48.2, "DewPoint": 10.1},
    "ENERGY": {
        "TotalStartTime": "2025-01-01T00:00:00",
        "Total": 3.185,
        "Yesterday": 3.058,
        "Today": 0.127,
        "Power": 38,
        "ApparentPower": 40,
        "ReactivePower": 12,
        "Factor": 0.95,
        "Voltage": 231,
        "Current": 0.17,
    },
    "TempUnit": "C",
}
TASMOTA_STATE: dict[str, Any] = {
    "Time": "2026-03-01T13:00:00",
    "Uptime": "0T01:00:10",
    "UptimeSec": 3610,
    "Heap": 25,
    "SleepMode": "Dynamic",
    "LoadAvg": 19,
    "MqttCount": 1,
    "POWER": "ON",
    "Wifi": {"AP": 1, "SSId": "stadt", "RSSI": 76, "Signal": -62, "LinkCount": 1},
}


def read(topic: str, payload: Any) -> Mapped:
    return PROFILES.read(
        topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), ARRIVED
    )


def values(mapped: Mapped) -> dict[str, Any]:
    (measurement,) = mapped.measurements
    return {
        CORE.compact_iri(iri): (one[0]["value"], one[0].get("unitCode"))
        for iri, one in measurement.attributes.items()
    }


def test_the_things_stack() -> None:
    mapped = read("v3/stadt@ttn/devices/eui-0004a30b001c0530/up", TTS_UP)
    assert (mapped.profile, mapped.device) == ("tts-v3", "eui-0004a30b001c0530")
    assert mapped.captured["application"] == "stadt@ttn"
    assert values(mapped) == {
        "rssi": (-42, "DBM"),
        "snr": (5.8, "2N"),
        "location": ({"type": "Point", "coordinates": [6.76, 51.43]}, None),
        "temperature": (21.5, None),
        "Bat": (3.38, None),
        "door": (False, None),
        "water_SOIL": (0, None),
    }
    (measurement,) = mapped.measurements
    assert measurement.entity_id == "urn:ngsi-ld:Device:eui-0004a30b001c0530"
    assert measurement.attributes[CORE.expand_name("rssi")][0]["observedAt"] == "2026-03-01T11:59:58.869542Z"


def test_an_uplink_that_nobody_decoded_is_kept_aside() -> None:
    without = {**TTS_UP, "uplink_message": {"f_port": 2, "frm_payload": "A2cxAQ=="}}
    with pytest.raises(Unmappable, match="decoded_payload"):
        read("v3/stadt@ttn/devices/x/up", without)


def test_chirpstack() -> None:
    mapped = read("application/a-1/device/0101010101010101/event/up", CHIRPSTACK_UP)
    assert (mapped.profile, mapped.device) == ("chirpstack-v4", "0101010101010101")
    assert values(mapped) == {
        "rssi": (-48, "DBM"),
        "snr": (9.0, "2N"),
        "level": (312, None),
        "battery": ({"voltage": 3.1}, None),
    }
    status = {"deviceInfo": {}, "margin": 10, "batteryLevel": 75.5, "externalPowerSource": False}
    mapped = read("application/a-1/device/0101010101010101/event/status", status)
    assert values(mapped) == {"batteryLevel": (75.5, "P1"), "linkMargin": (10, "2N")}


def test_tasmota() -> None:
    found = values(read("tele/steckdose-7/SENSOR", TASMOTA_SENSOR))
    assert found["temperature"] == (21.5, "CEL")
    assert found["humidity"] == (48.2, "P1")
    assert found["powerConsumption"] == (38, "WTT")
    assert found["energyConsumed"] == (3.185, "KWH")
    assert values(read("tele/steckdose-7/STATE", TASMOTA_STATE)) == {
        "powerState": ("on", None),
        "rssi": (-62, "DBM"),
        "uptime": (3610, "SEC"),
    }
    assert values(read("tele/steckdose-7/LWT", b"Online")) == {"online": (True, None)}
    (measurement,) = read("tele/steckdose-7/STATE", TASMOTA_STATE).measurements
    assert measurement.attributes[CORE.expand_name("rssi")][0]["observedAt"] == "2026-03-01T12:00:00Z"


def test_zigbee2mqtt_and_home_assistant() -> None:
    bulb = {
        "state": "ON",
        "brightness": 215,
        "temperature": 27.34,
        "linkquality": 120,
        "last_seen": 1,
        "x": None,
    }
    mapped = read("zigbee2mqtt/flur", bulb)
    assert values(mapped) == {
        "temperature": (27.34, "CEL"),
        "state": ("ON", None),
        "brightness": (215, None),
        "linkquality": (120, None),
    }
    assert mapped.confirmations == [Confirmation("flur", None, "done", reported=bulb)]
    assert values(read("zigbee2mqtt/flur/availability", {"state": "offline"})) == {"online": (False, None)}
    mapped = read("homeassistant/sensor/aussen/state", b"21.5")
    assert values(mapped) == {"state": ("21.5", None)}
    assert mapped.measurements[0].entity_id == "urn:ngsi-ld:Device:sensor.aussen"


@pytest.mark.parametrize(
    "topic",
    [
        "v3/a@t/devices/d/join",
        "v3/a@t/devices/d/down/queued",
        "application/a/device/d/event/join",
        "application/a/device/d/event/txack",
        "tele/d/INFO1",
        "stat/d/STATUS5",
        "zigbee2mqtt/bridge/devices",
        "zigbee2mqtt/d/set",
    ],
)
def test_what_means_nothing_to_the_city_is_not_kept(topic: str) -> None:
    mapped = read(topic, b"whatever")
    assert (mapped.measurements, mapped.confirmations) == ([], [])
    assert mapped.profile


# Commands and confirmations

VALUES = {"dimmer": 40, "on": True}


def sent(profile: str, captured: dict[str, str] | None = None, device: str = "d1") -> list[tuple[str, Any]]:
    found = PROFILES.get(profile)
    assert found is not None
    return [(topic, payload) for topic, payload in found.commands(device, "Lamp", 12, VALUES, captured or {})]


def confirmed(topic: str, payload: Any) -> list[tuple[str, int | None, str]]:
    return [(one.device, one.version, one.result) for one in read(topic, payload).confirmations]


def test_plain_json_is_asked_and_confirms_by_version() -> None:
    ((topic, payload),) = sent("plain-json")
    assert topic == "json/Lamp/d1/command"
    assert json.loads(payload) == {"version": 12, "set": VALUES}
    there = "json/Lamp/d1/confirm"
    assert confirmed(there, {"version": 12}) == [("d1", 12, "done")]
    assert confirmed(there, {"version": 12, "result": "failed", "detail": "no current"}) == [
        ("d1", 12, "failed")
    ]
    assert confirmed(there, {"version": "12", "result": True}) == [("d1", 12, "done")]
    assert confirmed(there, {"reported": {"on": True}}) == [("d1", None, "done")]
    for payload in ({}, {"version": -1}, {"version": "x"}, {"version": 1, "result": "perhaps"}, [], 7):
        with pytest.raises(Unmappable):
            read(there, payload)


def test_the_things_stack_confirms_by_correlation() -> None:
    assert sent("tts-v3") == []  # which application it is, only its uplinks tell
    ((topic, payload),) = sent("tts-v3", {"application": "stadt@ttn"})
    assert topic == "v3/stadt@ttn/devices/d1/down/push"
    (downlink,) = json.loads(payload)["downlinks"]
    assert (downlink["decoded_payload"], downlink["confirmed"]) == (VALUES, True)
    ids = ["as:downlink:01", *downlink["correlation_ids"]]
    base = "v3/stadt@ttn/devices/d1/down"
    assert confirmed(f"{base}/ack", {"downlink_ack": {"correlation_ids": ids}}) == [("d1", 12, "done")]
    assert confirmed(f"{base}/nack", {"downlink_nack": {"correlation_ids": ids}}) == [("d1", 12, "failed")]
    failure = {
        "downlink_failed": {"downlink": {"correlation_ids": ids}, "error": {"message_format": "too long"}}
    }
    (failed,) = read(f"{base}/failed", failure).confirmations
    assert (failed.version, failed.result, failed.detail) == (12, "failed", "too long")
    assert confirmed(f"{base}/ack", {"downlink_ack": {"correlation_ids": ["somebody:else"]}}) == []


def test_chirpstack_confirms_by_the_identifier_of_its_queue() -> None:
    ((topic, payload),) = sent("chirpstack-v4", {"application": "a-1"})
    assert topic == "application/a-1/device/d1/command/down"
    item = json.loads(payload)
    assert (item["devEui"], item["object"], item["confirmed"]) == ("d1", VALUES, True)
    ack = {"queueItemId": item["id"], "acknowledged": True}
    assert confirmed("application/a-1/device/d1/event/ack", ack) == [("d1", 12, "done")]
    del ack["acknowledged"]  # a false value is left out by ChirpStack
    assert confirmed("application/a-1/device/d1/event/ack", ack) == [("d1", 12, "failed")]
    assert confirmed("application/a-1/device/d2/event/ack", ack) == []


def test_tasmota_is_asked_for_one_value_at_a_time_and_confirms_by_what_it_reports() -> None:
    profile = PROFILES.get("tasmota")
    assert profile is not None
    assert not profile.confirms_by_version
    assert profile.commands("d1", "Lamp", 12, {"POWER": "ON", "Dimmer": 40}) == [
        ("cmnd/d1/POWER", b"ON"),
        ("cmnd/d1/Dimmer", b"40"),
    ]
    for name in (">", "*", "a/b", "#", "a b", "a\x7f", ""):
        assert profile.commands("d1", "Lamp", 12, {name: 1}) == []
    (found,) = read("stat/d1/RESULT", {"POWER": "ON", "Dimmer": 40}).confirmations
    assert (found.version, found.reported) == (None, {"POWER": "ON", "Dimmer": 40})


def test_zigbee2mqtt_is_sent_the_values_themselves() -> None:
    ((topic, payload),) = sent("zigbee2mqtt")
    assert (topic, json.loads(payload)) == ("zigbee2mqtt/d1/set", VALUES)


def test_what_devices_may_publish_and_subscribe_to() -> None:
    def rights(name: str, **captured: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        profile = PROFILES.get(name)
        assert profile is not None
        return profile.topics_of("d1", "Lamp", captured)

    assert rights("plain-json") == (("json/Lamp/d1", "json/Lamp/d1/confirm"), ("json/Lamp/d1/command",))
    assert rights("tts-v3", application="a")[1] == ("v3/a/devices/d1/down/push",)
    publish, subscribe = rights("tasmota")
    assert {"tele/d1/SENSOR", "tele/d1/#", "stat/d1/#"} <= set(publish)
    assert {"cmnd/d1/+", "cmnd/tasmotas/#"} <= set(subscribe)


def test_entities_of_devices() -> None:
    def entity(name: str, kind: str) -> tuple[str, str] | None:
        profile = PROFILES.get(name)
        assert profile is not None
        return profile.entity_of("d1", kind)

    assert entity("tts-v3", "AirQualityObserved") == (
        "urn:ngsi-ld:AirQualityObserved:d1",
        "AirQualityObserved",
    )
    assert entity("tts-v3", "") == ("urn:ngsi-ld:Device:d1", "Device")
    assert entity("plain-json", "Lamp") == ("urn:ngsi-ld:Lamp:d1", "Lamp")
    assert entity("plain-json", "") is None
    assert entity("home-assistant-state", "Lamp") is None
