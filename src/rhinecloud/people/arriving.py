"""Which messages of devices on their way are a person's: those of their devices, and those that name them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .register import Person


def concerns(person: Person, topics: Sequence[str]) -> Callable[[str, bytes], bool] | None:
    """A test of an MQTT topic and a payload; None where nothing could be theirs. `topics` are those that their devices
    have for themselves; a device is also known by its id as a level of a topic."""
    levels = frozenset(person.devices)
    own = frozenset(topic for topic in topics if not {"+", "#"} & set(topic))
    needles = [mail.encode() for mail in person.values("mail")]
    if not levels and not needles:
        return None

    def theirs(topic: str, payload: bytes) -> bool:
        if topic in own or not levels.isdisjoint(topic.split("/")):
            return True
        text = payload.lower() + topic.lower().encode()
        return any(needle in text for needle in needles)

    return theirs
