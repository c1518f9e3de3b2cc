"""Pages of moderators: what waits, and one thing with its reports, where it is hidden, left or shown again."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City
from rhinecloud.people import Actor
from rhinecloud.web.forms import fields

from ..events.drafting import Wrong
from ..groups import members, reading
from . import deciding, filing, subjects
from .model import REASONS
from .subjects import Described

_GONE: Text = ("nicht mehr da", "not there any more")


async def queue(city: City, request: Request) -> Response:
    """What was reported, what authors appeal against, what is hidden."""
    actor = city.people.who(request)
    if not actor.may(filing.ORGANISE) and not await _moderates(city, actor):
        raise HTTPException(403)
    waiting = await filing.waiting(city, actor)
    appeals, hidden = await deciding.appeals(city), await deciding.current(city)
    theirs = await filing.own_groups(city, actor, [one.group for one in appeals + hidden])
    named = {
        subject: await subjects.described(city, subject)
        for subject in {one.subject for one in waiting} | {one.subject for one in appeals + hidden}
    }
    return city.render(
        request,
        "participation/moderation/queue.html",
        waiting=waiting,
        appeals=[one for one in appeals if one.group in theirs],
        hidden=[one for one in hidden if one.group in theirs],
        named=named,
        reasons=REASONS,
        me=actor.id,
        done=request.query_params.get("done", ""),
    )


async def one(city: City, request: Request) -> Response:
    """A thing, what was reported of it, and what was decided."""
    subject, described = await _asked(city, request)
    return await _page(city, request, subject, described, {})


async def act(city: City, request: Request) -> Response:
    """Hide it, leave it, show it again, or keep it hidden after an appeal."""
    subject, described = await _asked(city, request)
    given = await fields(request)
    actor, action, address = city.people.who(request), given.get("action", ""), city.address(request)
    try:
        if action == "hide":
            reason, text = given.get("reason", ""), given.get("text", "")
            await deciding.hide(city, actor, subject, described, reason, text, address)
        elif action == "leave":
            await deciding.leave(city, actor, subject, described, address)
        elif action in ("restore", "uphold"):
            found = await deciding.latest(city, subject)
            if found is None:
                raise HTTPException(404)
            decide = deciding.restore if action == "restore" else deciding.uphold
            await decide(city, actor, found, described, given.get("text", ""), address)
        else:
            raise HTTPException(422)
    except Wrong as wrong:
        return await _page(city, request, subject, described, given, wrong)
    return RedirectResponse(f"/{city.app}/moderation?done={action}", 303)


async def _moderates(city: City, actor: Actor) -> bool:
    for group in await reading.everything(city):
        if await members.role(city, group.number, actor) == "moderator":
            return True
    return False


async def _asked(city: City, request: Request) -> tuple[str, Described]:
    subject = f"{request.path_params['kind']}:{request.path_params['number']}"
    if subjects.parse(subject) is None:
        raise HTTPException(404)
    described = await subjects.described(city, subject)
    if described is None:
        # What was removed in the meantime may still have reports that wait.
        reports, found = await filing.reports(city, subject), await deciding.latest(city, subject)
        if not reports and found is None:
            raise HTTPException(404)
        described = Described(f"{subject} – {_GONE[0]}", f"/{city.app}")
    if not await filing.may(city, city.people.who(request), described.group):
        raise HTTPException(403)
    return subject, described


async def _page(
    city: City,
    request: Request,
    subject: str,
    described: Described,
    given: Mapping[str, str],
    wrong: Wrong | None = None,
) -> Response:
    found = await deciding.latest(city, subject)
    return city.render(
        request,
        "participation/moderation/one.html",
        422 if wrong else 200,
        subject=subject,
        described=described,
        reports=await filing.reports(city, subject),
        hiding=found,
        own=found is not None and found.hidden_by == city.people.who(request).id,
        reasons=[("", ("Bitte wählen", "Please choose")), *REASONS.items()],
        labels=REASONS,
        given=given,
        wrong=wrong,
    )
