"""What is published to whom: looking at it, trying what the public would see, publishing, withdrawing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.broker import Query
from rhinecloud.model.sight import EVERYTHING, Grant, Sight
from rhinecloud.people.policy import ANYONE, SIGNED_IN, NotPublishable, Publication, check
from rhinecloud.people.roles import ROLES

from .forms import fields
from .language import zone
from .names import short
from .object_pages import details
from .operations.pages import done, number, to
from .shell import Shell
from .sight import PermittedRoute, actor_of

PATH = "/publishing"
_PERMISSION = "publishing.manage"


class Wish(msgspec.Struct, frozen=True):
    """What somebody thinks of publishing; `until` is the last day, in the city's time."""

    audience: str = ANYONE
    type: str = ""
    attributes: tuple[str, ...] = ()
    scopes: str = ""
    until: str = ""

    @property
    def grant(self) -> Grant:
        """What it gives."""
        types = frozenset([self.type] if self.type else [])
        return Grant(types, frozenset(self.scopes.split()), frozenset(self.attributes))


def routes(shell: Shell) -> list[BaseRoute]:
    """`/publishing` and what belongs to it."""

    async def index(request: Request) -> Response:
        found = [(one, await _count(shell, one)) for one in await shell.policy.publications()]
        names = await _audiences(shell, request)
        return shell.renderer.page(
            request, "publishing/index.html", publications=found, audiences=names, done=done(request)
        )

    async def new(request: Request) -> Response:
        given = request.query_params
        wish = Wish(
            given.get("audience", ANYONE),
            given.get("type", ""),
            tuple(given.getlist("attribute")),
            given.get("scopes", ""),
            given.get("until", ""),
        )
        return await _form(shell, request, wish)

    async def publish(request: Request) -> Response:
        given = await fields(request)
        wish = Wish(
            given.get("audience", ""),
            given.get("type", ""),
            tuple(given.get("attributes", "").split()),
            given.get("scopes", ""),
            given.get("until", ""),
        )
        if _problem(shell, wish) is not None:
            return await _form(shell, request, wish, 422)
        async with shell.people.transaction() as transaction:
            await shell.policy.publish(
                transaction, actor_of(request).id, wish.audience, wish.grant, _end(shell, wish)
            )
        await shell.policy.told()
        return to(PATH, done="published")

    async def withdraw(request: Request) -> Response:
        if (await fields(request)).get("action") != "withdraw":
            raise HTTPException(400)
        async with shell.people.transaction() as transaction:
            if not await shell.policy.withdraw(transaction, actor_of(request).id, number(request)):
                raise HTTPException(404)
        await shell.policy.told()
        return to(PATH, done="withdrawn")

    return [
        PermittedRoute(PATH, index, _PERMISSION),
        PermittedRoute(PATH, publish, _PERMISSION, method="POST"),
        PermittedRoute(f"{PATH}/~new", new, _PERMISSION),
        PermittedRoute(f"{PATH}/{{number}}", withdraw, _PERMISSION, method="POST"),
    ]


async def _form(shell: Shell, request: Request, wish: Wish, status: int = 200) -> Response:
    """The form, and beneath it what would be seen, once it says what."""
    types = sorted((short(iri), iri) for iri, _ in await shell.broker.types(sight=EVERYTHING))
    info = await shell.broker.type_info(wish.type, sight=EVERYTHING) if wish.type else None
    problem = _problem(shell, wish) if wish.type or wish.scopes.strip() else "empty"
    preview = None
    if problem is None:
        sight = Sight((wish.grant,))
        page = await shell.broker.query(Query(limit=1, count=True), sight=sight)
        example = details(page.entities[0]) if page.entities else None
        preview = {"count": page.count or 0, "example": example}
    return shell.renderer.page(
        request,
        "publishing/new.html",
        status,
        wish=wish,
        types=types,
        attributes=sorted((short(iri), iri) for iri in info.kinds) if info else [],
        audiences=await _audiences(shell, request),
        problem=problem,
        preview=preview,
    )


async def _count(shell: Shell, publication: Publication) -> int:
    page = await shell.broker.query(Query(limit=0, count=True), sight=Sight((publication.grant,)))
    return page.count or 0


async def _audiences(shell: Shell, request: Request) -> dict[str, str]:
    """Audiences in words."""
    spoken = shell.renderer.of(request)
    found = {ANYONE: spoken.gettext("everybody"), SIGNED_IN: spoken.gettext("everybody who is signed in")}
    for organisation in await shell.people.organisations():
        found[f"organisation:{organisation.id}"] = organisation.name
    return found | {f"role:{role.name}": spoken.pick(role.label) for role in ROLES.values()}


def _problem(shell: Shell, wish: Wish) -> str | None:
    """Why it cannot be published: `empty`, `past`, or `wrong` for what no form of ours sends."""
    if not wish.grant.types and not wish.grant.scopes:
        return "empty"
    try:
        end = _end(shell, wish)
        if end is not None and end <= datetime.now(UTC):
            return "past"
        check(wish.audience, wish.grant, end)
    except (NotPublishable, ValueError, OverflowError):
        return "wrong"
    return None


def _end(shell: Shell, wish: Wish) -> datetime | None:
    """The end of the last day. Raises ValueError."""
    if not wish.until:
        return None
    following: date = date.fromisoformat(wish.until) + timedelta(days=1)
    return datetime.combine(following, time(), zone(shell.settings.time_zone)).astimezone(UTC)
