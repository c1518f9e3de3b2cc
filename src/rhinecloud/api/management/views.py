"""The documents of the API. Times are RFC 3339, UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from rhinecloud.gateways.devices.registry import Registry, Topics
from rhinecloud.gateways.devices.wanted import State, Wanted
from rhinecloud.gateways.profiles import Finding, Kind, Profile
from rhinecloud.gateways.unmapped import Kept
from rhinecloud.store.devices import Device

# What is asked


class NewSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one may say of a new secret."""

    note: str = ""
    expires_at: datetime | None = None


class Want(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state that is wanted of a device."""

    set: dict[str, Any]
    timeout_seconds: float = 86_400.0


class Try(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to try on a profile: a name, a document, or null for whichever has the topic. Of `payload` (text) and
    `payload_base64` one is given."""

    topic: str
    profile: str | dict[str, Any] | None = None
    payload: str | None = None
    payload_base64: bytes | None = None


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which kept messages to map anew: those of `ids` that the other members meet, or all that these meet. `all` has to
    be true if nothing else is said."""

    ids: list[int] | None = None
    kind: Kind | None = None
    profile: str | None = None
    topic: str | None = None
    device: str | None = None
    clock: Literal["device", "arrival"] = "device"
    all: bool = False


class Discard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which kept messages to delete for good."""

    ids: list[int]


# What is answered


class DeviceView(msgspec.Struct, frozen=True):
    """A device; `topics` are all that it has, by its profile and of its own."""

    id: str
    name: str
    profile: str
    type: str
    entity_id: str
    enabled: bool
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    topics: Topics
    created_at: datetime
    modified_at: datetime
    seen_at: datetime | None
    detail: dict[str, Any]


class DeviceViews(msgspec.Struct, frozen=True):
    """A page of devices."""

    items: list[DeviceView]
    next: str | None
    count: int | None = None


class ImportProblem(msgspec.Struct, frozen=True):
    """Why a line was not taken; `line` counts from 1, in CSV with the line of names."""

    line: int
    detail: str


class Imported(msgspec.Struct, frozen=True):
    """What became of many devices. `secrets` (where asked for) holds those of the added ones, this once."""

    added: int
    existing: list[str]
    problems: list[ImportProblem]
    secrets: dict[str, str] | None = None


class SecretView(msgspec.Struct, frozen=True):
    """A secret, without itself."""

    id: int
    device: str
    note: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class SecretViews(msgspec.Struct, frozen=True):
    """The secrets of a device."""

    items: list[SecretView]


class IssuedView(msgspec.Struct, frozen=True):
    """A new secret, the only time that it is shown."""

    secret: str
    id: int
    device: str
    created_at: datetime
    expires_at: datetime | None


class WantedView(msgspec.Struct, frozen=True):
    """A wanted state and what became of it."""

    device: str
    version: int
    set: dict[str, Any]
    state: State
    actor: str
    created_at: datetime
    sent_at: datetime | None
    sends: int
    due_at: datetime
    ended_at: datetime | None
    detail: dict[str, Any]


class WantedViews(msgspec.Struct, frozen=True):
    """A page of wanted states, newest first."""

    items: list[WantedView]
    next: int | None


class ProfileView(msgspec.Struct, frozen=True):
    """A profile: `document` is what its author wrote."""

    name: str
    title: dict[str, str]
    description: dict[str, str]
    built_in: bool
    devices: int
    document: dict[str, Any]


class ProfileViews(msgspec.Struct, frozen=True):
    """All profiles."""

    items: list[ProfileView]


class ProblemAt(msgspec.Struct, frozen=True):
    """What is wrong, and where in the profile (a JSON pointer, '' where the message is to blame)."""

    field: str
    detail: str


class ConfirmationView(msgspec.Struct, frozen=True):
    """What a device would say of a wanted state."""

    device: str
    version: int | None
    result: str
    detail: str
    reported: dict[str, Any]


class TrialView(msgspec.Struct, frozen=True):
    """What a profile would make of a message; `entities` are concise NGSI-LD. Nothing was written."""

    profile: str
    device: str | None
    captured: dict[str, str]
    entities: list[dict[str, Any]]
    confirmations: list[ConfirmationView]
    findings: list[Finding]
    problems: list[ProblemAt]
    kind: Kind | None


class GroupView(msgspec.Struct, frozen=True):
    """Kept messages of one kind and reason."""

    kind: Kind
    profile: str
    topic: str
    reason: str
    count: int
    first: datetime
    newest: datetime
    newest_id: int


class GroupViews(msgspec.Struct, frozen=True):
    """What is kept, in groups."""

    items: list[GroupView]


class KeptView(msgspec.Struct, frozen=True):
    """A kept message. `payload` is there where it is text; `payload_base64` always."""

    id: int
    arrived: datetime
    source: str
    topic: str
    kind: Kind
    reason: str
    profile: str
    device: str | None
    tried_at: datetime | None
    tries: int
    payload: str | None
    payload_base64: bytes


class KeptViews(msgspec.Struct, frozen=True):
    """A page of kept messages, newest first."""

    items: list[KeptView]
    next: int | None


class ReplayedView(msgspec.Struct, frozen=True):
    """How a replay went."""

    mapped: int
    still: int


class DiscardedView(msgspec.Struct, frozen=True):
    """How many messages were deleted."""

    discarded: int


class AlarmView(msgspec.Struct, frozen=True):
    """Something wrong with a device (or with nobody in particular), and how often."""

    id: int
    device: str | None
    kind: str
    first_at: datetime
    last_at: datetime
    times: int
    detail: dict[str, Any]
    acknowledged_at: datetime | None


class AlarmViews(msgspec.Struct, frozen=True):
    """A page of alarms, newest first."""

    items: list[AlarmView]
    next: int | None


def view_device(device: Device, registry: Registry) -> DeviceView:
    """A device with its topics."""
    return DeviceView(**msgspec.structs.asdict(device), topics=registry.topics(device))


def view_wanted(one: Wanted) -> WantedView:
    """A wanted state, without what only the sender needs."""
    return WantedView(
        one.device,
        one.version,
        one.wanted,
        one.state,
        one.actor,
        one.created_at,
        one.sent_at,
        one.sends,
        one.due_at,
        one.ended_at,
        one.detail,
    )


def view_profile(profile: Profile, devices: int) -> ProfileView:
    """A profile and how many devices use it."""
    return ProfileView(
        profile.name,
        dict(profile.title),
        dict(profile.description),
        profile.built_in,
        devices,
        profile.document,
    )


def view_kept(kept: Kept) -> KeptView:
    """A kept message with its payload as text, where it is."""
    try:
        text = kept.payload.decode()
    except UnicodeDecodeError:
        text = None
    members = msgspec.structs.asdict(kept)
    return KeptView(
        **{
            name: members[name]
            for name in KeptView.__struct_fields__
            if name in members and name != "payload"
        },
        payload=text,
        payload_base64=kept.payload,
    )
