"""The page where words and questions are let through or hidden, live while they come."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City, Sight
from rhinecloud.web.forms import fields

from ..events import reading
from ..events.model import Event, Poll
from . import questions, words
from .choices import LONGEST_WORD

KINDS = ("words", "questions")


async def page(city: City, request: Request) -> Response:
    """All words or questions of a poll, those that nobody judged first."""
    event, poll = await _found(city, request.path_params["number"])
    return city.render(request, "participation/moderation.html", **await _values(city, event, poll))


async def judge(city: City, request: Request) -> Response:
    """Let one through, or hide it; a question may have been answered."""
    event, poll = await _found(city, request.path_params["number"])
    given = await fields(request)
    actor = city.people.who(request)
    if poll.kind == "words":
        word, shown = given.get("word", ""), given.get("judge")
        if not 0 < len(word) <= LONGEST_WORD or not word.isprintable() or shown not in ("show", "hide"):
            raise HTTPException(422)
        await words.judge(city, actor, event, poll, word, shown == "show")
    else:
        number = given.get("question", "")
        state = next((state for state in questions.STATES if state == given.get("judge")), None)
        if state is None or not number.isdecimal() or len(number) > 18:
            raise HTTPException(422)
        if not await questions.judge(city, actor, event, poll, int(number), state):
            raise HTTPException(404)
    return RedirectResponse(f"/{city.app}/polls/{poll.number}/moderation", 303)


async def part(city: City, sight: Sight, language: str, number: str) -> str:
    """The list, told anew when something comes."""
    try:
        event, poll = await _found(city, int(number) if number.isdecimal() and len(number) < 19 else 0)
    except HTTPException:
        return ""
    return city.part("participation/parts/moderation.html", language, **await _values(city, event, poll))


async def _found(city: City, number: int) -> tuple[Event, Poll]:
    both = await reading.of_poll(city, number) if number < 2**63 else None
    if both is None or both[1].kind not in KINDS:
        raise HTTPException(404)
    return both


async def _values(city: City, event: Event, poll: Poll) -> dict[str, Any]:
    return {
        "event": event,
        "poll": poll,
        "words": await words.every(city, poll) if poll.kind == "words" else [],
        "questions": await questions.every(city, poll) if poll.kind == "questions" else [],
    }
