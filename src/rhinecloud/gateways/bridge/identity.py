"""Knowing a message again that a foreign broker delivers a second time.

MQTT gives a message no name. What a redelivery has in common with the delivery before it is the packet identifier
within the session (MQTT 3.1.1 §4.4), and the message itself; what sets it apart from a new message of the same packet
identifier is the flag DUP (§3.3.1.1). So a delivery is named after session, packet identifier, moment and content, and
for a message with DUP the newest delivery of its packet identifier is looked up: the same content is the same message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

SOURCE = "bridge"
_MOMENT = 19  # digits of nanoseconds since 1970, until 2286
_CONTENT = 16  # hexadecimal digits


def content_of(topic: str, payload: bytes) -> str:
    """A short name of topic and payload: the same for the same two."""
    digest = hashlib.blake2b(topic.encode(), digest_size=_CONTENT // 2)
    digest.update(b"\0")
    digest.update(payload)
    return digest.hexdigest()


def prefix_of(bridge: int, generation: int, packet: int) -> str:
    """What all deliveries of a packet identifier in a session begin with."""
    return f"{SOURCE}:{bridge}.{generation}:{packet}:"


def delivery_of(prefix: str, arrived: int, content: str) -> str:
    """The name of a delivery that came at `arrived` (nanoseconds since 1970); later ones sort behind it."""
    return f"{prefix}{arrived:0{_MOMENT}d}:{content}"


def repeated(prefix: str, content: str, known: Iterable[str]) -> str | None:
    """The delivery of which this one is the repetition: the newest known one of this prefix, if it had this content.

    A message with several measurements is known by what follows its own name.
    """
    length = len(prefix) + _MOMENT + 1 + _CONTENT
    newest = max((name[:length] for name in known if name.startswith(prefix)), default="")
    return newest if newest and newest[-_CONTENT:] == content else None
