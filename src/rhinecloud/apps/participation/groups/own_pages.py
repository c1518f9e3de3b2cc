"""A member's own page: confirming, consents, one's own words, leaving. By the account, or by the link in a letter."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields

from ..events.drafting import Wrong
from ..events.model import ORGANISATIONS
from . import belonging, drafting
from .asked import Asked, asked, refused
from .model import CONSENTS, ROLES


async def shown(city: City, request: Request) -> Response:
    """What the group knows of who asks."""
    at = await asked(city, request)
    if at.own is None:
        if at.actor.kind == "anonymous" and not request.query_params.get("m"):
            return refused(request, at)
        return city.render(request, "participation/groups/no_member.html", 404, group=at.group)
    return _page(city, request, at)


async def act(city: City, request: Request) -> Response:
    """Confirm, change, consent or leave."""
    given = await fields(request)
    at = await asked(city, request, given.get("m", ""))
    own, group = at.own, at.group
    if own is None:
        if at.actor.kind == "anonymous":
            return city.render(request, "participation/groups/no_member.html", 404, group=group)
        raise HTTPException(403)
    done = action = given.get("action", "")
    try:
        if action == "confirm" and at.shown:
            done = await belonging.confirm(city, group, own, belonging.consents_of(given))
        elif action == "words":
            await belonging.rewrite(city, own, drafting.member_of(given, mail=False))
        elif action == "consents":
            await belonging.consent(city, own, belonging.consents_of(given))
        elif action == "leave":
            await belonging.remove(city, None, group, own)
            return RedirectResponse(f"{group.path}?done=left", 303)
        else:
            raise HTTPException(400)
    except Wrong as wrong:
        return _page(city, request, at, wrong, given)
    query = f"m={at.shown}&" if at.shown else ""
    return RedirectResponse(f"{group.path}/own?{query}done={done}", 303)


def _page(
    city: City,
    request: Request,
    at: Asked,
    wrong: Wrong | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    assert at.own is not None
    own = {"name": at.own.name, "organisation": at.own.organisation, "kind": at.own.kind}
    response = city.render(
        request,
        "participation/groups/own.html",
        422 if wrong else 200,
        at=at,
        group=at.group,
        own=at.own,
        roles=ROLES,
        kinds=ORGANISATIONS,
        consents=CONSENTS,
        wrong=wrong,
        given=given or own,
        done=request.query_params.get("done", ""),
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
