"""What the pages of people share: which browser asks, its session, answers to the island of passkeys, the cookie."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rhinecloud.people.accounts import LONGEST_NAME, MailTaken
from rhinecloud.people.browsers import device_of
from rhinecloud.people.passkeys import Refused, RelyingParty, origin_of
from rhinecloud.people.service import Browser, Gone
from rhinecloud.people.sessions import SCOPE, Session, cookie_name, is_secure

from ..shell import Shell

_LARGEST = 65_536  # bytes of a credential with the fields beside it
_SHOWN_DEVICE = 60


def _n(text: str) -> str:
    """Marks a text for the catalogue that is translated later."""
    return text


_WORDS = {
    "expired": _n("That took too long, or was done already. Please try again."),
    "unknown": _n(
        "This passkey is not known here (any more). Please choose another, or have a link sent to you."
    ),
    "blocked": _n(
        "This account is blocked. Whoever looks after the accounts of your organisation can tell you why."
    ),
    "invalid": _n("The passkey could not be verified. Please try again."),
    "gone": _n("This link was used already, or it is over. Please have a new one sent to you."),
    "mail": _n("There is an account with this mail address by now. Please sign in with it."),
    "name": _n("Please enter a name."),
    "address_of_mail": _n("This is no mail address that can be written to."),
    "taken": _n("There is an organisation of this name already."),
    "last": _n("That would leave nobody who can manage people: make somebody else an administrator first."),
    "again": _n("Please sign in once more first."),
    "token_beyond": _n("You may not give all that was chosen: a token can do what you may do, and no more."),
    "token_organisation": _n("A token acts for one of your own organisations."),
    "token_lasts": _n("A token is valid for a year at most."),
    "token_name": _n("A token needs a name, of at most 80 characters."),
    "address": _n("Passkeys work at the public address of this installation only."),
}

Step = Callable[[Request, "Given", RelyingParty], Awaitable[Response]]
Given = dict[str, Any]


class Wrong(msgspec.Struct, frozen=True):
    """What is wrong with a field of a form, in the reader's language (`components.html: field`)."""

    field: str
    text: str
    line: int | None = None


def party_of(shell: Shell, request: Request) -> RelyingParty | None:
    """For whom a browser makes passkeys at this address; None where it makes none."""
    return RelyingParty.of(shell.settings, request.url.scheme, request.headers.get("host", ""))


def base_of(shell: Shell, request: Request) -> str:
    """Our own address, for links in letters; never what a request merely says that it is. Raises HTTPException 409
    where nobody could use them."""
    origin = origin_of(shell.settings, request.url.scheme, request.headers.get("host", ""))
    if origin is None:
        raise HTTPException(409)
    return origin


def browser_of(shell: Shell, request: Request, party: RelyingParty) -> Browser:
    """Who asks, as far as a sign-in is concerned."""
    device = device_of(request.headers.get("user-agent", "")) or "Browser"
    return Browser(party, device[:_SHOWN_DEVICE], shell.renderer.of(request).code, secret_of(shell, request))


def secret_of(shell: Shell, request: Request) -> str | None:
    """What the cookie of a session says."""
    return request.cookies.get(cookie_name(shell.settings))


def session_of(request: Request) -> Session | None:
    """The session that the gate found."""
    found: Session | None = request.scope.get(SCOPE)
    return found


def own_session(request: Request) -> Session:
    """The session of who asks. Raises HTTPException 404 for programs and where nobody signs in."""
    session = session_of(request)
    if session is None:
        raise HTTPException(404)
    return session


def name_of(given: Given, most: int = LONGEST_NAME) -> str:
    """A name as it was typed, on one line; empty if it is none."""
    name = " ".join(str(given.get("name") or "").split())
    return name[:most] if name.isprintable() else ""


def signed_in(shell: Shell, response: Response, secret: str) -> Response:
    """Give the browser the session."""
    response.set_cookie(
        cookie_name(shell.settings),
        secret,
        max_age=int(shell.people.sessions.lasting.total_seconds()),
        path="/",
        secure=is_secure(shell.settings),
        httponly=True,
        samesite="lax",
    )
    return response


def signed_out(shell: Shell, response: Response) -> Response:
    """Take the session from the browser."""
    response.delete_cookie(
        cookie_name(shell.settings),
        path="/",
        secure=is_secure(shell.settings),
        httponly=True,
        samesite="lax",
    )
    return response


def words(shell: Shell, request: Request, reason: str) -> str:
    """What went wrong, in the reader's language."""
    return shell.renderer.of(request).gettext(_WORDS.get(reason, _WORDS["invalid"]))


def step(shell: Shell, handle: Step) -> Callable[[Request], Awaitable[Response]]:
    """A question of the island: JSON in, JSON out; what is refused is said in words, with a reason for the program."""

    async def answered(request: Request) -> Response:
        party = party_of(shell, request)
        if party is None:
            return _refusal(shell, request, "address", 409)
        given = await _document(request)
        try:
            return await handle(request, given, party)
        except Refused as error:
            return _refusal(shell, request, error.reason, 403 if error.reason == "blocked" else 422)
        except Gone:
            return _refusal(shell, request, "gone", 410)
        except MailTaken:
            return _refusal(shell, request, "mail", 409)

    return answered


def answer(document: dict[str, Any], status: int = 200) -> JSONResponse:
    """An answer to the island."""
    return JSONResponse(document, status, {"Cache-Control": "no-store"})


def nameless(shell: Shell, request: Request) -> Response:
    """The answer to a form without a name."""
    return _refusal(shell, request, "name", 422)


def credential_of(given: Given) -> dict[str, Any]:
    """What the authenticator answered. Raises Refused."""
    credential = given.get("credential")
    if not isinstance(credential, dict) or not isinstance(credential.get("response"), dict):
        raise Refused("invalid", "no credential")
    return credential


def _refusal(shell: Shell, request: Request, reason: str, status: int) -> Response:
    return answer({"error": words(shell, request, reason), "reason": reason}, status)


async def _document(request: Request) -> Given:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415)
    if int(request.headers.get("content-length") or 0) > _LARGEST:
        raise HTTPException(413)
    try:
        return msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.DecodeError:
        raise HTTPException(400) from None
