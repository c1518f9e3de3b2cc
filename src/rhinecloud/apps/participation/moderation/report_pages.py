"""Pages for everybody: report something; appeal against hiding what one wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.addresses import sign_in
from rhinecloud.web.forms import fields
from rhinecloud.web.language import choose

from ..events.drafting import Wrong
from . import deciding, filing, hiding, subjects
from .deciding import Hiding
from .model import REASONS
from .subjects import Described

# Reports of one neighbourhood: so many at once, and one every two minutes.
_REPORTS: Final = (10, 1 / 120)
# Links that are none, of one neighbourhood.
_WRONG_LINKS: Final = (30, 1 / 30)


async def report(city: City, request: Request) -> Response:
    """The form of a report."""
    on = request.query_params.get("on", "")
    described = await _described(city, on)
    contact = await city.people.contact(city.people.who(request).id)
    given = {"mail": contact.mail if contact is not None else ""}
    return await _report(city, request, on, described, given)


async def file(city: City, request: Request) -> Response:
    """Take a report."""
    given = await fields(request)
    on = given.get("on", "")
    described = await _described(city, on)
    draft = filing.Draft(given.get("reason", ""), given.get("text", ""), given.get("mail", ""))
    if wait := city.people.limit(request, "reports", *_REPORTS):
        minutes = math.ceil(wait / 60)
        wrong = Wrong(
            "",
            (
                f"Von hier kamen gerade viele Meldungen. Bitte senden Sie in {minutes} Minuten noch einmal.",
                f"Many reports came from here just now. Please send it again in {minutes} minutes.",
            ),
        )
        return await _report(city, request, on, described, given, wrong, 429, wait)
    try:
        await filing.file(city, city.people.who(request), on, described, draft, choose(request))
    except Wrong as wrong:
        return await _report(city, request, on, described, given, wrong, 422)
    return RedirectResponse(f"/{city.app}/report?on={on}&done=1", 303)


async def appeal(city: City, request: Request) -> Response:
    """What was hidden and why, for its author, and the form of an appeal."""
    key = request.query_params.get("key", "")
    found = await _own(city, request, key)
    if isinstance(found, Response):
        return found
    return await _appeal(city, request, found, {"key": key})


async def send_appeal(city: City, request: Request) -> Response:
    """Take an appeal."""
    given = await fields(request)
    found = await _own(city, request, given.get("key", ""))
    if isinstance(found, Response):
        return found
    try:
        await deciding.appeal(city, found, given.get("text", ""))
    except Wrong as wrong:
        return await _appeal(city, request, found, given, wrong)
    again = await deciding.one(city, found.number)
    return await _appeal(city, request, again or found, {})


async def _described(city: City, on: str) -> Described:
    described = await subjects.described(city, on)
    if described is None:
        raise HTTPException(404)
    return described


async def _own(city: City, request: Request, key: str) -> Hiding | Response:
    found = await deciding.one(city, request.path_params["number"])
    actor = city.people.who(request)
    if found is not None and ((key and found.opens_with(key)) or found.author == actor.id):
        return found
    if wait := city.people.limit(request, "links", *_WRONG_LINKS):
        raise HTTPException(429, headers={"Retry-After": str(math.ceil(wait))})
    if key or actor.kind != "anonymous" or request.method != "GET":
        raise HTTPException(404)
    return RedirectResponse(sign_in(request.url.path), 303)


async def _report(
    city: City,
    request: Request,
    on: str,
    described: Described,
    given: Mapping[str, str],
    wrong: Wrong | None = None,
    status: int = 200,
    wait: float = 0,
) -> Response:
    response = city.render(
        request,
        "participation/moderation/report.html",
        status,
        on=on,
        described=described,
        hidden=(await hiding.hidden(city, [on])).get(on),
        reasons=[("", ("Bitte wählen", "Please choose")), *REASONS.items()],
        done=bool(request.query_params.get("done")),
        given=given,
        wrong=wrong,
    )
    if wait:
        response.headers["Retry-After"] = str(math.ceil(wait))
    return response


async def _appeal(
    city: City, request: Request, found: Hiding, given: Mapping[str, str], wrong: Wrong | None = None
) -> Response:
    return city.render(
        request,
        "participation/moderation/appeal.html",
        422 if wrong else 200,
        hiding=found,
        described=await subjects.described(city, found.subject),
        given=given,
        wrong=wrong,
    )
