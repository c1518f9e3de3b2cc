"""People and organisations, for whoever may manage them: who is here, with which roles, who is invited."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.mail import BadAddress
from rhinecloud.people.organisations import LONGEST_NAME, NameTaken
from rhinecloud.people.permissions import MANAGE_PEOPLE
from rhinecloud.people.roles import MEMBER, ROLES
from rhinecloud.people.service import Gone, LastAdministrator

from ..addresses import PEOPLE as PATH
from ..forms import fields
from ..operations.pages import PAGE, done, form_number, number, paging, to, whole
from ..shell import Shell
from ..sight import PermittedRoute, actor_of
from .browsing import Wrong, base_of, name_of, party_of, session_of, words

_LONGEST_SEARCH = 100


def routes(shell: Shell) -> list[BaseRoute]:
    """`/people`, the page of a person, of an organisation, and of an invitation."""
    people = shell.people

    async def index(request: Request) -> Response:
        return await _index(shell, request)

    async def one(request: Request) -> Response:
        return await _person(shell, request)

    async def change_one(request: Request) -> Response:
        account, given, actor = number(request), await fields(request), actor_of(request).id
        action = given.get("action", "")
        try:
            if action in ("block", "unblock"):
                await people.block(account, actor, blocked=action == "block")
            elif action == "give":
                await people.give_role(
                    account, form_number(given.get("organisation")), given.get("role", ""), actor
                )
            elif action == "take":
                organisation = form_number(given.get("organisation"))
                await people.take_role(account, organisation, given.get("role", ""), actor)
            elif action == "link":
                link = f"{base_of(shell, request)}/link/{await people.recovery_link(account, actor)}"
                return await _person(shell, request, link=link)
            else:
                raise HTTPException(400)
        except LastAdministrator:
            return await _person(shell, request, words(shell, request, "last"))
        except (LookupError, Gone) as error:
            raise HTTPException(404) from error
        except ValueError as error:
            raise HTTPException(400) from error
        return to(f"{PATH}/{account}", done=action)

    async def add_organisation(request: Request) -> Response:
        given = await fields(request)
        if not (name := name_of(given, LONGEST_NAME)):
            return await _index(shell, request, Wrong("name", words(shell, request, "name")))
        try:
            await people.make_organisation(name, actor_of(request).id)
        except NameTaken:
            return await _index(shell, request, Wrong("name", words(shell, request, "taken")))
        return to(PATH, done="organisation")

    async def organisation(request: Request) -> Response:
        return await _organisation(shell, request)

    async def change_organisation(request: Request) -> Response:
        which, given, actor = number(request), await fields(request), actor_of(request).id
        if given.get("action") == "remove":
            try:
                await people.remove_organisation(which, actor)
            except LastAdministrator:
                return await _organisation(shell, request, told=words(shell, request, "last"))
            return to(PATH, done="remove")
        if not (name := name_of(given, LONGEST_NAME)):
            return await _organisation(shell, request, Wrong("name", words(shell, request, "name")))
        try:
            if not await people.rename_organisation(which, name, actor):
                raise HTTPException(404)
        except NameTaken:
            return await _organisation(shell, request, Wrong("name", words(shell, request, "taken")))
        return to(f"{PATH}/~organisations/{which}", done="rename")

    async def invitation(request: Request) -> Response:
        return await _invitation(shell, request)

    async def invite(request: Request) -> Response:
        given = await fields(request)
        mail = given.get("mail", "").strip() or None
        base = base_of(shell, request)
        language = shell.renderer.of(request).code
        try:
            secret = await people.invite(
                form_number(given.get("organisation")),
                given.get("role", ""),
                mail,
                actor_of(request).id,
                language,
                base,
            )
        except BadAddress:
            wrong = Wrong("mail", words(shell, request, "address_of_mail"))
            return await _invitation(shell, request, given, wrong)
        except ValueError as error:
            raise HTTPException(400) from error
        except Gone as error:
            raise HTTPException(404) from error
        if secret is None:
            return to(PATH, done="invite")
        return await _invitation(shell, request, given, link=f"{base}/link/{secret}")

    async def withdraw(request: Request) -> Response:
        given = await fields(request)
        await people.withdraw(form_number(given.get("invitation")), actor_of(request).id)
        return to(PATH, done="withdraw")

    name = MANAGE_PEOPLE.name
    return [
        PermittedRoute(PATH, index, name),
        PermittedRoute(f"{PATH}/~organisations", add_organisation, name, method="POST"),
        PermittedRoute(f"{PATH}/~organisations/{{number}}", organisation, name),
        PermittedRoute(f"{PATH}/~organisations/{{number}}", change_organisation, name, method="POST"),
        PermittedRoute(f"{PATH}/~invite", invitation, name),
        PermittedRoute(f"{PATH}/~invite", invite, name, method="POST"),
        PermittedRoute(f"{PATH}/~withdraw", withdraw, name, method="POST"),
        PermittedRoute(f"{PATH}/{{number}}", one, name),
        PermittedRoute(f"{PATH}/{{number}}", change_one, name, method="POST"),
    ]


async def _index(shell: Shell, request: Request, wrong: Wrong | None = None) -> Response:
    params = request.query_params
    search = " ".join(params.get("search", "").replace("\0", "").split())[:_LONGEST_SEARCH]
    organisation = whole(params.get("organisation"), most=2**62) or None
    offset = whole(params.get("offset"))
    found, total = await shell.people.page(search, organisation, offset, PAGE)
    return shell.renderer.page(
        request,
        "people/people.html",
        422 if wrong else 200,
        people=found,
        paging=paging(PATH, offset, len(found), total, search=search, organisation=str(organisation or "")),
        total=total,
        search=search,
        wanted=organisation or "",
        filtered=bool(search or organisation),
        organisations=await shell.people.organisations(),
        invitations=await shell.people.invitations(),
        roles=ROLES,
        has_provider=shell.people.has_provider,
        wrong=wrong,
        done=done(request),
    )


async def _person(
    shell: Shell, request: Request, told: str | None = None, link: str | None = None
) -> Response:
    account = await shell.people.account(number(request))
    if account is None:
        raise HTTPException(404)
    session = session_of(request)
    return shell.renderer.page(
        request,
        "people/person.html",
        409 if told else 200,
        account=account,
        organisations=await shell.people.organisations(),
        roles=ROLES,
        member=MEMBER.name,
        own=session is not None and session.account == account.id,
        party=party_of(shell, request),
        told=told,
        link=link,
        done=done(request),
    )


async def _organisation(
    shell: Shell, request: Request, wrong: Wrong | None = None, told: str | None = None
) -> Response:
    organisation = await shell.people.organisation(number(request))
    if organisation is None:
        raise HTTPException(404)
    return shell.renderer.page(
        request,
        "people/organisation.html",
        422 if wrong else 409 if told else 200,
        organisation=organisation,
        listing=f"{PATH}?{urlencode({'organisation': organisation.id})}",
        wrong=wrong,
        told=told,
        done=done(request),
    )


async def _invitation(
    shell: Shell,
    request: Request,
    given: dict[str, str] | None = None,
    wrong: Wrong | None = None,
    link: str | None = None,
) -> Response:
    return shell.renderer.page(
        request,
        "people/invite.html",
        422 if wrong else 200,
        organisations=await shell.people.organisations(),
        roles=ROLES,
        given=given or {"role": MEMBER.name, **request.query_params},
        mail_works=shell.people.mail.server is not None,
        party=party_of(shell, request),
        open=shell.settings.open,
        wrong=wrong,
        link=link,
    )
