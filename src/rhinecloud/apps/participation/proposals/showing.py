"""What a page shows of a proposal: for whom, and what is hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City, Sight
from rhinecloud.model import BadRequestData, ResourceNotFound
from rhinecloud.people import Actor
from rhinecloud.web.object_pages import name_of

from ..events.drafting import Wrong
from ..groups import members
from ..groups import reading as groups
from ..groups.model import Group
from ..moderation import hiding
from . import life, reading
from .reading import Author, Proposal

ORGANISE: Final = "participation.organise"
TAKE_PART: Final = "participation.take_part"


class Link(msgspec.Struct, frozen=True):
    """An entity that a proposal is about, by name."""

    id: str
    name: str


async def found(city: City, request: Request) -> Proposal:
    """The proposal of the path's {number}. Raises HTTPException 404."""
    proposal = await reading.by_number(city, request.path_params["number"])
    if proposal is None:
        raise HTTPException(404)
    return proposal


async def group_of(city: City, proposal: Proposal) -> Group | None:
    """Its theme group."""
    return await groups.by_number(city, proposal.group) if proposal.group is not None else None


async def sees_hidden(city: City, actor: Actor, group: int | None) -> bool:
    """Whether somebody judges what is hidden: staff, and who moderates the group."""
    if actor.may(ORGANISE):
        return True
    return group is not None and await members.role(city, group, actor) == "moderator"


def writes(actor: Actor) -> bool:
    """Whether somebody may write, and it is theirs then."""
    return actor.may(TAKE_PART) and members.signed(actor)


def is_author(actor: Actor, authors: Sequence[Author]) -> bool:
    """Whether somebody is one of the authors."""
    return members.signed(actor) and any(author.actor == actor.id for author in authors)


async def links(city: City, ids: Sequence[str], sight: Sight) -> list[Link]:
    """The entities of these that a reader may see."""
    return [one for one in await asyncio.gather(*(_link(city, id, sight) for id in ids)) if one is not None]


async def _link(city: City, id: str, sight: Sight) -> Link | None:
    try:
        return Link(id, name_of(await city.broker.retrieve(id, sight=sight)))
    except (ResourceNotFound, BadRequestData):
        return None


async def offices(city: City, actor: Actor) -> list[str]:
    """The offices that somebody speaks for, the likeliest first."""
    own = [name for number, name in await city.people.organisations() if number in actor.organisations]
    return [*own, f"Stadt {city.name}"]


async def page(
    city: City,
    request: Request,
    proposal: Proposal,
    *,
    template: str = "participation/proposals/proposal.html",
    wrong: Wrong | None = None,
    given: Mapping[str, str] | None = None,
    status: int | None = None,
) -> Response:
    """The page of a proposal, as whoever asks may see it; `wrong` and `given`: what was sent and is not taken."""
    actor = city.people.who(request)
    comments = await reading.comments(city, proposal.number)
    authors = await reading.authors(city, proposal.number)
    trail = await reading.trail(city, proposal.number)
    others = [entry.other for entry in trail if entry.other is not None]
    subjects = [*(one.subject for one in comments), *(f"proposal:{other}" for other in others)]
    hidden = await hiding.hidden(city, [proposal.subject, *subjects])
    judges = await sees_hidden(city, actor, proposal.group)
    values: dict[str, Any] = {
        "proposal": proposal,
        "group": await group_of(city, proposal),
        "clock": proposal.clock(city.clock.now()),
        "trail": trail,
        "others": await reading.titles(city, [one for one in others if f"proposal:{one}" not in hidden]),
        "authors": authors,
        "own": is_author(actor, authors),
        "comments": comments,
        "amendments": await reading.amendments(city, proposal.number),
        "pictures": await reading.pictures(city, proposal.number),
        "links": await links(city, proposal.links, actor.sight),
        "hidden": hidden,
        "shown": proposal.subject not in hidden or judges,
        "judges": judges,
        "supports": writes(actor) and await reading.supports(city, proposal.number, actor.id),
        "writes": writes(actor),
        "may": actor.may(ORGANISE),
        "amendable": life.after(proposal.state, life.Step.AMEND) is not None,
        "mergeable": life.after(proposal.state, life.Step.MERGE) is not None,
        "possible": life.possible(proposal.state),
        "offices": await offices(city, actor) if actor.may(ORGANISE) else [],
        "wrong": wrong,
        "given": given or {},
        "done": request.query_params.get("done", ""),
        "now": city.clock.now(),
    }
    return city.render(request, template, status or (422 if wrong else 200), **values)
