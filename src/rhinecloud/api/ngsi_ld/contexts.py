"""Storing, managing and serving @contexts (CIM 009 §5.13, §6.29, §6.30)."""

from __future__ import annotations

from typing import Any

from rhinecloud.broker import Broker, rfc3339
from rhinecloud.broker.contexts import CONTEXTS_PATH, KINDS, Details
from rhinecloud.model import BadRequestData

from .exchange import Answer, Exchange, page_links

_PAGE = 1_000  # a city has tens of them, and clients know no pages here: Table 6.29.3.2-1


async def add(broker: Broker, exchange: Exchange) -> Answer:
    """POST /jsonldContexts: keep a Hosted one (§5.13.2)."""
    local_id = await exchange.contexts.add(exchange.document())
    return Answer(201, None, ((b"location", (CONTEXTS_PATH + local_id).encode()),))


async def list_contexts(broker: Broker, exchange: Exchange) -> Answer:
    """GET /jsonldContexts: URLs, or details (§5.13.3); a thousand at once, further ones by the Link to the next."""
    media_type = exchange.accepted()
    kind = exchange.parameters.get("kind")
    if kind is not None and kind not in KINDS:
        raise BadRequestData(f"kind is one of {', '.join(KINDS)}, not {kind!r:.40}", field="kind")
    limit, offset = exchange.number("limit", _PAGE, _PAGE), exchange.number("offset", 0, 2**31 - 1)
    counted = exchange.flag("count")
    if limit == 0 and not counted:
        raise BadRequestData("limit=0 goes with count=true only", field="limit")
    # One more than the page has, to know whether there is a next.
    found = await exchange.contexts.page(kind, limit + 1, offset)
    headers = page_links(exchange, limit, offset, more=len(found) > limit, media_type=media_type)
    if counted:
        headers.append((b"ngsild-results-count", str(await exchange.contexts.count(kind)).encode()))
    shown = _details if exchange.flag("details") else _url
    return Answer(200, [shown(exchange, one) for one in found[:limit]], tuple(headers), media_type)


async def serve(broker: Broker, exchange: Exchange, identity: str) -> Answer:
    """GET /jsonldContexts/{id}: the document, or its details (§5.13.4)."""
    media_type = exchange.accepted()
    if exchange.flag("details"):
        body: Any = _details(exchange, await exchange.contexts.details(identity))
    else:
        body = await exchange.contexts.serve(identity)
    return Answer(200, body, (), media_type)


async def delete(broker: Broker, exchange: Exchange, identity: str) -> Answer:
    """DELETE /jsonldContexts/{id}: forget one, or with reload=true fetch a Cached one anew (§5.13.5)."""
    if exchange.flag("reload"):
        await exchange.contexts.reload(identity)
    else:
        await exchange.contexts.delete(identity)
    return Answer(204)


def _url(exchange: Exchange, found: Details) -> str:
    return found.url or exchange.context_url(found.id)


def _details(exchange: Exchange, found: Details) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "URL": _url(exchange, found),
        "localId": found.id,
        "kind": found.kind,
        "createdAt": rfc3339(found.created_at),
        "numberOfHits": found.hits,
        "extraInfo": f"{found.bytes} bytes",
    }
    if found.expires_at is not None:
        shown["expiresAt"] = rfc3339(found.expires_at)
    if found.used_at is not None:
        shown["lastUsage"] = rfc3339(found.used_at)
    if found.problem is not None:
        shown["extraInfo"] += f"; not fetched anew: {found.problem}"
    return shown
