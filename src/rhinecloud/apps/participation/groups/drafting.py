"""Groups, members and meetings as somebody wants them, and what is wrong with that. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Final

import msgspec

from ..events.drafting import Wrong
from ..events.model import ORGANISATIONS
from .model import Meeting

_TITLE: Final = 120
_LEAD: Final = 300
_ABOUT: Final = 10_000
_NAME: Final = 80
_LONGEST_SLUG: Final = 50
_MAIL: Final = re.compile(r"[^\s@<>()\[\],;:\\\"]+@[^\s@<>()\[\],;:\\\"]+\.[^\s@<>()\[\],;:\\\"]+")
_TAKEN: Final = frozenset({"new"})  # words that stand where names do in addresses
_LETTERS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


class GroupDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A group as somebody wants it."""

    title: str
    lead: str = ""
    about: str = ""


class MemberDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody as they write themselves."""

    name: str
    mail: str = ""
    organisation: str = ""
    kind: str = "person"


class MeetingDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting as somebody wants it."""

    title: str
    place: str
    about: str
    starts_at: datetime
    ends_at: datetime


def group_of(given: Mapping[str, str]) -> GroupDraft:
    """The group that a form describes. Raises Wrong."""
    return GroupDraft(
        title=line("title", given.get("title", ""), _TITLE),
        lead=line("lead", given.get("lead", ""), _LEAD, needed=False),
        about=lines("about", given.get("about", ""), _ABOUT),
    )


def member_of(given: Mapping[str, str], *, mail: bool) -> MemberDraft:
    """The member that a form describes, who needs an address where `mail` says so. Raises Wrong."""
    kind = given.get("kind", "person")
    if kind not in ORGANISATIONS:
        raise Wrong("kind", ("Bitte wählen Sie etwas aus der Liste.", "Please choose from the list."))
    return MemberDraft(
        name=line("name", given.get("name", ""), _NAME),
        mail=address("mail", given.get("mail", "")) if mail else "",
        organisation=line("organisation", given.get("organisation", ""), _TITLE, needed=False),
        kind=kind,
    )


def meeting_of(given: Mapping[str, str], zone: tzinfo) -> MeetingDraft:
    """The meeting that a form describes. `zone`: of the times that were typed. Raises Wrong."""
    starts, ends = (_moment(field, given.get(field, ""), zone) for field in ("starts_at", "ends_at"))
    if not starts < ends <= starts + timedelta(days=14):
        raise Wrong(
            "ends_at",
            (
                "Das Ende liegt nach dem Beginn, höchstens 14 Tage.",
                "It ends after it begins, in 14 days at most.",
            ),
        )
    return MeetingDraft(
        title=line("title", given.get("title", ""), _TITLE),
        place=line("place", given.get("place", ""), _TITLE, needed=False),
        about=lines("about", given.get("about", ""), 2_000),
        starts_at=starts,
        ends_at=ends,
    )


def fields_of_meeting(meeting: Meeting, zone: tzinfo) -> dict[str, str]:
    """What the form of a meeting holds."""
    return {
        "title": meeting.title,
        "place": meeting.place,
        "about": meeting.about,
        "starts_at": meeting.starts_at.astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
        "ends_at": meeting.ends_at.astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
    }


def slug(title: str) -> str:
    """A title as an address has it: "Wohnen & Quartier" is "wohnen-quartier"."""
    plain = unicodedata.normalize("NFKD", title.lower().translate(_LETTERS))
    words = re.findall(r"[a-z0-9]+", plain.encode("ascii", "ignore").decode())
    found = "-".join(words)[:_LONGEST_SLUG].strip("-") or "gruppe"
    return f"{found}-1" if found in _TAKEN else found


def line(field: str, text: str, longest: int, *, needed: bool = True) -> str:
    """A text of one line, tidied. Raises Wrong."""
    text = " ".join(text.split())
    if needed and not text:
        raise Wrong(field, ("Hier fehlt etwas.", "Something is missing here."))
    if len(text) > longest:
        raise Wrong(field, (f"Höchstens {longest} Zeichen.", f"{longest} characters at most."))
    if not text.isprintable():
        raise Wrong(
            field, ("Darin sind Zeichen, die man nicht sieht.", "There are characters that cannot be seen.")
        )
    return text


def lines(field: str, text: str, longest: int) -> str:
    """A text of several lines, tidied. Raises Wrong."""
    text = text.strip().replace("\r\n", "\n")
    if len(text) > longest:
        raise Wrong(field, (f"Höchstens {longest} Zeichen.", f"{longest} characters at most."))
    if not text.replace("\n", "").replace("\t", "").isprintable():
        raise Wrong(
            field, ("Darin sind Zeichen, die man nicht sieht.", "There are characters that cannot be seen.")
        )
    return text


def address(field: str, text: str) -> str:
    """A mail address. Raises Wrong."""
    text = text.strip()
    if len(text) > 254 or not text.isprintable() or not _MAIL.fullmatch(text):
        raise Wrong(field, ("Das ist keine E-Mail-Adresse.", "This is no mail address."))
    return text


def _moment(field: str, text: str, zone: tzinfo) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
        if not 2000 <= at.year <= 2200:
            raise ValueError("far away")
    except ValueError as error:
        raise Wrong(field, ("Das ist kein Tag mit Uhrzeit.", "This is no day with a time.")) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)
