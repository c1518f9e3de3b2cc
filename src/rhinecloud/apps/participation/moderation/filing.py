"""Reports: filed by anybody, found by those who may decide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from rhinecloud.city import City
from rhinecloud.people import Actor

from ..events.drafting import Wrong
from ..groups import members
from . import words
from .model import REASONS
from .subjects import Described

ORGANISE: Final = "participation.organise"
_MOST_TOGETHER: Final = 500
_INSERT: Final = """
INSERT INTO report (subject, theme_group, reason, text, reported_by, mail, language, reported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING number
"""
_OPEN: Final = """
SELECT subject, max(theme_group) AS "group", count(*) AS reports, array_agg(DISTINCT reason ORDER BY reason) AS reasons,
       min(reported_at) AS since
FROM report WHERE decision IS NULL GROUP BY subject ORDER BY min(reported_at), subject LIMIT $1
"""


class Draft(msgspec.Struct, frozen=True):
    """A report as somebody wants it."""

    reason: str
    text: str = ""
    mail: str = ""


class Waiting(msgspec.Struct, frozen=True):
    """A thing with reports that nobody decided: how many, why, since when."""

    subject: str
    group: int | None
    reports: int
    reasons: list[str]
    since: datetime


class Report(msgspec.Struct, frozen=True):
    """A report, without who filed it: moderators need not know."""

    number: int
    reason: str
    text: str
    reported_at: datetime
    decision: str | None


async def file(
    city: City, actor: Actor, subject: str, described: Described, draft: Draft, language: str
) -> int:
    """Keep a report; its number. Raises Wrong."""
    if draft.reason not in REASONS:
        raise Wrong("reason", ("Bitte wählen Sie einen Grund.", "Please choose a reason."))
    text = words.lines("text", draft.text, words.LONGEST_REPORT, required=draft.reason == "other")
    mail = words.mail("mail", draft.mail)
    number: int = await city.db.pool.fetchval(
        _INSERT,
        subject,
        described.group,
        draft.reason,
        text,
        actor.id if actor.kind == "person" else None,
        mail,
        language,
        city.clock.now(),
    )
    return number


async def may(city: City, actor: Actor, group: int | None) -> bool:
    """Whether somebody moderates what belongs to a group (None: to no group)."""
    if actor.may(ORGANISE):
        return True
    return group is not None and await members.role(city, group, actor) == "moderator"


async def waiting(city: City, actor: Actor) -> list[Waiting]:
    """What was reported and waits for somebody who may decide, as this one may; the oldest first."""
    found = [Waiting(**row) for row in await city.db.pool.fetch(_OPEN, _MOST_TOGETHER)]
    theirs = await own_groups(city, actor, [one.group for one in found])
    return [one for one in found if one.group in theirs]


async def own_groups(city: City, actor: Actor, groups: Sequence[int | None]) -> set[int | None]:
    """Which of these groups somebody moderates."""
    return {group for group in set(groups) if await may(city, actor, group)}


async def reports(city: City, subject: str) -> list[Report]:
    """The reports of a thing, the newest first, those that wait before the others."""
    rows = await city.db.pool.fetch(
        "SELECT number, reason, text, reported_at, decision FROM report WHERE subject = $1 "
        "ORDER BY decision IS NOT NULL, number DESC LIMIT $2",
        subject,
        _MOST_TOGETHER,
    )
    return [Report(**row) for row in rows]
