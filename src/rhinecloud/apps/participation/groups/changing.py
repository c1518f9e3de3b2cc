"""Making groups, changing them, and ending them."""

from __future__ import annotations

import secrets
from typing import Final

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..choosing.board import board
from ..events.drafting import Wrong
from ..events.model import Poll
from . import graph, reading
from .drafting import GroupDraft, slug
from .model import Group, GroupState

_TRIES: Final = 100


async def create(city: City, actor: Actor, draft: GroupDraft) -> Group:
    """A new group, under a name made of its title."""
    async with city.transaction() as transaction:
        name = await _insert(city, transaction, actor, draft)
    found = await reading.by_name(city, name)
    assert found is not None
    return found


async def of_poll(city: City, actor: Actor, poll: Poll) -> int:
    """A group for each option of a poll whose places are published, where there is none yet; how many were made.
    Raises Wrong."""
    if poll.kind != "groups" or await board(city, poll) is None:
        raise Wrong(
            "",
            (
                "Gruppen entstehen, sobald die Plätze veröffentlicht sind.",
                "Groups can be made once the places are published.",
            ),
        )
    made = 0
    async with city.transaction() as transaction:
        await transaction.connection.fetchval("SELECT 1 FROM poll WHERE number = $1 FOR UPDATE", poll.number)
        for option in poll.options:
            if not await transaction.connection.fetchval(
                "SELECT 1 FROM theme_group WHERE option = $1", option.number
            ):
                await _insert(
                    city, transaction, actor, GroupDraft(title=option.title), (poll.number, option.number)
                )
                made += 1
    return made


async def _insert(
    city: City,
    transaction: Transaction,
    actor: Actor,
    draft: GroupDraft,
    chosen: tuple[int, int] | tuple[None, None] = (None, None),
) -> str:
    wished = slug(draft.title)
    for tried in range(1, _TRIES):
        name = wished if tried == 1 else f"{wished}-{tried}"
        number = await transaction.connection.fetchval(
            "INSERT INTO theme_group (name, title, lead, about, key, poll, option, created_by) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING RETURNING number",
            name,
            draft.title,
            draft.lead,
            draft.about,
            secrets.token_bytes(32),
            *chosen,
            actor.id,
        )
        if number is not None:
            await graph.settle(transaction, number, city.clock.now())
            await transaction.audit(
                actor.id, "participation.group.create", f"group:{number}", {"title": draft.title}
            )
            return name
    raise Wrong("title", ("So heißen schon zu viele Gruppen.", "Too many groups have this name already."))


async def edit(city: City, actor: Actor, group: Group, draft: GroupDraft, state: GroupState) -> None:
    """Change what a group's page says, and its state; one that is ended counts a year from now until its members are
    forgotten."""
    async with city.transaction() as transaction:
        await transaction.connection.execute(
            "UPDATE theme_group SET title = $2, lead = $3, about = $4, state = $5, "
            "ended_at = CASE WHEN $5 = 'over' THEN coalesce(ended_at, $6) END WHERE number = $1",
            group.number,
            draft.title,
            draft.lead,
            draft.about,
            state,
            city.clock.now(),
        )
        await graph.settle(transaction, group.number, city.clock.now())
        await transaction.audit(
            actor.id, "participation.group.edit", f"group:{group.number}", {"state": state}
        )
