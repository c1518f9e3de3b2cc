"""Where links lead: an account is made or got back, an invitation taken up, an address proved."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.people import PUBLIC
from rhinecloud.people.accounts import MailTaken
from rhinecloud.people.links import Link
from rhinecloud.people.passkeys import RelyingParty
from rhinecloud.people.permissions import ACCOUNT as OWN_ACCOUNT
from rhinecloud.people.roles import ROLES
from rhinecloud.people.service import Gone

from ..addresses import ACCOUNT, sign_in
from ..operations.pages import printable, to
from ..shell import Shell
from ..sight import PermittedRoute
from .browsing import (
    Given,
    answer,
    browser_of,
    credential_of,
    name_of,
    nameless,
    own_session,
    party_of,
    session_of,
    signed_in,
    step,
    words,
)


def routes(shell: Shell) -> list[BaseRoute]:
    """`/link/<secret>`, also as `/first/<secret>`, and the questions of its island."""
    people = shell.people

    async def page(request: Request) -> Response:
        secret = printable(request, "secret")
        try:
            link = await people.link(secret, "register", "recover", "invite", "first", "address")
        except Gone:
            return shell.renderer.page(request, "people/gone.html", 410)
        return await _page(shell, request, link, secret)

    async def ask(request: Request, given: Given, party: RelyingParty) -> Response:
        secret = printable(request, "secret")
        link = await people.link(secret)
        if not (name := name_of(given)) and link.account is None:
            return nameless(shell, request)
        return answer(await people.ask_to_register(party, name, secret))

    async def enter(request: Request, given: Given, party: RelyingParty) -> Response:
        secret = printable(request, "secret")
        link = await people.link(secret)
        if not (name := name_of(given)) and link.account is None:
            return nameless(shell, request)
        browser = browser_of(shell, request, party)
        session = await people.register(browser, credential_of(given), name, secret)
        return signed_in(shell, answer({"next": f"{ACCOUNT}?done={link.purpose}"}), session)

    async def accept(request: Request) -> Response:
        secret = printable(request, "secret")
        session = own_session(request)
        try:
            link = await people.link(secret, "invite", "first", "address")
            if link.purpose == "address":
                await people.prove_mail(session.account, secret)
            else:
                await people.accept(session.account, secret)
        except Gone:
            return shell.renderer.page(request, "people/gone.html", 410)
        except MailTaken:
            return await _page(shell, request, link, secret, words(shell, request, "mail"))
        return to(ACCOUNT, done=link.purpose)

    return [
        PermittedRoute("/first/{secret}", page, PUBLIC.name),
        PermittedRoute("/link/{secret}", page, PUBLIC.name),
        PermittedRoute("/link/{secret}", step(shell, enter), PUBLIC.name, method="POST"),
        PermittedRoute("/link/{secret}/options", step(shell, ask), PUBLIC.name, method="POST"),
        PermittedRoute("/link/{secret}/accept", accept, OWN_ACCOUNT.name, method="POST"),
    ]


async def _page(
    shell: Shell, request: Request, link: Link, secret: str, wrong: str | None = None
) -> Response:
    account = await shell.people.account(link.account) if link.account is not None else None
    if link.purpose == "recover" and account is None:
        return shell.renderer.page(request, "people/gone.html", 410)
    return shell.renderer.page(
        request,
        "people/link.html",
        409 if wrong else 200,
        link=link,
        secret=secret,
        account=account,
        role=ROLES.get(link.role or ""),
        session=session_of(request),
        party=party_of(shell, request),
        open=shell.settings.open,
        sign_in=sign_in(f"/link/{secret}"),
        wrong=wrong,
    )
