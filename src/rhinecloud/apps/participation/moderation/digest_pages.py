"""Pages of the digests: ask for news by mail, confirm it, change it, end it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.people import Actor
from rhinecloud.web.forms import fields
from rhinecloud.web.language import choose

from ..events.drafting import Wrong
from ..groups import members, reading
from ..groups.model import Group
from . import subscribing
from .subscribing import EVERY, Digest

# Letters with a link that one neighbourhood may cause, and links that are none.
_LETTERS: Final = (10, 1 / 120)
_WRONG_LINKS: Final = (30, 1 / 30)


async def ask(city: City, request: Request) -> Response:
    """Ask for news; with an account also change and end it."""
    actor = city.people.who(request)
    own = await subscribing.of_account(city, actor) if _has_account(actor) else None
    groups = await _groups(city)
    given = _fields_of(own) if own is not None else {"every": "week"}
    if own is None:
        for group in groups:
            if await members.role(city, group.number, actor) is not None:
                given[f"group-{group.number}"] = "on"
    return await _page(city, request, groups, given, own)


async def subscribe(city: City, request: Request) -> Response:
    """Take what somebody asks for."""
    given = await fields(request)
    actor, groups = city.people.who(request), await _groups(city)
    own = await subscribing.of_account(city, actor) if _has_account(actor) else None
    if own is not None and given.get("action") == "end":
        await subscribing.end(city, own)
        return RedirectResponse(f"/{city.app}/digest?done=ended", 303)
    language, address = choose(request), city.address(request)
    try:
        wanted = subscribing.draft(given, [group.number for group in groups])
        if _has_account(actor):
            await subscribing.of_signed_in(city, actor, wanted, language, address)
            return RedirectResponse(f"/{city.app}/digest?done=kept", 303)
        if wait := city.people.limit(request, "digests", *_LETTERS):
            raise HTTPException(429, headers={"Retry-After": str(math.ceil(wait))})
        await subscribing.by_mail(city, given.get("mail", ""), wanted, language, address)
    except Wrong as wrong:
        return await _page(city, request, groups, given, own, wrong)
    return RedirectResponse(f"/{city.app}/digest?done=written", 303)


async def one(city: City, request: Request) -> Response:
    """What a letter's link leads to. Looking changes nothing: programs that check mail look at every link."""
    digest = await _linked(city, request, request.query_params.get("key", ""))
    return await _page(city, request, await _groups(city), _fields_of(digest), digest, by_link=True)


async def write(city: City, request: Request) -> Response:
    """Confirm, change or end it by the link."""
    given = await fields(request)
    digest, groups = await _linked(city, request, given.get("key", "")), await _groups(city)
    if given.get("action") == "end":
        await subscribing.end(city, digest)
        return RedirectResponse(f"/{city.app}/digest?done=ended", 303)
    try:
        await subscribing.change(city, digest, subscribing.draft(given, [group.number for group in groups]))
    except Wrong as wrong:
        return await _page(city, request, groups, given, digest, wrong, by_link=True)
    return RedirectResponse(f"{digest.path}&done=kept", 303)


async def end(city: City, request: Request) -> Any:
    """The button of a mail program (RFC 8058): it ends at once, without a page."""
    digest = await subscribing.one(city, request.path_params["number"], request.query_params.get("key", ""))
    if digest is None:
        raise HTTPException(401, "no such letters, or not any more")
    city.people.recognise(request)
    await subscribing.end(city, digest)
    return {"ended": True}


def _has_account(actor: Actor) -> bool:
    return actor.kind == "person"


async def _groups(city: City) -> list[Group]:
    return [group for group in await reading.everything(city) if group.state != "over"]


async def _linked(city: City, request: Request, key: str) -> Digest:
    found = await subscribing.one(city, request.path_params["number"], key)
    if found is not None:
        return found
    wait = city.people.limit(request, "links", *_WRONG_LINKS)
    raise HTTPException(429, headers={"Retry-After": str(math.ceil(wait))}) if wait else HTTPException(404)


def _fields_of(digest: Digest) -> dict[str, str]:
    return {"every": digest.every} | {f"group-{number}": "on" for number in digest.theme_groups}


async def _page(
    city: City,
    request: Request,
    groups: list[Group],
    given: Mapping[str, str],
    digest: Digest | None,
    wrong: Wrong | None = None,
    *,
    by_link: bool = False,
) -> Response:
    actor = city.people.who(request)
    contact = await city.people.contact(actor.id)
    return city.render(
        request,
        "participation/moderation/digest.html",
        422 if wrong else 200,
        groups=groups,
        digest=digest,
        by_link=by_link,
        account=_has_account(actor),
        mail=contact.mail if contact is not None else "",
        every=list(EVERY.items()),
        done=request.query_params.get("done", ""),
        given=given,
        wrong=wrong,
    )
