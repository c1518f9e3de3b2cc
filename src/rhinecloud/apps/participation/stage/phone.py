"""The phone of who takes part: the poll that is asked now, their vote, what became of it.

What is asked is the same for all, rendered once and told to every phone (`now`). What somebody voted is known by their
phone, and by this page when it is made, so that everything up to a vote that counts works without JavaScript.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City, Sight
from rhinecloud.web.forms import fields

from ..ballots import casting, choices
from ..ballots import own as own_votes
from ..ballots import questions as asked_questions
from ..ballots.casting import Refused, Vote
from ..ballots.choices import Choice, Wrong
from ..choosing.board import board as standing
from ..events import keeping
from ..events.model import Event, Poll
from ..joining import here, passes
from ..joining.here import Here
from ..joining.strength import STRENGTHS
from . import asking, placed
from .answering import in_language, wants_json

_PAGE: Final = "participation/phone.html"
_NEWEST: Final = 2**53
_STATUS: Final = {"busy": 503}


class Told(msgspec.Struct, frozen=True):
    """What this person voted in the poll that is shown, as the city has it; `revision` 0 where there is nothing."""

    poll: int
    revision: int = 0
    choice: Choice | None = None


async def show(city: City, request: Request) -> Response:
    """The phone's page. Where everybody may come in it brings a pass."""
    return await page(city, request, await here.arrive(city, request))


async def page(
    city: City,
    request: Request,
    found: Here,
    status: int = 200,
    *,
    wrong: Text | None = None,
    given: Mapping[str, str] | None = None,
) -> Response:
    """The phone's page, with what is `wrong` and what was `given` where a form was not taken."""
    event, poll = found.event, found.event.shown
    told = await _told(city, found, poll)
    entered = dict(given) if given is not None else asking.fields_of(poll, told.choice) if poll else {}
    response = city.render(
        request,
        _PAGE,
        status,
        **await seen(city, event, entered=entered),
        told=told,
        told_fields=asking.fields_of(poll, told.choice) if poll else {},
        told_words=asking.in_words(poll, told.choice) if poll else (),
        own=await placed.of(city, found),
        ticket=placed.ticket(found),
        supported=sorted(await _supported(city, found, poll)),
        asked=request.query_params.get("asked") == "1",
        me=_me(found),
        strength=STRENGTHS[event.admission],
        wrong=wrong,
    )
    here.give(city, response, request, found)
    return response


async def own(city: City, request: Request) -> Response:
    """What the city alone knows of this person: their place in a group. Asked for when a poll was closed."""
    found = await here.of(city, request)
    place = await placed.of(city, found)
    poll = found.event.shown
    return city.render(
        request, "participation/parts/phone_place.html", event=found.event, poll=poll, own=place
    )


async def seen(city: City, event: Event, *, entered: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What all phones show of an event: the values of parts/phone_now.html. `entered`: what stands in the form."""
    poll = event.shown
    questions = await asked_questions.shown(city, poll) if poll and poll.kind == "questions" else ()
    places = await standing(city, poll) if poll and poll.kind == "groups" and poll.state == "closed" else None
    return {
        "event": event,
        "poll": poll,
        "mark": asking.mark(event, poll),
        "places": places.version if places else 0,
        "forget": [one.number for one in event.polls if one.secret and one.state == "closed"],
        "pause": max(2, event.expected // 500),
        "questions": questions,
        "questions_mark": asking.mark_of(questions),
        "entered": entered or {},
        "longest_word": choices.LONGEST_WORD,
        "longest_question": choices.LONGEST_QUESTION,
    }


async def now(city: City, sight: Sight, language: str, code: str) -> str:
    """The view of all phones of an event; nothing where there is none."""
    event = await keeping.kept(city, code)
    if event is None:
        return ""
    return city.part("participation/parts/phone_now.html", language, **await seen(city, event))


async def vote(city: City, request: Request) -> Response:
    """Take a vote, by a form or by phone.js: it is answered when it is committed. 409: it does not count, and why."""
    found = await here.of(city, request)
    given = await fields(request)
    poll = _poll(found.event, given.get("poll", ""))
    if found.pass_ is None:
        return await _refuse(city, request, found, 403, "unknown", _NO_PASS)
    try:
        choice = choices.read(poll, given)
    except Wrong as wrong:
        return await _refuse(city, request, found, 422, "wrong", wrong.text, given)
    secret = passes.ballot_key(found.pass_.secret, poll.number) if poll.secret else None
    cast = Vote(
        event=found.event,
        poll=poll,
        participant=found.pass_.participant,
        invitation=found.pass_.invitation,
        ballot_key=secret,
        revision=_revision(given.get("revision", "")),
        choice=choice,
    )
    try:
        receipt = await casting.cast(city, cast)
    except Refused as refused:
        status = _STATUS.get(refused.reason, 409)
        return await _refuse(
            city, request, found, status, refused.reason, refused.text, given, refused.retry_after
        )
    if not wants_json(request):
        return RedirectResponse(f"/{city.app}/e/{found.event.code}#own", 303)
    if receipt.choice != choice:
        # Another tab, or another phone of this person, has said something else since.
        newer = asking.fields_of(poll, receipt.choice)
        return _json(
            409, {"received": False, "reason": "newer", "revision": receipt.revision, "fields": newer}
        )
    return _json(200, {"received": True, "revision": receipt.revision})


_NO_PASS: Final = (
    "Sie sind nicht mehr angemeldet. Bitte geben Sie Ihren Code noch einmal ein.",
    "You are not signed in any more. Please enter your code again.",
)


async def _refuse(
    city: City,
    request: Request,
    found: Here,
    status: int,
    reason: str,
    text: Text,
    given: Mapping[str, str] | None = None,
    retry_after: int = 0,
) -> Response:
    if wants_json(request):
        said = {"received": False, "reason": reason, "message": in_language(request, text)}
        response: Response = _json(status, said)
    else:
        response = await page(city, request, found, status, wrong=text, given=given)
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


async def _told(city: City, found: Here, poll: Poll | None) -> Told:
    if (
        poll is None
        or found.pass_ is None
        or found.new
        or poll.kind == "questions"
        or poll.state == "prepared"
    ):
        return Told(poll.number if poll else 0)
    own_vote = await own_votes.own(city, poll, found.pass_)
    return Told(poll.number) if own_vote is None else Told(poll.number, own_vote.revision, own_vote.choice)


async def _supported(city: City, found: Here, poll: Poll | None) -> frozenset[int]:
    if poll is None or poll.kind != "questions" or found.pass_ is None:
        return frozenset()
    return await asked_questions.supported(city, poll, found.pass_.participant)


def _poll(event: Event, text: str) -> Poll:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
    poll = event.poll(number)
    if poll is None:
        raise HTTPException(404)
    return poll


def _revision(text: str) -> int:
    """That of phone.js; a form has none, and is newer than what is there."""
    if text.isascii() and text.isdigit() and len(text) <= 16:
        return min(int(text), _NEWEST)
    return 0


def _me(found: Here) -> str:
    """What keeps votes apart on a phone that several people use; says nothing of them."""
    if found.pass_ is None:
        return ""
    return hashlib.sha256(b"me\0" + found.pass_.secret).hexdigest()[:16]


def _json(status: int, said: object) -> Response:
    return JSONResponse(said, status, {"Cache-Control": "no-store"})


__all__ = ["now", "own", "page", "show", "vote"]
