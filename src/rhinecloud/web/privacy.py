"""A person's rights as pages: what is kept about me, for everybody with an account; for staff the record of processing
activities (Art. 30 GDPR) and requests of people without an account."""

from __future__ import annotations

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute

from rhinecloud.mail import BadAddress, address_of
from rhinecloud.people import Actor
from rhinecloud.people.answering import DECISIONS, Unanswerable
from rhinecloud.people.copies import Held
from rhinecloud.people.organisations import LastAdministrator
from rhinecloud.people.permissions import ACCOUNT as OWN
from rhinecloud.people.permissions import MANAGE_PRIVACY, PUBLIC
from rhinecloud.people.record import data_of, record, table
from rhinecloud.people.register import GROUNDS, Person, Table
from rhinecloud.people.requests import DECIDED, Decided

from .addresses import ACCOUNT
from .desk import Notice, counted
from .forms import fields
from .language import LANGUAGES, NAMES
from .navigation import Entry
from .operations.pages import PAGE, done, number, to, whole
from .people.browsing import own_session
from .shell import Shell
from .sight import PermittedRoute, actor_of

MINE = f"{ACCOUNT}/data"
PATH = "/privacy"
COPY = "/link/copy"  # as all addresses with a secret in them, so that guessing is slowed down
_SHOWN = 200  # rows of one kind on a page; a copy has them all
_LONGEST = 2_000  # characters of a field
_LARGEST = 5_000  # of what is put in another's place


def routes(shell: Shell) -> list[BaseRoute]:
    """`/account/data`, `/link/copy/{secret}` and `/privacy`."""
    shell.navigation.add(
        Entry(PATH, ("Personenbezogene Daten", "Personal data"), MANAGE_PRIVACY.name, "administration", 30)
    )

    async def waiting(city: object, actor: Actor) -> list[Notice]:
        found = await shell.rights.waiting()
        return counted(
            "look",
            found.count,
            found.since,
            (
                "Anfrage zu eigenen Daten wartet auf Antwort",
                "request about one's own data waits for an answer",
            ),
            (
                "Anfragen zu eigenen Daten warten auf Antwort",
                "requests about one's own data wait for an answer",
            ),
            PATH,
        )

    shell.desk.add("privacy", MANAGE_PRIVACY.name, waiting)

    # For everybody with an account

    async def mine(request: Request) -> Response:
        return await _mine(shell, request)

    async def copy_mine(request: Request) -> Response:
        account = own_session(request).account
        _, secret = await shell.rights.open(
            "export", await shell.rights.person(account), actor_of(request).id
        )
        return await _mine(shell, request, f"{COPY}/{secret}")

    async def correct_mine(request: Request) -> Response:
        person = await shell.rights.person(own_session(request).account)
        return to(MINE, done="corrected" if await _correct(shell, request, person) else "unchanged")

    async def ask(request: Request) -> Response:
        given = await fields(request)
        if (kind := _decided(given)) is None:
            raise HTTPException(400)
        if (words := _words(given)) is None:
            return to(MINE, done="wordless")
        person = await shell.rights.person(own_session(request).account)
        await shell.rights.ask(kind, person, actor_of(request).id, words)
        return to(MINE, done="asked")

    # For whoever has the link

    async def copy(request: Request) -> Response:
        valid, file = await shell.rights.copy(str(request.path_params["secret"]))
        if not valid:
            raise HTTPException(404)
        if file is None:
            return shell.renderer.page(request, "privacy/waiting.html", 202)
        return StreamingResponse(
            shell.rights.read(file),
            headers={
                "Content-Type": file.type,
                "Content-Length": str(file.size),
                "Content-Disposition": f'attachment; filename="{file.name}"',
                "Cache-Control": "no-store",
            },
        )

    # For staff

    async def index(request: Request) -> Response:
        before = whole(request.query_params.get("before"), 2**62) or None
        found = await shell.rights.requests(before, PAGE + 1)
        return shell.renderer.page(
            request,
            "privacy/index.html",
            register=list(shell.rights.register.activities()),
            grounds=GROUNDS,
            data_of=data_of,
            requests=found[:PAGE],
            after=f"{PATH}?before={found[PAGE - 1].id}" if len(found) > PAGE else None,
            given={},
            wrong="",
            done=done(request),
        )

    async def as_json(request: Request) -> Response:
        return JSONResponse({"activities": record(shell.rights.register)}, headers=_as_file("json"))

    async def as_csv(request: Request) -> Response:
        text = table(shell.rights.register, shell.renderer.of(request).code)
        return Response("\ufeff" + text, media_type="text/csv; charset=utf-8", headers=_as_file("csv"))

    async def open_request(request: Request) -> Response:
        given = await fields(request)
        person, wrong = _person(given)
        kind = given.get("kind", "")
        identity = given.get("identity", "").strip()
        decided, words = _decided(given), _words(given)
        if decided is None and kind not in ("access", "erasure"):
            raise HTTPException(400)
        if not wrong and decided is not None and words is None:
            wrong = "words"
        if not wrong and (not identity or len(identity) > _LONGEST):
            wrong = "identity"
        if wrong:
            return _new(shell, request, given, wrong)
        # An erasure is asked for on the page that shows what there is.
        actor = actor_of(request).id
        try:
            if decided is not None and words is not None:
                opened = await shell.rights.ask(decided, person, actor, words, identity)
            else:
                opened, _ = await shell.rights.open("access", person, actor, identity)
        except ValueError:
            return _new(shell, request, given, "several")
        return to(f"{PATH}/requests/{opened}")

    async def new_request(request: Request) -> Response:
        return _new(shell, request, {}, "")

    async def one(request: Request) -> Response:
        return await _request(shell, request)

    async def act(request: Request) -> Response:
        found = await shell.rights.request(number(request))
        if found is None or found.closed_at is not None:
            raise HTTPException(404)
        given, actor = await fields(request), actor_of(request).id
        action = given.get("action")
        if action == "export":
            _, secret = await shell.rights.open("export", found.person, actor, found.identity)
            return await _request(shell, request, f"{COPY}/{secret}")
        if action == "erase":
            try:
                await shell.rights.open("erasure", found.person, actor, found.identity)
            except LastAdministrator:
                return await _request(shell, request, status=409)
            await shell.rights.close(found.id, actor)
            return to(PATH, done="erasing")
        if action == "answer":
            return await _answer(shell, request, found.id, given)
        if action == "close":
            await shell.rights.close(found.id, actor)
            return to(PATH, done="closed")
        if action == "correct":
            changed = await _correct(shell, request, found.person)
            return to(f"{PATH}/requests/{found.id}", done="corrected" if changed else "unchanged")
        raise HTTPException(400)

    return [
        PermittedRoute(MINE, mine, OWN.name),
        PermittedRoute(f"{MINE}/copy", copy_mine, OWN.name, method="POST"),
        PermittedRoute(f"{MINE}/correct", correct_mine, OWN.name, method="POST"),
        PermittedRoute(f"{MINE}/ask", ask, OWN.name, method="POST"),
        PermittedRoute(f"{COPY}/{{secret}}", copy, PUBLIC.name),
        PermittedRoute(PATH, index, MANAGE_PRIVACY.name),
        PermittedRoute(f"{PATH}/record.json", as_json, MANAGE_PRIVACY.name),
        PermittedRoute(f"{PATH}/record.csv", as_csv, MANAGE_PRIVACY.name),
        PermittedRoute(f"{PATH}/requests/~new", new_request, MANAGE_PRIVACY.name),
        PermittedRoute(f"{PATH}/requests/~new", open_request, MANAGE_PRIVACY.name, method="POST"),
        PermittedRoute(f"{PATH}/requests/{{number}}", one, MANAGE_PRIVACY.name),
        PermittedRoute(f"{PATH}/requests/{{number}}", act, MANAGE_PRIVACY.name, method="POST"),
    ]


async def _mine(shell: Shell, request: Request, link: str = "") -> Response:
    person = await shell.rights.person(own_session(request).account)
    held = await shell.rights.held(person, _SHOWN)
    return shell.renderer.page(
        request,
        "privacy/mine.html",
        held=_shown(held),
        grounds=GROUNDS,
        limit=_SHOWN,
        action=f"{MINE}/correct",
        link=link,
        done=done(request),
    )


async def _answer(shell: Shell, request: Request, number: int, given: dict[str, str]) -> Response:
    decision = next((one for one in DECISIONS if one == given.get("decision")), None)
    language = given.get("language", "")
    if decision is None or language not in LANGUAGES:
        raise HTTPException(400)
    if (words := _words(given)) is None:
        return await _request(shell, request, status=422)
    try:
        await shell.rights.answer(number, decision, words, language, actor_of(request).id)
    except Unanswerable:
        raise HTTPException(409) from None
    return to(PATH, done="answered")


async def _request(shell: Shell, request: Request, link: str = "", *, status: int = 200) -> Response:
    found = await shell.rights.request(number(request))
    if found is None:
        raise HTTPException(404)
    held = await shell.rights.held(found.person, _SHOWN) if found.closed_at is None else []
    return shell.renderer.page(
        request,
        "privacy/request.html",
        status,
        one=found,
        held=_shown(held),
        grounds=GROUNDS,
        limit=_SHOWN,
        action=f"{PATH}/requests/{found.id}",
        link=shell.public_url(request) + link if link else "",
        addressee=await shell.rights.addressee(found) if found.kind in DECIDED else None,
        language_names=list(NAMES.items()),
        last=status == 409,
        wordless=status == 422,
        mail_works=shell.people.mail.server is not None,
        done=done(request),
    )


def _new(shell: Shell, request: Request, given: dict[str, str], wrong: str) -> Response:
    return shell.renderer.page(request, "privacy/new.html", 422 if wrong else 200, given=given, wrong=wrong)


class Shown(msgspec.Struct, frozen=True):
    """What a page shows of one holding: `columns` are names with their texts, `correctable` those that may be
    corrected."""

    held: Held
    columns: list[tuple[str, tuple[str, str]]]
    correctable: frozenset[str]


def _shown(held: list[Held]) -> list[Shown]:
    found = []
    for one in held:
        if not one.rows:
            continue
        holding = one.holding
        texts = {column.name: column.text for column in holding.columns} if isinstance(holding, Table) else {}
        correctable = (
            {c.name for c in holding.columns if c.correctable} if isinstance(holding, Table) else set()
        )
        names = list(dict.fromkeys(name for row in one.rows for name in row))
        found.append(
            Shown(one, [(name, texts.get(name, (name, name))) for name in names], frozenset(correctable))
        )
    return found


async def _correct(shell: Shell, request: Request, person: Person) -> int:
    given = await fields(request)
    new = given.get("new", "").strip().replace("\x00", "")
    if not new or len(new) > _LARGEST:
        return 0
    try:
        return await shell.rights.correct(
            person,
            given.get("table", ""),
            given.get("column", ""),
            given.get("old", ""),
            new,
            actor_of(request).id,
        )
    except LookupError:
        raise HTTPException(400) from None


def _decided(given: dict[str, str]) -> Decided | None:
    return next((kind for kind in DECIDED if kind == given.get("kind")), None)


def _words(given: dict[str, str]) -> str | None:
    """What somebody says about a request; None if they say nothing or too much."""
    words = given.get("words", "").strip().replace("\x00", "")
    return words if 0 < len(words) <= _LONGEST else None


def _person(given: dict[str, str]) -> tuple[Person, str]:
    """Whom a form of staff means, and the field that is wrong."""
    account = given.get("account", "").strip()
    if account and not (account.isascii() and account.isdigit() and len(account) < 18):
        return Person(), "account"
    try:
        mails = tuple(address_of(one) for one in given.get("mails", "").split())
    except BadAddress:
        return Person(), "mails"
    devices = tuple(given.get("devices", "").split())
    person = Person(int(account) if account else None, mails, devices)
    return person, "" if person.known else "mails"


def _as_file(kind: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="verarbeitungsverzeichnis.{kind}"',
        "Cache-Control": "no-store",
    }
