"""Results: a page, a table, JSON, and an image for the press. Counts only, of polls whose results are shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City
from rhinecloud.web.language import choose

from ..events.model import KINDS, Event, Poll
from ..joining import here
from . import picture, stage
from .board import Board

_NO_STORE: Final = {"Cache-Control": "no-store"}
# A cell that begins with one of these is a formula to a spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS: Final = (
    "poll",
    "title",
    "kind",
    "state",
    "ballots",
    "answer",
    "count",
    "capacity",
    "taken",
    "waiting",
    "ranks",
)


async def show(city: City, request: Request) -> Response:
    """The results of an event."""
    event = (await here.of(city, request)).event
    shown = await _shown(city, event)
    return city.render(
        request,
        "participation/results.html",
        event=event,
        shown=shown,
        hidden=[poll for poll in event.polls if poll.state != "prepared" and not poll.open_results],
        kinds=KINDS,
    )


async def as_csv(city: City, request: Request) -> Response:
    """A line for each answer, in UTF-8 with a mark that spreadsheets look for."""
    event = (await here.of(city, request)).event
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for poll, board in await _shown(city, event):
        writer.writerows([_cell(value) for value in row] for row in _rows(poll, board))
    body = b"\xef\xbb\xbf" + text.getvalue().encode()
    return Response(body, media_type="text/csv", headers=_NO_STORE | _name(event, "csv"))


async def as_json(city: City, request: Request) -> Response:
    """The same for programs."""
    event = (await here.of(city, request)).event
    polls = [_document(poll, board) for poll, board in await _shown(city, event)]
    body = msgspec.json.encode({"event": {"code": event.code, "title": event.title}, "polls": polls})
    return Response(body, media_type="application/json", headers=_NO_STORE)


async def as_picture(city: City, request: Request) -> Response:
    """An image of one poll (`?poll=NUMBER`, the first with a result otherwise), 1200 by 675."""
    event = (await here.of(city, request)).event
    wanted = request.query_params.get("poll", "")
    for poll, board in await _shown(city, event):
        if wanted in ("", str(poll.number)):
            votes = "Stimmen" if choose(request) == "de" else "votes"
            drawn = picture.draw(
                event.title, poll.title, board, f"{board.told} {votes} · Rhine Cloud {city.name}"
            )
            return Response(drawn, media_type="image/svg+xml", headers=_NO_STORE | _name(event, "svg"))
    raise HTTPException(404)


async def _shown(city: City, event: Event) -> list[tuple[Poll, Board]]:
    found = [(poll, await stage.of_poll(city, poll)) for poll in event.polls]
    return [(poll, board) for poll, board in found if board is not None]


def _rows(poll: Poll, board: Board) -> Iterator[tuple[Any, ...]]:
    about = (poll.number, poll.title, poll.kind, poll.state, board.ballots)
    for bar in board.bars:
        yield (
            *about,
            bar.title,
            bar.count,
            bar.capacity,
            bar.taken,
            bar.waiting,
            " ".join(map(str, bar.ranks)),
        )
    for word in board.words:
        yield (*about, word.text, word.count, None, None, None, "")


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _document(poll: Poll, board: Board) -> dict[str, Any]:
    found: dict[str, Any] = {
        "poll": poll.number,
        "title": poll.title,
        "kind": poll.kind,
        "state": poll.state,
        "secret": poll.secret,
        "ballots": board.ballots,
        "told": board.told,
    }
    if board.kind == "words":
        return found | {"words": [{"word": word.text, "count": word.count} for word in board.words]}
    answers: list[dict[str, Any]] = []
    for bar in board.bars:
        answer: dict[str, Any] = {"answer": bar.title, "count": bar.count}
        if board.kind == "groups":
            answer |= {"ranks": list(bar.ranks), "capacity": bar.capacity}
            answer |= {"taken": bar.taken, "waiting": bar.waiting}
        answers.append(answer)
    return found | {"answers": answers} | ({"mean": board.mean} if board.kind == "scale" else {})


def _name(event: Event, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{event.code}.{ending}"'}
