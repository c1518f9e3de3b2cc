"""A compiled profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NOTHING: Mapping[str, str] = {}


class Profile:
    """How topic and payload of one kind of device become measurements; and how one speaks to such a device."""

    name: str
    title: Mapping[str, str]  # language → text
    description: Mapping[str, str]
    document: dict[str, Any]  # as it was written, for pages and APIs
    built_in: bool

    def topics_of(
        self, device: str, type: str, captured: Mapping[str, str] = _NOTHING
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """MQTT topic filters to which a device may publish, and to which it may subscribe.

        What else is named in the topics is taken from `captured` (of its last message, say), else any level.
        """
        raise NotImplementedError

    def entity_of(
        self, device: str, type: str, captured: Mapping[str, str] = _NOTHING
    ) -> tuple[str, str] | None:
        """Id and type of the entity a device measures; None if only its payloads tell."""
        raise NotImplementedError

    def command_topic(self, device: str, type: str, captured: Mapping[str, str] = _NOTHING) -> str | None:
        """The topic for commands to a device; None if it takes none or a level of it is not known.

        May hold the level {key}: see `commands`.
        """
        raise NotImplementedError

    def commands(
        self,
        device: str,
        type: str,
        version: int,
        values: Mapping[str, Any],
        captured: Mapping[str, str] = _NOTHING,
    ) -> list[tuple[str, bytes]]:
        """The messages (topic, payload) that ask a device for these values: one, or one for each value.

        Empty if the device takes no commands. Without more words in the profile it is
        `{"version": 7, "set": {...}}` on the command topic.
        """
        raise NotImplementedError

    @property
    def confirms_by_version(self) -> bool:
        """Whether its devices name the version they confirm; else what they report is compared."""
        raise NotImplementedError
