"""What everybody sees of groups, and how one comes into them."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields
from rhinecloud.web.language import choose

from ..choosing import placing
from ..events.drafting import Wrong
from ..events.model import ORGANISATIONS
from ..joining import here as here_
from . import belonging, documents, drafting, meetings, members, reading
from .asked import ORGANISE, Asked, asked
from .belonging import Outcome
from .model import CONSENTS, ROLES, STATES, Group

# Forms of whoever has no account, of a neighbourhood: at once, and a second in the long run.
_ASKING: Final = (20, 0.02)


async def listed(city: City, request: Request) -> Response:
    """All groups."""
    groups = await reading.everything(city)
    counts = {group.number: await members.number(city, group.number) for group in groups}
    return city.render(
        request,
        "participation/groups/list.html",
        groups=groups,
        counts=counts,
        states=STATES,
        may=city.people.who(request).may(ORGANISE),
        made=request.query_params.get("made", ""),
    )


async def one(city: City, request: Request) -> Response:
    """The page of a group."""
    return await page(city, request, await asked(city, request))


async def page(
    city: City, request: Request, at: Asked, status: int = 200, wrong: Wrong | None = None
) -> Response:
    """The page of a group for who asks. `wrong`: what was wrong with a document."""
    group = at.group
    now = city.clock.now()
    every = await meetings.of(city, group)
    belonging_ = await members.of(city, group.number)
    return city.render(
        request,
        "participation/groups/group.html",
        status,
        at=at,
        group=group,
        states=STATES,
        roles=ROLES,
        count=len(belonging_),
        members=belonging_ if at.belongs else [],
        speakers=[one for one in belonging_ if one.role != "member" and one.named_at is not None],
        coming=[one for one in every if one.ends_at >= now],
        past=[one for one in reversed(every) if one.ends_at < now and not one.cancelled][:20],
        documents=await documents.of(city, group, hidden=at.belongs),
        rules=documents.RULES,
        waiting=sum(one.state == "requested" for one in await members.asking(city, group.number))
        if at.keeps
        else 0,
        query=f"?m={at.shown}" if at.shown else "",
        wrong=wrong,
        given={},
        done=request.query_params.get("done", ""),
    )


async def join(city: City, request: Request) -> Response:
    """The form to join."""
    at = await asked(city, request)
    if at.own is not None and at.own.state != "unconfirmed":
        return RedirectResponse(f"{at.group.path}/own", 303)
    return await _form(city, request, at.group, f"{at.group.path}/join")


async def ask(city: City, request: Request) -> Response:
    """Take the form."""
    at = await asked(city, request)
    return await _ask(city, request, at.group, f"{at.group.path}/join", None)


async def own_group(city: City, request: Request) -> Response:
    """The group that the phone which asks has a place in: the form with which one comes into it directly."""
    group, _ = await _placed(city, request)
    if group is None:
        return city.render(request, "participation/groups/no_place.html", code=request.path_params["code"])
    return await _form(city, request, group, _own_path(request), placed=True)


async def come(city: City, request: Request) -> Response:
    """Come into the group in which the phone has a place."""
    group, place = await _placed(city, request)
    if group is None or place is None:
        raise HTTPException(404)
    return await _ask(city, request, group, _own_path(request), place)


def _own_path(request: Request) -> str:
    return f"/participation/e/{request.path_params['code']}/group"


async def _placed(city: City, request: Request) -> tuple[Group | None, belonging.Place | None]:
    at = await here_.of(city, request)
    if at.pass_ is None:
        return None, None
    groups = {group.option: group for group in await reading.everything(city) if group.state != "over"}
    for poll in at.event.polls:
        if poll.kind != "groups":
            continue
        found = await placing.own(city, at.event, poll, at.pass_.participant)
        if found is not None and found.state == "placed" and found.option in groups:
            return groups[found.option], (poll.number, at.pass_.participant)
    return None, None


async def _ask(
    city: City, request: Request, group: Group, action: str, place: belonging.Place | None
) -> Response:
    given = await fields(request)
    actor = city.people.who(request)
    account = members.signed(actor)
    placed = place is not None
    if group.state == "over":
        wrong = Wrong("", ("Diese Gruppe ist abgeschlossen.", "This group is completed."))
        return await _form(city, request, group, action, 409, wrong, given, placed=placed)
    # A hall is one address: who has a place comes in by it once, and is not counted.
    by_place = place is not None and await belonging.is_free(city, place)
    counted = not account and not by_place
    if counted and (wait := city.people.limit(request, "groups.ask", *_ASKING)):
        raise here_.too_often(wait)
    outcome: Outcome
    try:
        draft = drafting.member_of(given, mail=not account)
        if account:
            outcome = await belonging.join(
                city, actor, group, draft, belonging.consents_of(given), place=place
            )
        else:
            outcome = await belonging.ask(
                city, group, draft, city.address(request), choose(request), place=place
            )
    except Wrong as wrong:
        return await _form(city, request, group, action, 422, wrong, given, placed=placed)
    if outcome == "written":
        return RedirectResponse(f"{group.path}?done=written", 303)
    return RedirectResponse(f"{group.path}/own?done={outcome}", 303)


async def _form(
    city: City,
    request: Request,
    group: Group,
    action: str,
    status: int = 200,
    wrong: Wrong | None = None,
    given: dict[str, Any] | None = None,
    *,
    placed: bool = False,
) -> Response:
    actor = city.people.who(request)
    return city.render(
        request,
        "participation/groups/join.html",
        status,
        group=group,
        action=action,
        placed=placed,
        account=members.signed(actor),
        contact=await city.people.contact(actor.id),
        consents=CONSENTS,
        kinds=ORGANISATIONS,
        wrong=wrong,
        given=given
        if given is not None
        else {"name": actor.name if actor.kind == "person" else "", "kind": "person"},
    )
