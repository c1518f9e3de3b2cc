"""Messages that could not be mapped: seen, replayed, discarded."""

from __future__ import annotations

from typing import cast, get_args

import msgspec

from rhinecloud.gateways.profiles import Kind
from rhinecloud.model import BadRequestData, ResourceNotFound
from rhinecloud.people.permissions import MANAGE_UNMAPPED, SEE_UNMAPPED

from . import views
from .exchange import Answer, Request
from .route import NEWEST_FIRST, Parameter, Route, Services
from .views import view_kept

_KINDS: tuple[str, ...] = get_args(Kind)


async def list_groups(services: Services, request: Request) -> Answer:
    """GET /unmapped/groups."""
    items = [views.GroupView(**msgspec.structs.asdict(group)) for group in await services.unmapped.groups()]
    return Answer(200, views.GroupViews(items))


async def list_unmapped(services: Services, request: Request) -> Answer:
    """GET /unmapped."""
    kind = request.optional("kind")
    if kind is not None and kind not in _KINDS:
        raise BadRequestData(f"kind is one of {', '.join(_KINDS)}", field="kind")
    limit = request.limit()
    found = await services.unmapped.page(
        kind=cast(Kind | None, kind),
        profile=request.optional("profile"),
        topic=request.optional("topic"),
        device=request.optional("device"),
        before=request.number("before", None),
        limit=limit + 1,
    )
    items = [view_kept(kept) for kept in found[:limit]]
    return Answer(200, views.KeptViews(items, items[-1].id if len(found) > limit else None))


async def get_unmapped(services: Services, request: Request) -> Answer:
    """GET /unmapped/{number}."""
    text = request.arguments["number"]
    kept = None
    if text.isascii() and text.isdigit() and len(text) <= 18:
        kept = await services.unmapped.get(int(text))
    if kept is None:
        raise ResourceNotFound(f"no message {text:.40} is kept")
    return Answer(200, view_kept(kept))


async def replay_unmapped(services: Services, request: Request) -> Answer:
    """POST /unmapped/replay."""
    asked = request.document(views.Replay)
    chosen = (asked.ids, asked.kind, asked.profile, asked.topic, asked.device)
    if all(one is None for one in chosen) and not asked.all:
        raise BadRequestData(
            "say which messages: ids, a kind, profile, topic or device, or all", field="/ids"
        )
    if asked.ids == []:
        return Answer(200, views.ReplayedView(0, 0))
    replayed = await services.unmapped.replay(
        asked.ids or (),
        kind=asked.kind,
        profile=asked.profile,
        topic=asked.topic,
        device=asked.device,
        clock=asked.clock,
        actor=request.actor,
    )
    return Answer(200, views.ReplayedView(replayed.mapped, replayed.still))


async def discard_unmapped(services: Services, request: Request) -> Answer:
    """POST /unmapped/discard."""
    asked = request.document(views.Discard)
    return Answer(200, views.DiscardedView(await services.unmapped.discard(asked.ids, request.actor)))


_WHICH = (
    *NEWEST_FIRST,
    Parameter("kind", f"One of {', '.join(_KINDS)}."),
    Parameter("profile", "Of the profile that has their topic."),
    Parameter("topic", "An MQTT topic filter."),
    Parameter("device", "Of one device."),
)

ROUTES = (
    Route(
        "GET", "/unmapped", SEE_UNMAPPED, list_unmapped, "Kept messages, newest first", answer=views.KeptViews,
        query=_WHICH, errors=(400,),
    ),
    Route(
        "GET", "/unmapped/groups", SEE_UNMAPPED, list_groups, "What is kept, in groups with their reason",
        answer=views.GroupViews,
    ),
    Route(
        "POST", "/unmapped/replay", MANAGE_UNMAPPED, replay_unmapped,
        "Map kept messages anew; what is mapped is gone from here", body=views.Replay, answer=views.ReplayedView,
        errors=(400, 415),
    ),
    Route(
        "POST", "/unmapped/discard", MANAGE_UNMAPPED, discard_unmapped, "Delete kept messages for good",
        body=views.Discard, answer=views.DiscardedView, errors=(400, 415),
    ),
    Route(
        "GET", "/unmapped/{number}", SEE_UNMAPPED, get_unmapped, "A kept message", answer=views.KeptView,
        errors=(404,),
    ),
)  # fmt: skip
