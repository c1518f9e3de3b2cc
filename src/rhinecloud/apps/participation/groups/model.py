"""What theme groups, their members and meetings are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from rhinecloud.app import Text

GroupState = Literal["forming", "active", "over"]
Role = Literal["member", "speaker", "moderator"]
MemberState = Literal["unconfirmed", "requested", "invited", "member"]
Consent = Literal["named", "newsletter", "photographs"]

STATES: Final[Mapping[GroupState, Text]] = {
    "forming": ("im Aufbau", "forming"),
    "active": ("aktiv", "active"),
    "over": ("abgeschlossen", "completed"),
}
ROLES: Final[Mapping[Role, Text]] = {
    "member": ("Mitglied", "member"),
    "speaker": ("Sprecherin oder Sprecher", "speaker"),
    "moderator": ("Moderation", "moderator"),
}
CONSENTS: Final[Mapping[Consent, Text]] = {
    "newsletter": (
        "Ich möchte Nachrichten der Gruppe per E-Mail bekommen.",
        "I would like to get news of the group by mail.",
    ),
    "photographs": (
        "Die Stadt darf Fotos von Treffen zeigen, auf denen ich zu sehen bin.",
        "The city may show photographs of meetings in which I can be seen.",
    ),
    "named": (
        "Mein Name darf öffentlich auf der Seite der Gruppe stehen, wenn ich für sie spreche.",
        "My name may stand on the group's public page if I speak for it.",
    ),
}


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A theme group. `name` is what addresses call it; `key` signs links of members and is shown nowhere. `poll` and
    `option`: where it was chosen, None if it was not. `about` is plain text, an empty line between paragraphs."""

    number: int
    name: str
    title: str
    lead: str
    about: str
    state: GroupState
    key: bytes
    poll: int | None
    option: int | None
    ended_at: datetime | None

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"/participation/groups/{self.name}"

    @property
    def paragraphs(self) -> list[str]:
        """What it is about, paragraph by paragraph."""
        return [one.strip() for one in self.about.split("\n\n") if one.strip()]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of a group, or who asks or is asked to be. `account` is an `Actor.id`, None for who has none. `placed`:
    has a place in it by a vote. `named_at`, `newsletter_at`, `photographs_at`: since when they consent, None for no
    consent."""

    number: int
    group: int
    account: str | None
    name: str
    mail: str | None
    language: str
    organisation: str
    kind: str
    role: Role
    state: MemberState
    placed: bool
    asked_at: datetime
    joined_at: datetime | None
    named_at: datetime | None
    newsletter_at: datetime | None
    photographs_at: datetime | None

    def since(self, consent: Consent) -> datetime | None:
        """Since when they consent to something."""
        return {
            "named": self.named_at,
            "newsletter": self.newsletter_at,
            "photographs": self.photographs_at,
        }[consent]


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """When and where a group meets. `sequence` counts its changes."""

    number: int
    title: str
    place: str
    about: str
    starts_at: datetime
    ends_at: datetime
    sequence: int
    cancelled: bool
    changed_at: datetime


def entity_of(name: str) -> str:
    """The id of the entity of a group."""
    return f"urn:ngsi-ld:ThemeGroup:{name}"
