"""Subscriptions: who is told what, how that goes, what was lost; pausing, resuming, trying again, deleting."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.model import CORE, ResourceNotFound
from rhinecloud.people.permissions import SEE_SUBSCRIPTIONS

from .. import language as languages
from ..forms import fields
from ..live import Channel, Fragment, StreamRoute
from ..names import local_part
from ..shell import Shell
from ..sight import PermittedRoute, actor_of, sight_of
from .pages import PAGE, done, paging, printable, segment, to, whole

PATH = "/subscriptions"
HIDDEN = "•••"
_EVERY = 2.0  # seconds between two looks while somebody looks
_ACTIONS = {"pause": {"isActive": False}, "resume": {"isActive": True}, "retry": {"isActive": True}}


class Row(msgspec.Struct, frozen=True):
    """A subscription in the list. `state`: active, failing, silenced, paused or expired."""

    id: str
    name: str
    state: str
    endpoint: str
    told: int
    failed: int
    waiting: int
    gaps: int
    last_success: str | None
    next_attempt: datetime | None


def routes(shell: Shell) -> list[BaseRoute]:
    """`/subscriptions`, `/subscriptions/{id}` and what belongs to them."""

    async def index(request: Request) -> Response:
        offset = whole(request.query_params.get("offset"))
        values = await _listing(shell, offset)
        return shell.renderer.page(request, "operations/subscriptions.html", done=done(request), **values)

    def follow_index(request: Request) -> Channel:
        code = languages.choose(request)
        offset = whole(request.query_params.get("offset"))
        key = f"subscriptions:{code}:{offset}"

        async def render() -> str:
            shell.live.notify_later(key, _EVERY)
            values = await _listing(shell, offset)
            return shell.renderer.part("operations/parts/subscriptions.html", code, **values)

        return shell.live.channel(sight_of(request), key, lambda: Fragment(render), rate=1.0)

    async def page(request: Request) -> Response:
        values = await _details(shell, printable(request))
        return shell.renderer.page(request, "operations/subscription.html", done=done(request), **values)

    async def follow_page(request: Request) -> Channel:
        subscription_id = printable(request)
        await shell.broker.subscriptions.delivery(subscription_id)
        code = languages.choose(request)
        key = f"subscription:{code}:{subscription_id}"

        async def render() -> str:
            try:
                values = await _details(shell, subscription_id)
            except ResourceNotFound:
                return shell.renderer.part("operations/parts/subscription_gone.html", code)
            shell.live.notify_later(key, _EVERY)
            return shell.renderer.part("operations/parts/subscription.html", code, **values)

        return shell.live.channel(sight_of(request), key, lambda: Fragment(render), rate=1.0)

    async def change(request: Request) -> Response:
        subscription_id, actor = printable(request), actor_of(request)
        of = None if actor.may(SEE_SUBSCRIPTIONS) else actor.id
        action = (await fields(request)).get("action", "")
        if action == "delete":
            await shell.broker.subscriptions.delete(subscription_id, of=of)
            return to(PATH, done=action)
        if action not in _ACTIONS:
            raise HTTPException(400)
        await shell.broker.subscriptions.update(subscription_id, _ACTIONS[action], CORE, of=of)
        return to(f"{PATH}/{segment(subscription_id)}", done=action)

    return [
        PermittedRoute(PATH, index, "subscriptions.see"),
        StreamRoute("/live/subscriptions", shell.live, follow_index, "subscriptions.see"),
        StreamRoute("/live/subscriptions/{id}", shell.live, follow_page, "subscriptions.see"),
        PermittedRoute(f"{PATH}/{{id}}", page, "subscriptions.see"),
        PermittedRoute(f"{PATH}/{{id}}", change, "subscriptions.manage", method="POST"),
    ]


async def _listing(shell: Shell, offset: int) -> dict[str, Any]:
    registry = shell.broker.subscriptions
    standings = await registry.standings(PAGE, offset, CORE)
    rows = [
        Row(
            id=one.document["id"],
            name=_name(one.document),
            state=_state(one.document, one.silenced_at),
            endpoint=shown_address(one.document["notification"]["endpoint"]["uri"]),
            told=_told(one.document["notification"]),
            failed=one.document["notification"].get("timesFailed", 0),
            waiting=one.waiting,
            gaps=one.gaps,
            last_success=one.document["notification"].get("lastSuccess"),
            next_attempt=one.next_attempt,
        )
        for one in standings
    ]
    return {"rows": rows, "paging": paging(PATH, offset, len(rows), await registry.count()), "offset": offset}


async def _details(shell: Shell, subscription_id: str) -> dict[str, Any]:
    registry = shell.broker.subscriptions
    document = await registry.retrieve(subscription_id, CORE, sys_attrs=True)
    delivery = await registry.delivery(subscription_id)
    notification = document["notification"]
    overdue = delivery.next_attempt is not None and delivery.next_attempt <= datetime.now(UTC)
    return {
        "id": subscription_id,
        "name": _name(document),
        "state": _state(document, delivery.silenced_at),
        "endpoint": shown_address(notification["endpoint"]["uri"]),
        "document": document,
        "notification": notification,
        "told": _told(notification),
        "delivery": delivery,
        "overdue": overdue,
        "source": msgspec.json.format(msgspec.json.encode(without_secrets(document)), indent=2).decode(),
    }


def _name(document: dict[str, Any]) -> str:
    """What it is called; without a name what it is about, which says more than a number drawn at random."""
    types = ", ".join(str(one["type"]) for one in document.get("entities", ()) if one.get("type"))
    given = document.get("subscriptionName") or document.get("description")
    return str(given or types[:100] or local_part(document["id"]))


def _state(document: dict[str, Any], silenced_at: datetime | None) -> str:
    status = str(document["status"])
    if status == "paused" and silenced_at is not None and document.get("isActive", True):
        return "silenced"
    failing = status == "active" and document["notification"].get("status") == "failed"
    return "failing" if failing else status


def _told(notification: dict[str, Any]) -> int:
    return int(notification.get("timesSent", 0)) - int(notification.get("timesFailed", 0))


def shown_address(uri: str) -> str:
    """An endpoint's address without what may be secret in it: user, password, values of its query."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(f"{name}={HIDDEN}" for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    address: str = urlunsplit((parts.scheme, host, parts.path, query, ""))
    return address


def without_secrets(document: dict[str, Any]) -> dict[str, Any]:
    """The document for people: headers that the receiver wants (keys, tokens) by name only."""
    endpoint = dict(document["notification"]["endpoint"])
    endpoint["uri"] = shown_address(endpoint["uri"])
    if "receiverInfo" in endpoint:
        endpoint["receiverInfo"] = [{**pair, "value": HIDDEN} for pair in endpoint["receiverInfo"]]
    return {**document, "notification": {**document["notification"], "endpoint": endpoint}}
