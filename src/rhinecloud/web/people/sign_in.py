"""Signing in with a passkey, making an account, having a link sent, signing out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from rhinecloud.mail import BadAddress
from rhinecloud.people import PUBLIC
from rhinecloud.people.oidc import Oidc
from rhinecloud.people.passkeys import RelyingParty

from ..addresses import ACCOUNT, REGISTER, SIGN_IN, SIGN_OUT, inside
from ..forms import fields
from ..operations.pages import to
from ..shell import Shell
from ..sight import PermittedRoute
from .browsing import (
    Given,
    Wrong,
    answer,
    base_of,
    browser_of,
    credential_of,
    name_of,
    nameless,
    party_of,
    secret_of,
    session_of,
    signed_in,
    signed_out,
    step,
    words,
)
from .oidc import leaving


def routes(shell: Shell, provider: Oidc | None) -> list[BaseRoute]:
    """`/sign-in`, `/sign-out`, `/register` and the questions of their island. `provider`: the city's own."""
    people = shell.people

    async def page(request: Request) -> Response:
        back = inside(request.query_params.get("next"))
        again = "again" in request.query_params
        if session_of(request) is not None and not again:
            return RedirectResponse(back, 303)
        return _page(shell, request, "people/sign_in.html", next=back, again=again)

    async def ask(request: Request, given: Given, party: RelyingParty) -> Response:
        return answer(await people.ask_to_sign_in(party))

    async def enter(request: Request, given: Given, party: RelyingParty) -> Response:
        secret = await people.sign_in(browser_of(shell, request, party), credential_of(given))
        return signed_in(shell, answer({"next": inside(str(given.get("next") or ""))}), secret)

    async def leave(request: Request) -> Response:
        response: Response = to("/")
        if secret := secret_of(shell, request):
            if provider is not None and (address := await provider.leave(secret, base_of(shell, request))):
                response = leaving(shell, request, address)
            await people.sessions.end(secret)
        return signed_out(shell, response)

    async def register(request: Request) -> Response:
        return _page(shell, request, "people/register.html")

    async def ask_to_register(request: Request, given: Given, party: RelyingParty) -> Response:
        if not (name := name_of(given)):
            return nameless(shell, request)
        return answer(await people.ask_to_register(party, name, None))

    async def enter_newly(request: Request, given: Given, party: RelyingParty) -> Response:
        if not (name := name_of(given)):
            return nameless(shell, request)
        browser = browser_of(shell, request, party)
        secret = await people.register(browser, credential_of(given), name, None)
        return signed_in(shell, answer({"next": f"{ACCOUNT}?done=register"}), secret)

    async def send(request: Request) -> Response:
        given = await fields(request)
        try:
            await people.send_link(
                given.get("mail", ""), shell.renderer.of(request).code, base_of(shell, request)
            )
        except BadAddress:
            wrong = Wrong("mail", words(shell, request, "address_of_mail"))
            return _page(shell, request, "people/register.html", 422, wrong=wrong, mail=given.get("mail", ""))
        return to(f"{SIGN_IN}/sent")

    async def sent(request: Request) -> Response:
        return shell.renderer.page(request, "people/sent.html")

    return [
        PermittedRoute(SIGN_IN, page, PUBLIC.name),
        PermittedRoute(SIGN_IN, step(shell, enter), PUBLIC.name, method="POST"),
        PermittedRoute(f"{SIGN_IN}/options", step(shell, ask), PUBLIC.name, method="POST"),
        PermittedRoute(f"{SIGN_IN}/link", send, PUBLIC.name, method="POST"),
        PermittedRoute(f"{SIGN_IN}/sent", sent, PUBLIC.name),
        PermittedRoute(SIGN_OUT, leave, PUBLIC.name, method="POST"),
        PermittedRoute(REGISTER, register, PUBLIC.name),
        PermittedRoute(REGISTER, step(shell, enter_newly), PUBLIC.name, method="POST"),
        PermittedRoute(f"{REGISTER}/options", step(shell, ask_to_register), PUBLIC.name, method="POST"),
    ]


def _page(shell: Shell, request: Request, template: str, status: int = 200, **values: object) -> Response:
    given = {"wrong": None, "mail": "", "mail_works": shell.people.mail.server is not None, **values}
    party = party_of(shell, request)
    return shell.renderer.page(
        request,
        template,
        status,
        party=party,
        open=shell.settings.open,
        provider=shell.settings.oidc_issuer,
        **given,
    )
