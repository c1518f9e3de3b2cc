"""Coming in with a code: from a letter, a QR code, or typed."""

from __future__ import annotations

from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields

from . import here as here_
from . import invitations
from .codes import number_of
from .here import Here
from .passes import drawn

Trouble = Literal["wrong", "often", "over", "revoked", "used", "another"]
_STATUS: Final[dict[Trouble, int]] = {"wrong": 403, "often": 429, "over": 410, "revoked": 403}


async def join(city: City, request: Request) -> Response:
    """Where a code is typed; with one, the way in. A form of GET: forms that are posted without a pass are counted, and
    a hall is one address."""
    here = await here_.of(city, request)
    asked = request.query_params
    return await _join(city, request, here, asked.get("code", ""), sure=asked.get("sure") == "1")


async def switch(city: City, request: Request) -> Response:
    """Take part with another code than before, on the same phone."""
    here = await here_.of(city, request)
    return await _join(city, request, here, (await fields(request)).get("code", ""), sure=True)


async def _join(city: City, request: Request, here: Here, code: str, *, sure: bool) -> Response:
    event, pass_ = here.event, here.pass_
    to_event = RedirectResponse(f"/{city.app}/e/{event.code}", 303)
    if event.admission == "open":
        return to_event
    if not code.strip():
        return _say(city, request, here, "", None)
    number = number_of(event.key, code)
    if number is None:
        refused = here_.wrong_code(city, request)
        response = _say(city, request, here, code, "often" if refused.status_code == 429 else "wrong")
        response.headers.update(refused.headers or {})
        return response
    if event.state == "over":
        return _say(city, request, here, code, "over")
    invitation = await invitations.one(city, event.number, number)
    if invitation is None or invitation.revoked:
        return _say(city, request, here, code, "revoked")
    if pass_ is not None and pass_.invitation == number:
        return to_event  # with the secret that it has: another could not change what was voted with it
    if pass_ is not None and not sure:
        return _say(city, request, here, code, "another")
    if invitation.voted and not sure:
        return _say(city, request, here, code, "used")
    here_.give(city, to_event, request, Here(event, drawn(event.key, number)))
    return to_event


def _say(city: City, request: Request, here: Here, code: str, trouble: Trouble | None) -> Response:
    return city.render(
        request,
        "participation/join.html",
        _STATUS.get(trouble, 200) if trouble else 200,
        event=here.event,
        trouble=trouble,
        code=code.strip()[:40],
        joined=here.pass_ is not None,
    )
