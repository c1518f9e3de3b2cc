"""The start page: what the city's cloud is right now, and what whoever looks after it should look at."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.model.sight import Sight
from rhinecloud.people.permissions import SEE_HEALTH

from . import language as languages
from . import layers
from .health import summary
from .live import Channel, Fragment, StreamRoute
from .names import short
from .shell import Shell
from .sight import PermittedRoute, actor_of, sight_of

_SHOWN_TYPES = 8
_DESK_EVERY = 10.0  # seconds between two looks while somebody looks
# Types of the Smart Data Models that have no look of their own on the map: German, English.
_NAMES = {
    "AirQualityObserved": ("Luftqualität", "Air quality"),
    "OffStreetParking": ("Parkhäuser", "Car parks"),
    "StreetlightGroup": ("Laternengruppen", "Groups of street lights"),
    "WaterObserved": ("Gewässer", "Waters"),
}


class TypeCount(msgspec.Struct, frozen=True):
    """A type of objects and how many there are; `label` is its name in a language, else its term."""

    iri: str
    term: str
    label: tuple[str, str]
    count: int


async def figures(shell: Shell, sight: Sight, *, engines: bool) -> dict[str, Any]:
    """What the page's live part shows; with `engines` how these are."""
    tally = await shell.follower.ready(sight)
    counts, seconds = tally.counts(), tally.per_second()
    labels = {**_NAMES, **{layer.type: layer.label for layer in layers.named()}}
    types = [TypeCount(iri, short(iri), labels.get(short(iri), (short(iri),) * 2), n) for iri, n in counts]
    return {
        "types": types[:_SHOWN_TYPES],
        "more": max(0, len(types) - _SHOWN_TYPES),
        "total": sum(n for _, n in counts),
        "seconds": seconds,
        "peak": max(10, *seconds),
        "rate": sum(seconds[-10:]) / 10,
        "health": await summary(shell) if engines else None,
    }


def routes(shell: Shell) -> list[BaseRoute]:
    """`/` and its live part."""

    async def page(request: Request) -> Response:
        actor = actor_of(request)
        desk = await shell.desk.notices(shell.city, actor) if shell.desk.has_something_for(actor) else None
        return shell.renderer.page(
            request,
            "start.html",
            desk=desk,
            **await figures(shell, sight_of(request), engines=actor.may(SEE_HEALTH)),
        )

    def desk_channel(request: Request) -> Channel:
        code, actor = languages.choose(request), actor_of(request)
        # Who asks is in the key: another may be shown something else.
        key = f"desk:{code}:{actor.id}:{hash(actor.permissions)}"

        async def render() -> str:
            shell.live.notify_later(key, _DESK_EVERY)
            found = await shell.desk.notices(shell.city, actor)
            return shell.renderer.part("parts/desk.html", code, desk=found)

        return shell.live.channel(sight_of(request), key, lambda: Fragment(render), rate=1.0)

    def channel(request: Request) -> Channel:
        code, sight = languages.choose(request), sight_of(request)
        engines = actor_of(request).may(SEE_HEALTH)
        key = f"start:{code}:{engines}"

        async def render() -> str:
            shell.live.notify_later(key, 1.0)  # the rate changes by itself
            return shell.renderer.part(
                "parts/figures.html", code, **await figures(shell, sight, engines=engines)
            )

        return shell.live.channel(sight, key, lambda: Fragment(render), rate=1.0)

    return [
        PermittedRoute("/", page, "public"),
        StreamRoute("/live/start", shell.live, channel, "public"),
        StreamRoute("/live/desk", shell.live, desk_channel, "public"),
    ]
