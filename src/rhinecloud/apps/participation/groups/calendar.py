"""A calendar as programs read it (RFC 5545). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from .model import Group, Meeting

_LONGEST: Final = 75  # octets of a line (RFC 5545 §3.1)


def calendar(group: Group, meetings: Iterable[Meeting], address: str) -> str:
    """The meetings of a group. `address`: where people reach the city; ids do not depend on it."""
    return "".join(f"{part}\r\n" for line in _lines(group, meetings, address) for part in fold(line))


def _lines(group: Group, meetings: Iterable[Meeting], address: str) -> Iterator[str]:
    whose = hashlib.sha256(b"calendar\0" + group.key).hexdigest()[:16]
    yield "BEGIN:VCALENDAR"
    yield "VERSION:2.0"
    yield "PRODID:-//Rhine Cloud//participation//EN"
    yield "CALSCALE:GREGORIAN"
    yield "METHOD:PUBLISH"
    yield f"X-WR-CALNAME:{escape(group.title)}"
    for meeting in meetings:
        yield "BEGIN:VEVENT"
        yield f"UID:meeting-{meeting.number}@{whose}"
        yield f"SEQUENCE:{meeting.sequence}"
        yield f"DTSTAMP:{stamp(meeting.changed_at)}"
        yield f"LAST-MODIFIED:{stamp(meeting.changed_at)}"
        yield f"DTSTART:{stamp(meeting.starts_at)}"
        yield f"DTEND:{stamp(meeting.ends_at)}"
        yield f"SUMMARY:{escape(f'{group.title}: {meeting.title}')}"
        if meeting.place:
            yield f"LOCATION:{escape(meeting.place)}"
        if meeting.about:
            yield f"DESCRIPTION:{escape(meeting.about)}"
        yield f"URL:{address}{group.path}"
        yield f"STATUS:{'CANCELLED' if meeting.cancelled else 'CONFIRMED'}"
        yield "END:VEVENT"
    yield "END:VCALENDAR"


def stamp(at: datetime) -> str:
    """An instant as calendars have it."""
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def escape(text: str) -> str:
    """A text as a value (RFC 5545 §3.3.11)."""
    for plain, escaped in (
        ("\\", "\\\\"),
        (";", "\\;"),
        (",", "\\,"),
        ("\r\n", "\\n"),
        ("\n", "\\n"),
        ("\r", "\\n"),
    ):
        text = text.replace(plain, escaped)
    return text.replace("\t", " ")


def fold(line: str) -> Iterator[str]:
    """A line in pieces of at most 75 octets, none cut inside a character; each but the first begins with a space."""
    piece, size = "", 0
    for character in line:
        octets = len(character.encode())
        if size + octets > _LONGEST:
            yield piece
            piece, size = " ", 1
        piece += character
        size += octets
    yield piece
