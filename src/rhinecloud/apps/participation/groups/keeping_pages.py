"""Looking after groups: making and changing them, and who belongs to them."""

from __future__ import annotations

from typing import get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields

from ..events import reading as events
from ..events.drafting import Wrong
from ..events.model import ORGANISATIONS
from . import belonging, changing, drafting, letters, members
from .asked import Asked, asked, refused
from .model import ROLES, STATES, GroupState, Role


async def new(city: City, request: Request) -> Response:
    """The form of a new group."""
    return _form(city, request, {}, None)


async def make(city: City, request: Request) -> Response:
    """Make a group."""
    given = await fields(request)
    try:
        group = await changing.create(city, city.people.who(request), drafting.group_of(given))
    except Wrong as wrong:
        return _form(city, request, given, wrong)
    return RedirectResponse(f"{group.path}?done=made", 303)


def _form(city: City, request: Request, given: dict[str, str], wrong: Wrong | None) -> Response:
    return city.render(
        request, "participation/groups/new.html", 422 if wrong else 200, given=given, wrong=wrong
    )


async def of_poll(city: City, request: Request) -> Response:
    """Make groups of a poll's options."""
    number = request.path_params["number"]
    found = await events.of_poll(city, number) if number < 2**63 else None
    if found is None:
        raise HTTPException(404)
    try:
        made = await changing.of_poll(city, city.people.who(request), found[1])
    except Wrong as wrong:
        raise HTTPException(409) from wrong
    return RedirectResponse(f"/participation/groups?made={made}", 303)


async def edit(city: City, request: Request) -> Response:
    """The form of a group."""
    at = await asked(city, request)
    group = at.group
    given = {"title": group.title, "lead": group.lead, "about": group.about, "state": group.state}
    return _edit(city, request, at, given, None) if at.keeps else refused(request, at)


async def write(city: City, request: Request) -> Response:
    """Change a group."""
    at = await asked(city, request)
    if not at.keeps:
        return refused(request, at)
    given = await fields(request)
    try:
        state = given.get("state", "")
        if state not in get_args(GroupState):
            raise Wrong("state", ("Bitte wählen Sie etwas aus der Liste.", "Please choose from the list."))
        await changing.edit(city, at.actor, at.group, drafting.group_of(given), state)  # type: ignore[arg-type]
    except Wrong as wrong:
        return _edit(city, request, at, given, wrong)
    return RedirectResponse(f"{at.group.path}?done=kept", 303)


def _edit(city: City, request: Request, at: Asked, given: dict[str, str], wrong: Wrong | None) -> Response:
    return city.render(
        request,
        "participation/groups/edit.html",
        422 if wrong else 200,
        group=at.group,
        states=STATES,
        given=given,
        wrong=wrong,
    )


async def people(city: City, request: Request) -> Response:
    """Who belongs to a group, who asks to, and the form that invites."""
    at = await asked(city, request)
    return await _people(city, request, at) if at.keeps else refused(request, at)


async def act(city: City, request: Request) -> Response:
    """Accept, refuse, give a role, remove; or invite."""
    at = await asked(city, request)
    if not at.keeps:
        return refused(request, at)
    given = await fields(request)
    action, role = given.get("action", ""), given.get("role", "member")
    if role not in get_args(Role):
        raise HTTPException(400)
    if action == "invite":
        try:
            # Nobody is sent words that somebody else typed as their name: they say themselves who they are.
            mail = drafting.address("mail", given.get("mail", ""))
            name = drafting.line("name", given.get("name", ""), 80)
            draft = drafting.MemberDraft(name=name, mail=mail)
            new_ = await belonging.invite(city, at.actor, at.group, draft, role, city.address(request))  # type: ignore[arg-type]
        except Wrong as wrong:
            return await _people(city, request, at, wrong, given)
        return _back(at, "invited" if new_ else "known")
    if action == "news":
        try:
            subject = drafting.line("subject", given.get("subject", ""), 120)
            text = drafting.lines("text", given.get("text", ""), 10_000)
            if not text:
                raise Wrong("text", ("Hier fehlt etwas.", "Something is missing here."))
        except Wrong as wrong:
            return await _people(city, request, at, wrong, given)
        await letters.news(city, at.actor, at.group, subject, text, city.address(request))
        return _back(at, "news")
    number = given.get("member", "")
    member = (
        await members.one(city, at.group, int(number))
        if number.isascii() and number.isdigit() and len(number) < 19
        else None
    )
    if member is None:
        return _back(at, "gone")
    if action in ("accept", "refuse"):
        await belonging.decide(
            city, at.actor, at.group, member, accept=action == "accept", address=city.address(request)
        )
    elif action == "role":
        await belonging.give_role(city, at.actor, at.group, member, role)  # type: ignore[arg-type]
    elif action == "remove":
        await belonging.remove(city, at.actor, at.group, member)
    else:
        raise HTTPException(400)
    return _back(at, action)


def _back(at: Asked, done: str) -> Response:
    return RedirectResponse(f"{at.group.path}/members?done={done}", 303)


async def _people(
    city: City,
    request: Request,
    at: Asked,
    wrong: Wrong | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    belonging_ = await members.of(city, at.group.number)
    return city.render(
        request,
        "participation/groups/members.html",
        422 if wrong else 200,
        group=at.group,
        members=belonging_,
        readers=sum(one.newsletter_at is not None and one.mail is not None for one in belonging_),
        asking=await members.asking(city, at.group.number),
        roles=ROLES,
        kinds=ORGANISATIONS,
        wrong=wrong,
        given=given or {},
        done=request.query_params.get("done", ""),
    )
