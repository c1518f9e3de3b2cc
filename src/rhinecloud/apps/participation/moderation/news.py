"""What is new in a group: proposals, and the steps of what became of them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from rhinecloud.app import Text
from rhinecloud.city import City

from ..groups.model import Group
from ..proposals import reading
from . import hiding


class Item(msgspec.Struct, frozen=True):
    """A thing that is new: its title, what happened, where it stands."""

    title: str
    what: tuple[Text, ...]
    path: str


class Part(msgspec.Struct, frozen=True):
    """What is new in a group."""

    title: str
    path: str
    items: list[Item]


async def of(city: City, group: Group, since: datetime, until: datetime) -> Part | None:
    """What happened in a group after `since` and not after `until`, None where nothing did. What is hidden is not
    told."""
    found = await reading.since(city, group.number, since)
    hidden = await hiding.hidden(city, [one.proposal.subject for one in found])
    items = []
    for one in found:
        steps = [step for step in one.steps if since < step.at <= until]
        if steps and one.proposal.subject not in hidden:
            what = tuple(dict.fromkeys(step.step.text for step in steps))
            items.append(Item(one.proposal.title, what, one.proposal.path))
    return Part(group.title, group.path, items) if items else None
