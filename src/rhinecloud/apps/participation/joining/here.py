"""Of a request: which event it is for, and who takes part in it.

A pass is verified without the database, so that neither guesses nor crowds cost more than a hash. The address that a
request came from is asked for one thing only: how many wrong codes, or new passes of an open link, came from its
neighbourhood (`city.people.limit`, in memory).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City
from rhinecloud.people.limits import Buckets, Rule

from ..events import keeping
from ..events.model import Event
from ..events.reading import tidy
from .passes import Pass, drawn, read, write

_DAY: Final = 86_400
_LASTS: Final = 90 * _DAY
_PATH: Final = "/participation/e"
# Codes that are none: of a neighbourhood, at once and a second in the long run. Right ones are never counted.
_WRONG: Final = (30, 0.2)
# Forms that one pass may send. More of them count as their address's, as if there were no pass.
_OF_ONE: Final = Rule("participation.pass", 60, 2)
_sent: Final = Buckets()


class Here(msgspec.Struct, frozen=True):
    """The event, and the pass of who asks; None for who has none. `new`: it was drawn for this request, so that nothing
    can be known of who shows it."""

    event: Event
    pass_: Pass | None
    new: bool = False


async def of(city: City, request: Request) -> Here:
    """The event that the path's {code} names, and who takes part. Raises HTTPException 404 for an event that there is
    not, and 429 where too many of these were asked for."""
    event = await keeping.kept(city, request.path_params["code"])
    if event is None:
        raise wrong_code(city, request)
    return Here(event, _pass(city, request, event))


async def arrive(city: City, request: Request) -> Here:
    """As `of`; where everybody may come in who has none gets a new pass, which `give` puts into the response. Raises
    HTTPException 429, too, where more come from one neighbourhood than the event expects."""
    here = await of(city, request)
    event = here.event
    if here.pass_ is not None or event.admission != "open" or event.state == "over":
        return here
    at_once, a_second = arriving(event.expected)
    if wait := city.people.limit(request, f"joining.{event.number}", at_once, a_second):
        raise too_often(wait)
    return Here(event, drawn(event.key, None), new=True)


def arriving(expected: int) -> tuple[float, float]:
    """How many new passes of an open link one neighbourhood gets: a fifth more than are expected at once, for a hall is
    one address, and then as many again in ten minutes, at least one in two seconds and at most five a second."""
    return max(10.0, expected * 1.2), min(5.0, max(0.5, expected / 600))


async def known(city: City, request: Request) -> bool:
    """Whether somebody shows a pass of the event (`Page.known`), and does not send more than a phone does."""
    code = tidy(request.path_params["code"])
    if _cookie(city, request, code) not in request.cookies:
        return False
    event = await keeping.kept(city, code)
    shown = _pass(city, request, event) if event is not None else None
    return shown is not None and not _sent.take(_OF_ONE, shown.participant.hex)


def give(city: City, response: Response, request: Request, here: Here) -> None:
    """Let the phone keep its pass: for 90 days, or one more day where the event is over. Only the pages of
    participation are sent it, over the network in the clear only where the whole city is."""
    if here.pass_ is None:
        return
    response.set_cookie(
        _cookie(city, request, here.event.code),
        write(here.event.key, here.pass_),
        max_age=_DAY if here.event.state == "over" else _LASTS,
        path=_PATH,
        secure=_is_secure(city, request),
        httponly=True,
        samesite="lax",
    )


def wrong_code(city: City, request: Request, status: int = 404) -> HTTPException:
    """What to raise for a code that is none: it is counted, of its neighbourhood, and becomes 429 after too many."""
    wait = city.people.limit(request, "codes", *_WRONG)
    return too_often(wait) if wait else HTTPException(status)


def too_often(wait: float) -> HTTPException:
    """429, to be tried again in `wait` seconds."""
    return HTTPException(429, headers={"Retry-After": str(math.ceil(wait))})


def _pass(city: City, request: Request, event: Event) -> Pass | None:
    return read(event.key, request.cookies.get(_cookie(city, request, event.code), ""))


def _cookie(city: City, request: Request, code: str) -> str:
    # Browsers take __Secure- only over TLS, so that nobody in between can put a pass of theirs under somebody.
    return f"__Secure-vote-{code}" if _is_secure(city, request) else f"vote-{code}"


def _is_secure(city: City, request: Request) -> bool:
    return city.address(request).startswith("https:")
