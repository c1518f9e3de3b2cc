"""Subscriptions (CIM 009 §5.8.1 to §5.8.5, §6.10, §6.11)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from rhinecloud.broker import Broker
from rhinecloud.broker.outbound import Forbidden
from rhinecloud.model import BadRequestData
from rhinecloud.people.permissions import SEE_SUBSCRIPTIONS

from .exchange import Answer, Exchange, page_links, respond

_ROOT = "/ngsi-ld/v1/subscriptions"


async def create(broker: Broker, exchange: Exchange) -> Answer:
    """POST /subscriptions (§5.8.1)."""
    document = exchange.document()
    context = await exchange.context_of(document)
    await _check_context(exchange, document)
    _check_endpoint(exchange, document)
    subscription_id = await broker.subscriptions.create(
        document, context, exchange.context_url, owner=exchange.actor.id
    )
    return Answer(201, None, ((b"location", f"{_ROOT}/{quote(subscription_id, safe=':')}".encode()),))


async def query(broker: Broker, exchange: Exchange) -> Answer:
    """GET /subscriptions (§5.8.4)."""
    media_type = exchange.accepted()
    context = await exchange.context()
    limit, offset = exchange.limit(), exchange.number("offset", 0, 2**31 - 1)
    counted = exchange.flag("count")
    if limit == 0 and not counted:
        raise BadRequestData("limit=0 goes with count=true only", field="limit")
    # One more than the page has, to know whether there is a next.
    found = await broker.subscriptions.query(
        limit + 1, offset, context, sys_attrs=exchange.flag("sysAttrs"), of=_whose(exchange)
    )
    headers = page_links(exchange, limit, offset, more=len(found) > limit, media_type=media_type)
    if counted:
        headers.append(
            (b"ngsild-results-count", str(await broker.subscriptions.count(of=_whose(exchange))).encode())
        )
    return respond(exchange, found[:limit], context, media_type, *headers)


async def retrieve(broker: Broker, exchange: Exchange, subscription_id: str) -> Answer:
    """GET /subscriptions/{id} (§5.8.3)."""
    media_type = exchange.accepted()
    context = await exchange.context()
    found = await broker.subscriptions.retrieve(
        subscription_id, context, sys_attrs=exchange.flag("sysAttrs"), of=_whose(exchange)
    )
    return respond(exchange, found, context, media_type)


async def update(broker: Broker, exchange: Exchange, subscription_id: str) -> Answer:
    """PATCH /subscriptions/{id} (§5.8.2)."""
    fragment = exchange.document()
    context = await exchange.context_of(fragment)
    await _check_context(exchange, fragment)
    _check_endpoint(exchange, fragment)
    await broker.subscriptions.update(subscription_id, fragment, context, of=_whose(exchange))
    return Answer(204)


async def delete(broker: Broker, exchange: Exchange, subscription_id: str) -> Answer:
    """DELETE /subscriptions/{id} (§5.8.5)."""
    await broker.subscriptions.delete(subscription_id, of=_whose(exchange))
    return Answer(204)


def _whose(exchange: Exchange) -> str | None:
    """Whose subscriptions there are for who asks: their own, or all."""
    return None if exchange.actor.may(SEE_SUBSCRIPTIONS) else exchange.actor.id


async def _check_context(exchange: Exchange, document: Any) -> None:
    """The @context of the notifications is fetched now, while there is somebody to tell that it cannot be."""
    url = document.get("jsonldContext") if isinstance(document, dict) else None
    if isinstance(url, str):
        await exchange.named_context(url)


def _check_endpoint(exchange: Exchange, document: Any) -> None:
    """An address that can be known never to be called is refused now; a name is judged when it is called."""
    try:
        host = urlsplit(document["notification"]["endpoint"]["uri"]).hostname
    except (KeyError, TypeError, ValueError, AttributeError):
        return  # the parser has the words for it
    if host:
        try:
            exchange.allowed.check_literal(host)
        except Forbidden as error:
            raise BadRequestData(str(error), field="/notification/endpoint/uri") from None
