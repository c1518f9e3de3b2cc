"""Which messages of devices are a person's."""

from __future__ import annotations

import pytest

from rhinecloud.people.arriving import concerns
from rhinecloud.people.register import Person

SOMEBODY = Person(1, ("Someone@Example.org",), ("sensor-1",))


@pytest.mark.parametrize(
    ("topic", "payload", "theirs"),
    [
        ("json/Lamp/sensor-1", b"{}", True),
        ("sensor-1", b"", True),
        ("json/Lamp/sensor-10", b"{}", False),
        ("garden/roof", b"\xff\x00", True),
        ("garden/roof/more", b"", False),
        ("all/lamps", b"", False),
        ("x", b'{"by": "SOMEONE@example.org"}', True),
        ("of/someone@example.org/x", b"", True),
        ("x", b"anyone@example.com", False),
    ],
)
def test_by_device_topic_and_address(topic: str, payload: bytes, theirs: bool) -> None:
    test = concerns(SOMEBODY, ["garden/roof", "all/#"])
    assert test is not None and test(topic, payload) is theirs


def test_of_an_account_alone_no_message_can_be() -> None:
    assert concerns(Person(1), []) is None
