"""Reports, what is hidden, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from rhinecloud.app import Text

# Why something is reported, and why it is hidden.
REASONS: Final[Mapping[str, Text]] = {
    "insult": ("Beleidigung oder Hetze", "insult or incitement"),
    "personal": ("persönliche Daten anderer", "personal data of others"),
    "advertising": ("Werbung", "advertising"),
    "untrue": ("falsche Tatsachen", "not true"),
    "other": ("anderer Grund", "other reason"),
}


class Hidden(msgspec.Struct, frozen=True):
    """Something that is hidden: `reason` in whole words for everybody, since when. `appeal`: the page where its author,
    signed in, can appeal."""

    reason: Text
    at: datetime
    appeal: str = ""


def reason_of(key: str, text: str) -> Text:
    """A reason with what the moderator wrote to it."""
    german, english = REASONS.get(key, REASONS["other"])
    return (f"{german}: {text}", f"{english}: {text}") if text else (german, english)
