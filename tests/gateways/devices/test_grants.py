"""What is granted in MQTT's words is written in those of NATS without becoming more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.bus.intake import topic_of
from rhinecloud.gateways.devices.door import may_use
from rhinecloud.gateways.devices.grants import Grant, check_filter, subjects_of

LEVEL = st.text(st.characters(exclude_characters="/+#*>$ \x7f", exclude_categories=["C", "Z"]), max_size=5)
ID = st.from_regex(r"[A-Za-z0-9._:-]{1,30}", fullmatch=True)


def test_filters_become_subjects() -> None:
    assert subjects_of("json/Lamp/1") == ["json.Lamp.1"]
    assert subjects_of("json/+/1") == ["json.*.1"]
    assert subjects_of("cmnd/x/#") == ["cmnd.x", "cmnd.x.>"]
    assert subjects_of("de.rhine/a") == ["de//rhine.a"]
    assert subjects_of("#") == [">"]


@given(st.lists(LEVEL, min_size=1, max_size=5))
def test_a_plain_topic_is_one_subject_and_back(levels: list[str]) -> None:
    (subject,) = subjects_of("/".join(levels))
    assert topic_of(subject) == "/".join(levels)
    assert "*" not in subject and ">" not in subject


@pytest.mark.parametrize(
    "text",
    [
        *("", "a b", "a/*/b", "a/>", "a/#/b", "a#", "a/b#", "+a/b", "a/b+", "#/#", "a\x00", "a\n"),
        *("$SYS/#", "$JS/API/#", "$MQTT/msgs/#", "$share/g/a", "_INBOX/#", "changes/city", "wake/relay"),
    ],
)
def test_what_cannot_be_granted_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        check_filter(text)
    with pytest.raises(ValueError, match="."):
        Grant("lamp", (text,), ())
    with pytest.raises(ValueError, match="."):
        Grant("lamp", (), (text,))


def test_nothing_granted_is_nothing_and_not_everything() -> None:
    assert Grant("lamp", (), ()).permissions() == {
        "pub": {"allow": [], "deny": [">"]},
        "sub": {"allow": [], "deny": [">"]},
    }


def test_even_everything_leaves_out_what_is_inside() -> None:
    permissions = Grant("bridge", ("#",), ("#",)).permissions()
    assert permissions["pub"]["allow"] == [">"]
    for subject in ("$SYS.>", "$JS.>", "wake.>", "changes.>", "$MQTT.msgs.>"):
        assert subject in permissions["pub"]["deny"] and subject in permissions["sub"]["deny"]


@given(ID, ID)
def test_a_client_identifier_serves_one_device_only(one: str, other: str) -> None:
    for client in (one.replace(".", "/"), one.replace(".", "/") + "~2"):
        if one != other:
            assert not may_use(other, client) or len(client) in (22, 23)
    assert may_use(one, one.replace(".", "/") + "~phone")


def test_client_identifiers_of_a_device() -> None:
    assert may_use("lamp-1", "lamp-1")
    assert may_use("lamp-1", "lamp-1~workshop")
    assert may_use("de.lamp", "de/lamp")
    assert may_use("lamp-1", "a1B2c3D4e5F6g7H8i9J0k1")  # drawn by the server for who gives none
    for client in ("lamp-2", "lamp-1x", "lamp-10~", "Lamp-1", "", "de.lamp"):
        assert not may_use("lamp-1", client)
