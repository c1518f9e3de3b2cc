"""Finding events: by number, by the short code, all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from rhinecloud.city import City

from .model import Event, Option, Poll, Rule

_EVENT: Final = (
    "SELECT number, code, title, lead, admission, expected, state, key, starts_at, current_poll FROM event"
)
_POLLS: Final = """
SELECT p.number, p.event, p.kind, p.title, p.explanation, p.secret, p.results, p.state, p.revealed, p.rule,
       coalesce((SELECT jsonb_agg(jsonb_build_object('number', o.number, 'title', o.title, 'capacity', o.capacity,
                                                     'reserved', o.reserved) ORDER BY o.place)
                 FROM option o WHERE o.poll = p.number), '[]') AS options
FROM poll p WHERE p.event = ANY($1) ORDER BY p.event, p.place, p.number
"""
_rule = msgspec.json.Decoder(Rule).decode
_options = msgspec.json.Decoder(tuple[Option, ...]).decode


async def by_code(city: City, code: str) -> Event | None:
    """The event that a short code names, in whatever case and spacing it was typed."""
    found = await _events(city, "WHERE code = $1", tidy(code))
    return found[0] if found else None


async def by_number(city: City, number: int) -> Event | None:
    """An event."""
    found = await _events(city, "WHERE number = $1", number)
    return found[0] if found else None


async def of_poll(city: City, number: int) -> tuple[Event, Poll] | None:
    """A poll and its event."""
    found = await _events(city, "WHERE number = (SELECT event FROM poll WHERE number = $1)", number)
    poll = found[0].poll(number) if found else None
    return (found[0], poll) if poll is not None else None


async def everything(city: City) -> list[Event]:
    """All events, the newest first."""
    return await _events(city, "ORDER BY number DESC")


def tidy(code: str) -> str:
    """A code as it is kept."""
    return "".join(code.upper().split()).replace("-", "")


async def _events(city: City, which: str, *values: Any) -> list[Event]:
    rows = await city.db.pool.fetch(f"{_EVENT} {which}", *values)
    polls = await city.db.pool.fetch(_POLLS, [row["number"] for row in rows])
    return [_event(row, [_poll(poll) for poll in polls if poll["event"] == row["number"]]) for row in rows]


def _event(row: Any, polls: Sequence[Poll]) -> Event:
    return Event(
        number=row["number"],
        code=row["code"],
        title=row["title"],
        lead=row["lead"],
        admission=row["admission"],
        expected=row["expected"],
        state=row["state"],
        key=row["key"],
        starts_at=row["starts_at"],
        current=row["current_poll"],
        polls=tuple(polls),
    )


def _poll(row: Any) -> Poll:
    return Poll(
        number=row["number"],
        event=row["event"],
        kind=row["kind"],
        title=row["title"],
        explanation=row["explanation"],
        secret=row["secret"],
        results=row["results"],
        state=row["state"],
        revealed=row["revealed"],
        rule=_rule(row["rule"]),
        options=_options(row["options"]),
    )
