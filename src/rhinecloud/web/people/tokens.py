"""API tokens: one's own, for everybody with an account; all of them for who may manage tokens."""

from __future__ import annotations

from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.model.sight import Grant
from rhinecloud.people import PERMISSIONS, tokens
from rhinecloud.people.permissions import ACCOUNT, MANAGE_TOKENS
from rhinecloud.people.tokens import NotGranted, Wanted

from ..forms import fields
from ..operations.pages import done, form_number, to
from ..shell import Shell
from ..sight import PermittedRoute, actor_of
from .browsing import Wrong, own_session, words

PATH = "/tokens"
_DAYS = (7, 30, 90, 180, 365)


def routes(shell: Shell) -> list[BaseRoute]:
    """`/tokens`: make one, which is shown this once, and revoke."""
    people = shell.people

    async def index(request: Request) -> Response:
        return await _page(shell, request)

    async def change(request: Request) -> Response:
        session, actor, given = own_session(request), actor_of(request), await fields(request)
        if given.get("action") == "revoke":
            number = form_number(given.get("token"))
            async with people.transaction() as transaction:
                whose = None if actor.may(MANAGE_TOKENS) else session.account
                if await tokens.revoke(transaction.connection, number, whose) is None:
                    raise HTTPException(404)
                await transaction.audit(actor.id, "token.revoke", f"token:{number}", {})
            return to(PATH, done="revoke")
        organisation = given.get("organisation") or None
        wanted = Wanted(
            " ".join(given.get("name", "").split()),
            frozenset(name for name in tokens.givable(actor) if f"may.{name}" in given),
            form_number(organisation) if organisation else None,
            Grant(*(frozenset(given.get(part, "").split()) for part in ("types", "scopes", "attributes"))),
            timedelta(days=form_number(given.get("days"))),
        )
        try:
            tokens.check(wanted, actor)
            async with people.transaction() as transaction:
                number, secret = await tokens.make(transaction.connection, wanted, session.account)
                await transaction.audit(actor.id, "token.create", f"token:{number}", tokens.summary(wanted))
        except NotGranted as error:
            return await _page(
                shell,
                request,
                wrong=Wrong(error.reason, words(shell, request, f"token_{error.reason}")),
                name=wanted.name,
            )
        except LookupError as error:
            raise HTTPException(404) from error
        return await _page(shell, request, secret=secret)

    return [
        PermittedRoute(PATH, index, ACCOUNT.name),
        PermittedRoute(PATH, change, ACCOUNT.name, method="POST"),
    ]


async def _page(
    shell: Shell, request: Request, *, secret: str = "", wrong: Wrong | None = None, name: str = ""
) -> Response:
    session, actor = own_session(request), actor_of(request)
    whose = None if actor.may(MANAGE_TOKENS) else session.account
    own = {one.organisation: one.organisation_name for one in session.memberships}
    return shell.renderer.page(
        request,
        "people/tokens.html",
        422 if wrong else 200,
        tokens=await tokens.every(shell.people.room.pool, whose),
        texts={one.name: (one.german, one.english) for one in PERMISSIONS},
        givable=tokens.givable(actor),
        organisations=[("", "–"), *own.items()],
        days=[(str(number), number) for number in _DAYS],
        secret=secret,
        name=name,
        longest=tokens.LONGEST_NAME,
        wrong=wrong,
        done=done(request),
    )
