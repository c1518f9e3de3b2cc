"""One's own account: name, address, passkeys, sessions, the end of it."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from rhinecloud.mail import BadAddress
from rhinecloud.people.passkeys import RelyingParty
from rhinecloud.people.permissions import ACCOUNT as PERMISSION
from rhinecloud.people.roles import ROLES
from rhinecloud.people.service import LastAdministrator, person

from ..addresses import ACCOUNT as PATH
from ..addresses import SIGN_IN
from ..forms import fields
from ..language import LANGUAGES, NAMES
from ..operations.pages import done, form_number, number, to
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
    own_session,
    party_of,
    signed_out,
    step,
    words,
)

_LONGEST_PASSKEY = 60


def routes(shell: Shell) -> list[BaseRoute]:
    """`/account` and its forms."""
    people = shell.people

    async def page(request: Request) -> Response:
        return await _page(shell, request)

    async def change(request: Request) -> Response:
        session, given = own_session(request), await fields(request)
        if not (name := name_of(given)):
            return await _page(shell, request, Wrong("name", words(shell, request, "name")))
        language = given.get("language", "")
        await people.change(
            session.account, name, language if language in LANGUAGES else shell.renderer.of(request).code
        )
        return to(PATH, done="change")

    async def change_mail(request: Request) -> Response:
        session, given = own_session(request), await fields(request)
        if not people.is_fresh(session):
            return _again()
        try:
            await people.ask_for_mail(
                session.account,
                given.get("mail", ""),
                shell.renderer.of(request).code,
                base_of(shell, request),
            )
        except BadAddress:
            wrong = Wrong("mail", words(shell, request, "address_of_mail"))
            return await _page(shell, request, wrong)
        return to(PATH, done="mail")

    async def ask(request: Request, given: Given, party: RelyingParty) -> Response:
        session = own_session(request)
        if not people.is_fresh(session):
            return answer({"error": words(shell, request, "again")}, 403)
        return answer(await people.ask_for_passkey(party, session.account))

    async def add(request: Request, given: Given, party: RelyingParty) -> Response:
        session = own_session(request)
        if not people.is_fresh(session):
            return answer({"error": words(shell, request, "again")}, 403)
        name = name_of(given, _LONGEST_PASSKEY)
        await people.add_passkey(
            browser_of(shell, request, party), session.account, credential_of(given), name
        )
        return answer({"next": f"{PATH}?done=passkey"})

    async def change_passkey(request: Request) -> Response:
        session, given = own_session(request), await fields(request)
        passkey = number(request)
        if given.get("action") == "remove":
            if not people.is_fresh(session):
                return _again()
            removed = await people.remove_passkey(session.account, passkey)
            return to(PATH, done="remove" if removed else "kept")
        if name := name_of(given, _LONGEST_PASSKEY):
            await people.rename_passkey(session.account, passkey, name)
        return to(PATH, done="rename")

    async def end_sessions(request: Request) -> Response:
        session, given = own_session(request), await fields(request)
        if given.get("action") == "others":
            await people.end_other_sessions(session.account, session.id)
        else:
            await people.end_session(session.account, form_number(given.get("session")))
        return to(PATH, done="end")

    async def delete(request: Request) -> Response:
        session = own_session(request)
        if not people.is_fresh(session):
            return _again()
        try:
            await people.delete(session.account, person(session.account))
        except LastAdministrator:
            return await _page(shell, request, Wrong("delete", ""))
        return signed_out(shell, to(f"{PATH}/~gone"))

    async def gone(request: Request) -> Response:
        return shell.renderer.page(request, "people/deleted.html")

    return [
        PermittedRoute(PATH, page, PERMISSION.name),
        PermittedRoute(PATH, change, PERMISSION.name, method="POST"),
        PermittedRoute(f"{PATH}/mail", change_mail, PERMISSION.name, method="POST"),
        PermittedRoute(f"{PATH}/passkeys", step(shell, add), PERMISSION.name, method="POST"),
        PermittedRoute(f"{PATH}/passkeys/options", step(shell, ask), PERMISSION.name, method="POST"),
        PermittedRoute(f"{PATH}/passkeys/{{number}}", change_passkey, PERMISSION.name, method="POST"),
        PermittedRoute(f"{PATH}/sessions", end_sessions, PERMISSION.name, method="POST"),
        PermittedRoute(f"{PATH}/delete", delete, PERMISSION.name, method="POST"),
        PermittedRoute(f"{PATH}/~gone", gone, "public"),
    ]


async def _page(shell: Shell, request: Request, wrong: Wrong | None = None) -> Response:
    session = own_session(request)
    account = await shell.people.account(session.account)
    if account is None:
        return RedirectResponse(SIGN_IN, 303)
    return shell.renderer.page(
        request,
        "people/account.html",
        422 if wrong else 200,
        account=account,
        session=session,
        has_provider=shell.people.has_provider(account),
        passkeys=await shell.people.passkeys(account.id),
        sessions=await shell.people.sessions.of(account.id),
        roles=ROLES,
        fresh=shell.people.is_fresh(session),
        party=party_of(shell, request),
        open=shell.settings.open,
        mail_works=shell.people.mail.server is not None,
        language_names=list(NAMES.items()),
        now=datetime.now(UTC),
        wrong=wrong,
        done=done(request),
    )


def _again() -> Response:
    return to(SIGN_IN, next=PATH, again="1")
