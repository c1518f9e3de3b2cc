"""The stage: the big screen of a hall. What it shows is rendered once for all who look, and told as votes come in."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City, Sight

from ..ballots import counting
from ..ballots import questions as asked_questions
from ..choosing.board import board as standing
from ..events import keeping
from ..events.model import Event, Poll
from ..joining import here, qr
from .board import Board, board

_MOST_QUESTIONS: Final = 6  # what has room on a stage


async def show(city: City, request: Request) -> Response:
    """The page for the big screen. `?theme=dark` for a dark hall."""
    found = await here.of(city, request)
    way_in = f"{city.address(request)}/{city.app}/e/{found.event.code}"
    parts = urlsplit(way_in)
    return city.render(
        request,
        "participation/stage.html",
        **await seen(city, found.event),
        qr=qr.svg(way_in),
        way_in=f"{parts.netloc}/{city.app}",
    )


async def now(city: City, sight: Sight, language: str, code: str) -> str:
    """The view of the stage; nothing where there is no such event."""
    event = await keeping.kept(city, code)
    if event is None:
        return ""
    return city.part("participation/parts/stage_now.html", language, **await seen(city, event))


async def seen(city: City, event: Event) -> dict[str, Any]:
    """What the stage shows of an event: the values of parts/stage_now.html."""
    poll = event.shown
    if poll is None:
        return {"event": event, "poll": None, "board": None, "ballots": 0, "questions": ()}
    if poll.kind == "questions":
        questions = await asked_questions.shown(city, poll)
        return {
            "event": event,
            "poll": poll,
            "board": None,
            "ballots": 0,
            "questions": questions[:_MOST_QUESTIONS],
        }
    counts = await counting.tally(city, poll, whole=False)
    shown = board(poll, counts, await places(city, poll)) if poll.open_results else None
    return {"event": event, "poll": poll, "board": shown, "ballots": counts.ballots, "questions": ()}


async def of_poll(city: City, poll: Poll) -> Board | None:
    """What everybody may see of a poll now; None for nothing."""
    if not poll.open_results or poll.kind == "questions":
        return None
    return board(poll, await counting.tally(city, poll, whole=False), await places(city, poll))


async def places(city: City, poll: Poll) -> dict[int, tuple[int, int]] | None:
    """Of each option, how many places are taken and how many wait for one; None before places are published, and where
    there are none to give."""
    found = await standing(city, poll) if poll.kind == "groups" and poll.state == "closed" else None
    return None if found is None else {one.option.number: (one.taken, one.waiting) for one in found.groups}
