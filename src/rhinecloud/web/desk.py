"""What somebody should look at now: rooms and apps say it, each for those who may see the page that it leads to.

A source is a small function `async (city, actor) -> list[Notice]`; `Desk.add` makes it known with the permission that
it needs. What cannot be asked is said, not left out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from rhinecloud.people import PERMISSIONS, Actor

Label = tuple[str, str]  # German, English
Urgency = Literal["alarm", "look", "hint"]
Source = Callable[[Any, Actor], Awaitable[Sequence["Notice"]]]

_GRACE = 3.0  # seconds for each source
_ORDER: tuple[Urgency, ...] = ("alarm", "look", "hint")
_LAST = datetime.max.replace(tzinfo=UTC)
_log = logging.getLogger(__name__)


class Notice(msgspec.Struct, frozen=True):
    """One thing to look at: how many, of what, since when, and where one does something about it.

    `text` is what is counted ("Geräte schweigen", "devices are silent"), or a whole sentence without `count`.
    """

    urgency: Urgency
    text: Label
    path: str
    count: int | None = None
    since: datetime | None = None


class Found(msgspec.Struct, frozen=True):
    """What the sources said, the most urgent first and of these the oldest; `unknown`: names of those that did not
    answer; `asked`: how many were asked."""

    notices: tuple[Notice, ...]
    unknown: tuple[str, ...]
    asked: int


class Desk:
    """The sources of one installation."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[str, Source]] = {}

    def add(self, name: str, permission: str, source: Source) -> None:
        """Ask this source for whoever has the permission. Raises ValueError for a name that is taken, and for a
        permission that is not known."""
        if permission not in PERMISSIONS:
            raise ValueError(f"there is no permission {permission}")
        if name in self._sources:
            raise ValueError(f"the desk has a source {name} already")
        self._sources[name] = (permission, source)

    def has_something_for(self, actor: Actor) -> bool:
        """Whether anybody is asked for them at all."""
        return any(actor.may(permission) for permission, _ in self._sources.values())

    async def notices(self, city: Any, actor: Actor) -> Found:
        """What this actor should look at now. Never raises: a source that fails, or is slow, is named."""
        asked = [
            (name, source) for name, (permission, source) in self._sources.items() if actor.may(permission)
        ]
        answers = await asyncio.gather(*(_answer(name, source, city, actor) for name, source in asked))
        notices = [notice for answer in answers if answer is not None for notice in answer]
        notices.sort(key=lambda one: (_ORDER.index(one.urgency), one.since or _LAST))
        unknown = tuple(name for (name, _), answer in zip(asked, answers, strict=True) if answer is None)
        return Found(tuple(notices), unknown, len(asked))


def counted(
    urgency: Urgency, count: int, since: datetime | None, one: Label, many: Label, path: str
) -> list[Notice]:
    """A notice of so many, none of none."""
    return [Notice(urgency, one if count == 1 else many, path, count, since)] if count else []


async def _answer(name: str, source: Source, city: Any, actor: Actor) -> Sequence[Notice] | None:
    try:
        async with asyncio.timeout(_GRACE):
            return await source(city, actor)
    except Exception as error:
        _log.warning("the desk cannot ask for %s: %s", name, str(error) or type(error).__name__)
        return None
