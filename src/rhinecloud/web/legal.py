"""The pages that the operator answers for by law, and where their texts are written: legal notice, privacy,
accessibility with its form, easy read."""

from __future__ import annotations

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.mail import BadAddress
from rhinecloud.people.feedback import LONGEST as LONGEST_REPORT
from rhinecloud.people.feedback import TooMany
from rhinecloud.people.legal import BY_KEY, LANGUAGES, LONGEST, PAGES, Legal, LegalPage, html
from rhinecloud.people.permissions import MANAGE_LEGAL, PUBLIC
from rhinecloud.people.register import GROUNDS

from .forms import fields
from .navigation import Entry
from .operations.pages import PAGE, done, form_number, to, whole
from .shell import Shell
from .sight import PermittedRoute, actor_of

PATH = "/legal"
FORM = BY_KEY["accessibility"].path
_LONGEST_PLACE = 200


def routes(shell: Shell) -> list[BaseRoute]:
    """The pages for everybody, and `/legal` for who writes them."""
    legal = Legal(shell.people, shell.settings.city_name)
    shell.navigation.add(
        Entry(PATH, ("Rechtliche Seiten", "Legal pages"), MANAGE_LEGAL.name, "administration", 40)
    )

    def page_of(page: LegalPage) -> PermittedRoute:
        async def show(request: Request) -> Response:
            return await _show(shell, legal, request, page)

        return PermittedRoute(page.path, show, PUBLIC.name)

    async def report(request: Request) -> Response:
        given = await fields(request)
        message, mail = given.get("message", "").strip(), given.get("mail", "").strip()
        about = given.get("about", "").strip()
        wrong = ""
        if not message:
            wrong = "message"
        elif len(message) > LONGEST_REPORT or len(about) > _LONGEST_PLACE or not about.isprintable():
            wrong = "long"
        if not wrong:
            try:
                await shell.feedback.take(
                    about or "/", message.replace("\x00", ""), mail or None, shell.renderer.of(request).code
                )
                return to(FORM + "?done=report#melden")
            except BadAddress:
                wrong = "mail"
            except TooMany:
                wrong = "many"
        page = BY_KEY["accessibility"]
        return await _show(
            shell, legal, request, page, wrong, {"about": about, "message": message, "mail": mail}
        )

    async def index(request: Request) -> Response:
        before = whole(request.query_params.get("before"), 2**62) or None
        found = await shell.feedback.page(before, PAGE + 1)
        texts = {(page.key, code): await legal.text(page.key, code) for page in PAGES for code in LANGUAGES}
        return shell.renderer.page(
            request,
            "legal/index.html",
            pages=PAGES,
            texts=texts,
            reports=found[:PAGE],
            after=f"{PATH}?before={found[PAGE - 1].id}" if len(found) > PAGE else None,
            contact=shell.settings.contact_mail,
            done=done(request),
        )

    async def answered(request: Request) -> Response:
        report = form_number((await fields(request)).get("report"))
        await shell.feedback.answered(report, actor_of(request).id)
        return to(PATH, done="answered")

    async def edit(request: Request) -> Response:
        page, code = _page_of(request)
        text = await legal.text(page.key, code)
        wanted = whole(request.query_params.get("version"), 2**62)
        versions = await legal.versions(page.key, code)
        if "version" in request.query_params:
            text = next((one for one in versions if one.id == wanted), text)
        return _editor(shell, request, page, code, text.body, versions=versions)

    async def save(request: Request) -> Response:
        page, code = _page_of(request)
        given = await fields(request)
        body = given.get("body", "").strip().replace("\x00", "") + "\n"
        versions = await legal.versions(page.key, code)
        if not body.strip() or len(body) > LONGEST:
            return _editor(shell, request, page, code, body, versions=versions, wrong=True)
        if given.get("action") != "save":
            return _editor(shell, request, page, code, body, versions=versions, preview=True)
        async with shell.people.transaction() as transaction:
            actor = actor_of(request).id
            version = await legal.write(transaction.connection, page.key, code, body, actor)
            await transaction.audit(actor, "legal.write", f"{page.key}.{code}", {"version": version})
        return to(PATH, done="saved")

    return [
        *(page_of(page) for page in PAGES),
        PermittedRoute(FORM, report, PUBLIC.name, method="POST"),
        PermittedRoute(PATH, index, MANAGE_LEGAL.name),
        PermittedRoute(f"{PATH}/~feedback", answered, MANAGE_LEGAL.name, method="POST"),
        PermittedRoute(f"{PATH}/{{key}}/{{language}}", edit, MANAGE_LEGAL.name),
        PermittedRoute(f"{PATH}/{{key}}/{{language}}", save, MANAGE_LEGAL.name, method="POST"),
    ]


async def _show(
    shell: Shell,
    legal: Legal,
    request: Request,
    page: LegalPage,
    wrong: str = "",
    given: dict[str, str] | None = None,
) -> Response:
    text = await legal.text(page.key, shell.renderer.of(request).code)
    return shell.renderer.page(
        request,
        "legal/page.html",
        {"": 200, "many": 429}.get(wrong, 422),
        page=page,
        body=Markup(html(text.body)),  # noqa: S704  # the library escapes all HTML of the text
        incomplete=bool(text.gaps),
        register=list(shell.rights.register.activities()) if page.key == "privacy" else [],
        grounds=GROUNDS,
        form=page.path == FORM,
        given=given
        or {"about": request.query_params.get("about", "")[:_LONGEST_PLACE], "message": "", "mail": ""},
        wrong=wrong,
        done=done(request),
    )


def _page_of(request: Request) -> tuple[LegalPage, str]:
    page, code = BY_KEY.get(request.path_params["key"]), request.path_params["language"]
    if page is None or code not in LANGUAGES:
        raise HTTPException(404)
    return page, code


def _editor(
    shell: Shell,
    request: Request,
    page: LegalPage,
    code: str,
    body: str,
    *,
    versions: list[object] | object,
    wrong: bool = False,
    preview: bool = False,
) -> Response:
    return shell.renderer.page(
        request,
        "legal/edit.html",
        422 if wrong else 200,
        page=page,
        code=code,
        body=body,
        versions=versions,
        wrong=wrong,
        preview=Markup(html(body)) if preview else None,  # noqa: S704  # likewise
    )
