"""What came in and could not be mapped: in groups and one by one, tried again when a profile is mended, discarded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.gateways.profiles import Kind
from rhinecloud.gateways.unmapped import Replayed

from .. import language as languages
from ..forms import fields
from ..live import Channel, Fragment, StreamRoute
from ..shell import Shell
from ..sight import PermittedRoute, actor_of, sight_of
from .pages import PAGE, done, number, to, whole
from .payloads import readable

PATH = "/unmapped"
_EVERY = 3.0  # seconds between two looks while somebody looks
FILTERS = ("kind", "profile", "topic", "device")
_MOST_DISCARDED = 1_000  # messages in one step


def query(choice: dict[str, str], **more: str) -> str:
    """A choice of kept messages in an address."""
    return urlencode({**choice, **more})


def routes(shell: Shell) -> list[BaseRoute]:
    """`/unmapped`, its lists, and the page of one message."""

    async def index(request: Request) -> Response:
        groups = await shell.unmapped.groups()
        return shell.renderer.page(
            request, "operations/unmapped.html", groups=groups, outcome=_outcome(request), done=done(request)
        )

    def channel(request: Request) -> Channel:
        code = languages.choose(request)
        key = f"unmapped:{code}"

        async def render() -> str:
            shell.live.notify_later(key, _EVERY)
            groups = await shell.unmapped.groups()
            return shell.renderer.part("operations/parts/unmapped.html", code, groups=groups)

        return shell.live.channel(sight_of(request), key, lambda: Fragment(render), rate=0.5)

    async def messages(request: Request) -> Response:
        choice = _choice(request.query_params)
        before = whole(request.query_params.get("before"), 2**62) or None
        found = await shell.unmapped.page(
            **choice,
            before=before,
            limit=PAGE + 1,
        )
        shown = found[:PAGE]
        return shell.renderer.page(
            request,
            "operations/unmapped_messages.html",
            choice=choice,
            messages=shown,
            first=f"{PATH}/messages?{query(choice)}" if before else None,
            after=f"{PATH}/messages?{query(choice, before=str(shown[-1].id))}" if len(found) > PAGE else None,
            outcome=_outcome(request),
            done=done(request),
        )

    async def page(request: Request) -> Response:
        kept = await shell.unmapped.get(number(request))
        if kept is None:
            return shell.renderer.page(request, "operations/unmapped_gone.html", 404)
        return shell.renderer.page(
            request,
            "operations/unmapped_message.html",
            kept=kept,
            payload=readable(kept.payload),
            outcome=_outcome(request),
            done=done(request),
        )

    async def act(request: Request) -> Response:
        """Try again or discard one message."""
        given = await fields(request)
        chosen = number(request)
        actor = actor_of(request).id
        if given.get("action") == "discard":
            await shell.unmapped.discard([chosen], actor)
            return to(PATH, done="discard", mapped="1")
        outcome = await shell.unmapped.replay([chosen], clock=_clock(given), actor=actor)
        if outcome.mapped:
            return to(PATH, done="replay", **_counts(outcome))
        return to(f"{PATH}/{chosen}", done="replay", **_counts(outcome))

    async def act_many(request: Request) -> Response:
        """The same with all that a choice means."""
        given = await fields(request)
        choice = _choice(given)
        actor = actor_of(request).id
        if given.get("action") == "discard":
            gone = await _discard(shell, choice, actor)
            return to(PATH, done="discard", mapped=str(gone))
        outcome = await shell.unmapped.replay(
            **choice,
            clock=_clock(given),
            actor=actor,
        )
        return to(PATH, done="replay", **_counts(outcome))

    return [
        PermittedRoute(PATH, index, "unmapped.see"),
        PermittedRoute(PATH, act_many, "unmapped.manage", method="POST"),
        StreamRoute("/live/unmapped", shell.live, channel, "unmapped.see"),
        PermittedRoute(f"{PATH}/messages", messages, "unmapped.see"),
        PermittedRoute(f"{PATH}/{{number}}", page, "unmapped.see"),
        PermittedRoute(f"{PATH}/{{number}}", act, "unmapped.manage", method="POST"),
    ]


async def _discard(shell: Shell, choice: dict[str, Any], actor: str) -> int:
    """Discard all that there is now; what comes meanwhile stays."""
    gone = 0
    before: int | None = None
    while True:
        found = await shell.unmapped.page(
            **choice,
            before=before,
            limit=_MOST_DISCARDED,
        )
        if not found:
            return gone
        before = found[-1].id
        gone += await shell.unmapped.discard([one.id for one in found], actor)


def _choice(given: Mapping[str, str]) -> dict[str, Any]:
    """Which kept messages are meant. Raises HTTPException 400."""
    choice = {name: given[name] for name in FILTERS if name in given}
    if choice.get("kind") not in (None, *get_args(Kind)) or not all(
        one.isprintable() for one in choice.values()
    ):
        raise HTTPException(400)
    return choice


def _clock(given: dict[str, str]) -> Literal["device", "arrival"]:
    return "arrival" if given.get("clock") == "arrival" else "device"


def _counts(outcome: Replayed) -> dict[str, str]:
    return {"mapped": str(outcome.mapped), "still": str(outcome.still)}


def _outcome(request: Request) -> Replayed:
    params = request.query_params
    return Replayed(whole(params.get("mapped")), whole(params.get("still")))
