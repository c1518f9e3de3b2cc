"""What a message becomes, and what is said when it becomes nothing."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from rhinecloud.model.entity import Attributes

Kind = Literal["topic", "payload", "clock", "refused", "flood"]
"""Why a message was not mapped: no profile has its topic; its payload cannot be read; its time cannot be true; the
graph refused it; its device sent more than it may."""


class Unmappable(Exception):  # noqa: N818  # says what the message is
    """A message that cannot become measurements; the text is the reason, for a person. `device` and `profile` as far
    as they are known."""

    def __init__(
        self, reason: str, kind: Kind = "payload", device: str | None = None, profile: str = ""
    ) -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.device = device
        self.profile = profile


class ProfileError(Exception):
    """A profile that cannot be used: `problems` are (JSON pointer into the document, what is wrong there)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{pointer or '/'}: {text}" for pointer, text in problems))
        self.problems = problems


class Measurement(msgspec.Struct, frozen=True):
    """Attributes that a device reports of one entity, in the expanded form of the model."""

    entity_id: str
    types: tuple[str, ...]
    attributes: Attributes


class Confirmation(msgspec.Struct, frozen=True):
    """What a device says of a wanted state. `version` is None where it does not say which: then `reported` tells what
    is so now, and whoever waits compares."""

    device: str
    version: int | None
    result: Literal["done", "failed"]
    detail: str = ""
    reported: dict[str, Any] = {}


class Mapped(msgspec.Struct, frozen=True):
    """A message by the profile that has its topic. `captured` are the named levels of the topic and what the profile
    captures from the payload; the device is one of them where the profile knows devices."""

    measurements: list[Measurement]
    confirmations: list[Confirmation]
    device: str | None
    profile: str
    captured: dict[str, str] = {}


class Finding(msgspec.Struct, frozen=True):
    """Where a profile looked in a payload (`pointer` into the profile, the `path` there) and what it found; `found` is
    None where there was nothing."""

    pointer: str
    path: str
    found: Any = None
    problem: str | None = None


class Trial(msgspec.Struct, frozen=True):
    """What a profile would make of a message; nothing was written. `entities` are concise NGSI-LD documents.

    `problems` are (JSON pointer into the profile, or '' where the message is to blame; what is wrong).
    """

    profile: str = ""
    device: str | None = None
    captured: dict[str, str] = {}
    entities: list[dict[str, Any]] = []
    confirmations: list[Confirmation] = []
    findings: list[Finding] = []
    problems: list[tuple[str, str]] = []
    kind: Kind | None = None  # why the message would be kept as unmapped
