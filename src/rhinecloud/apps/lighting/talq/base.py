"""The parts of TALQ messages that all others are made of: references, states, commands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

VERSION: Final = "2.7.1"
NIL: Final = UUID(int=0)
PROFILE: Final = "lighting"
NOON: Final = 12  # dayOffset: a night belongs to the day of its evening

Level = Annotated[int, Meta(ge=0, le=100)]  # DimLevel, percent
Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Document = dict[str, Any]


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of a message. What is at its default is not written."""


class TALQErrorMessage(Message, frozen=True):
    """One thing that is wrong with a request. `key` is one of those that the data model names."""

    key: str
    description: str = ""


class ResourceReference(Message, frozen=True):
    """An entity: `resource` as in the addresses of the API (`devices`), `address` with `/{functionId}` where meant."""

    resource: str
    address: str


class LevelState(Message, frozen=True, tag_field="name", tag="LevelState"):
    """A dimming level in percent."""

    value: Level


class CommandBase(Message, frozen=True):
    """What an actuator is to do; ramps in seconds."""

    state: LevelState
    ramp_to_level_time: float | None = None
    ramp_from_level_time: float | None = None


class Command(CommandBase, frozen=True):
    """A command with its reason. `start` and `expiration` are of overrides only."""

    reason: Literal["default", "override", "sensor", "program"] = "default"
    cms_ref_id: str | None = None
    ref_address: str | None = None
    start: datetime | None = None
    expiration: datetime | None = None


class OverrideCommand(Message, frozen=True):
    """A command for devices or groups; without `target_command` they return to their calendar."""

    addresses: list[ResourceReference] = []
    target_command: Command | None = None


class AssignCommand(Message, frozen=True):
    """An entity (a calendar) for devices or groups; `entity.address` empty: they have none any more."""

    addresses: list[ResourceReference]
    entity: ResourceReference
    cms_ref_id: str | None = None


class Group(Message, frozen=True):
    """Devices or groups that are addressed together."""

    address: Identifier
    owner_cms: str = msgspec.field(name="ownerCMS")
    members: list[ResourceReference]
    purpose: Literal["unknown", "override", "calendar", "loggerConfig", "lampType", "attributes"] = "unknown"
