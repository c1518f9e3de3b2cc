"""The ASGI application: finds the operation, reads the body, answers errors as problem details (CIM 009 §6.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg

from rhinecloud.broker import Overloaded, Unavailable
from rhinecloud.broker.tenants import Served, Tenants
from rhinecloud.model import BadRequestData, InternalError, NgsiLdError
from rhinecloud.model.sight import NOTHING
from rhinecloud.people import PUBLIC, Permission
from rhinecloud.people.actors import of_scope
from rhinecloud.people.gate import Denied, demand
from rhinecloud.people.permissions import MANAGE_CONTEXTS, SUBSCRIBE, WRITE_GRAPH

from . import (
    batches,
    consumption,
    contexts,
    discovery,
    provision,
    subscriptions,
    temporal_consumption,
    temporal_provision,
)
from .exchange import Answer, Exchange, HttpError, decode_query, decode_segments, encode
from .routing import (
    FORMATS,
    LINKED,
    LOCAL,
    NONE,
    ORDER,
    PAGE,
    PROJECTION,
    SELECTION,
    SIMPLIFIED,
    TEMPORAL_FORMATS,
    TIME,
    TYPED,
    Operation,
    Parameters,
    Route,
    Routes,
    parameters,
)

_log = logging.getLogger(__name__)
_ROOT = "/ngsi-ld/v1/"
_LARGEST_BODY = 32 * 2**20  # bytes
_WITHOUT_BODY = frozenset({411, 415})  # §6.3.4
TENANT = b"ngsild-tenant"

# The operations that may make the tenant that they are for (§5.5.10); registrations will be among them.
CREATING = frozenset(
    (
        provision.create_entity,
        batches.create,
        temporal_provision.create_or_update,
        subscriptions.create,
    )
)


def _for(permission: Permission) -> Callable[..., Route]:
    def route(operation: Operation, takes: Parameters = NONE) -> Route:
        return Route(operation, takes, permission)

    return route


_reading, _writing, _subscribing, _storing = map(_for, (PUBLIC, WRITE_GRAPH, SUBSCRIBE, MANAGE_CONTEXTS))

# Path below the root → method → operation and the parameters that it takes. In a path stands {uri} for an identifier
# that must be one, and {name} for any other name.
ROUTES = Routes(
    {
        "entities": {
            "GET": _reading(consumption.query_entities,
                parameters(
                    SELECTION, PROJECTION, LINKED, ORDER, PAGE, "geometryProperty local",
                    options="count sysAttrs", formats=FORMATS,
                ),
            ),
            "POST": _writing(provision.create_entity, LOCAL),
            "PATCH": _writing(provision.no_entity_id, parameters("type lang observedAt local", formats=SIMPLIFIED)),
            "PUT": _writing(provision.no_entity_id, TYPED),
            "DELETE": _writing(
                provision.purge_entities, parameters(SELECTION, "keep drop geometryProperty local")
            ),
        },
        "entities/{uri}": {
            "GET": _reading(consumption.retrieve_entity,
                parameters(
                    PROJECTION, LINKED, "type geometryProperty local", options="sysAttrs", formats=FORMATS
                ),
            ),
            "PUT": _writing(provision.replace_entity, TYPED),
            "PATCH": _writing(
                provision.merge_entity, parameters("type lang observedAt local", formats=SIMPLIFIED)
            ),
            "DELETE": _writing(provision.delete_entity, TYPED),
        },
        "entities/{uri}/attrs": {
            "POST": _writing(provision.append_attributes, parameters("type local", options="noOverwrite")),
            "PATCH": _writing(provision.update_attributes, TYPED),
        },
        "entities/{uri}/attrs/{name}": {
            "PATCH": _writing(provision.update_attribute, TYPED),
            "PUT": _writing(provision.replace_attribute, TYPED),
            "DELETE": _writing(provision.delete_attribute, parameters("type datasetId deleteAll local")),
        },
        "entityOperations/create": {"POST": _writing(batches.create, LOCAL)},
        "entityOperations/upsert": {
            "POST": _writing(batches.upsert, parameters("local", options="replace update"))
        },
        "entityOperations/update": {
            "POST": _writing(batches.update, parameters("local", options="noOverwrite"))
        },
        "entityOperations/merge": {"POST": _writing(batches.merge, LOCAL)},
        "entityOperations/query": {
            "POST": _reading(consumption.query_by_document,
                parameters(
                    PAGE, "geometryProperty lang local", options="count sysAttrs", formats=FORMATS
                ),
            )
        },
        "entityOperations/delete": {"POST": _writing(batches.delete, LOCAL)},
        "temporal/entities": {
            "GET": _reading(temporal_consumption.query_evolutions,
                parameters(
                    SELECTION, PROJECTION, ORDER, PAGE, TIME, "local",
                    options="count sysAttrs", formats=TEMPORAL_FORMATS,
                ),
            ),
            "POST": _writing(temporal_provision.create_or_update, LOCAL),
        },
        "temporal/entities/{uri}": {
            "GET": _reading(temporal_consumption.retrieve_evolution,
                parameters(PROJECTION, TIME, "local", options="sysAttrs", formats=TEMPORAL_FORMATS),
            ),
            "DELETE": _writing(temporal_provision.delete, LOCAL),
        },
        "temporal/entityOperations/query": {
            "POST": _reading(temporal_consumption.query_evolutions_by_document,
                parameters(PAGE, "lang local", options="count sysAttrs", formats=TEMPORAL_FORMATS),
            )
        },
        "temporal/entities/{uri}/attrs": {"POST": _writing(temporal_provision.add_attributes, LOCAL)},
        "temporal/entities/{uri}/attrs/{name}": {
            "DELETE": _writing(temporal_provision.delete_attribute, parameters("datasetId deleteAll local"))
        },
        "temporal/entities/{uri}/attrs/{name}/{uri}": {
            "PATCH": _writing(temporal_provision.modify_instance, LOCAL),
            "DELETE": _writing(temporal_provision.delete_instance, LOCAL),
        },
        "types": {"GET": _reading(discovery.entity_types, parameters("details local"))},
        "types/{name}": {"GET": _reading(discovery.entity_type, LOCAL)},
        "attributes": {"GET": _reading(discovery.attributes, parameters("details local"))},
        "attributes/{name}": {"GET": _reading(discovery.attribute, LOCAL)},
        "subscriptions": {
            "GET": _subscribing(subscriptions.query, parameters(PAGE, options="count sysAttrs")),
            "POST": _subscribing(subscriptions.create),
        },
        "subscriptions/{uri}": {
            "GET": _subscribing(subscriptions.retrieve, parameters(options="sysAttrs")),
            "PATCH": _subscribing(subscriptions.update),
            "DELETE": _subscribing(subscriptions.delete),
        },
        "jsonldContexts": {
            "GET": _reading(contexts.list_contexts, parameters("details kind", PAGE)),
            "POST": _storing(contexts.add),
        },
        "jsonldContexts/{name}": {
            "GET": _reading(contexts.serve, parameters("details")),
            "DELETE": _storing(contexts.delete, parameters("reload")),
        },
    }
)  # fmt: skip


class NgsiLdApi:
    """Serves /ngsi-ld/v1: the default tenant, and those that NGSILD-Tenant names (§6.3.14)."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            answer = await self._answer(scope, receive)
        except Denied as error:
            answer = Answer(
                error.status, HttpError(error.status, error.title, str(error)).problem(), error.headers
            )
        except HttpError as error:
            bare = error.status in _WITHOUT_BODY
            answer = Answer(error.status, None if bare else error.problem(), error.headers)
        except NgsiLdError as error:
            answer = _problem(error)
        except Overloaded as error:
            answer = _away("Overloaded: more requests are waiting than can be served", error.retry_after)
        except asyncpg.DataError as error:
            answer = _problem(BadRequestData(f"a value cannot be used: {error}"))
        except Unavailable as error:
            _log.warning("the store is away: %s", error)
            answer = _away("The store is away; it is not known whether the request was carried out", 2)
        except Exception:
            _log.exception("%s %s", scope["method"], scope["path"])
            answer = _problem(InternalError("something went wrong here; it is in the log"))
        await _send(send, answer, _tenant(scope["headers"]), head=scope["method"] == "HEAD")

    async def _answer(self, scope: Any, receive: Any) -> Answer:
        headers = _headers(scope["headers"])
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.decode("latin-1").partition("?")[0]
        segments = decode_segments(path.removeprefix(_ROOT).rstrip("/"))
        method = scope["method"]
        route, arguments = ROUTES.find(segments, "GET" if method == "HEAD" else method)
        actor = of_scope(scope)
        demand(actor, route.permission)
        given = decode_query(scope["query_string"])
        route.parameters.check(given)
        body = await _read(receive, headers) if method in ("POST", "PUT", "PATCH") else b""

        async def answer(served: Served) -> Answer:
            # What is granted is granted of the city's own graph: of other tenants only who sees everything sees.
            of_city = served is self._tenants.default
            sight = actor.sight if of_city or actor.sight.everything else NOTHING
            exchange = Exchange(method, segments, given, headers, body, served.contexts, actor, sight)
            return await route.operation(served.broker, exchange, *arguments)

        name = headers.get(TENANT)
        if not name:
            return await answer(self._tenants.default)
        async with self._tenants.use(name.decode("latin-1"), creating=route.operation in CREATING) as served:
            return await answer(served)


def _tenant(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """The answer names the tenant if the request did, as it did (§6.3.14)."""
    return tuple(header for header in headers if header[0] == TENANT)


def _headers(given: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """By name; what is said in several headers of one name as if it were said in one (RFC 9110 §5.3)."""
    headers: dict[bytes, bytes] = {}
    for name, value in given:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


async def _read(receive: Any, headers: dict[bytes, bytes]) -> bytes:
    if b"content-length" not in headers and b"transfer-encoding" not in headers:
        raise HttpError(411, "Length required", "a request with a body says how long it is")
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > _LARGEST_BODY:
        raise _too_large()
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts = bytearray(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":  # what came may be complete by itself, but was not all
            raise HttpError(400, "Bad request", "the body was not sent to its end")
        parts += message.get("body", b"")
        if len(parts) > _LARGEST_BODY:
            raise _too_large()
    return bytes(parts)


def _too_large() -> HttpError:
    return HttpError(413, "Content too large", f"a body may have {_LARGEST_BODY} bytes; send it in parts")


def _problem(error: NgsiLdError) -> Answer:
    return Answer(error.status, error.problem())


def _away(detail: str, seconds: int) -> Answer:
    problem = {"type": "about:blank", "title": "Service unavailable", "status": 503, "detail": detail}
    return Answer(503, problem, ((b"retry-after", str(seconds).encode()),))


async def _send(send: Any, answer: Answer, tenant: tuple[tuple[bytes, bytes], ...], *, head: bool) -> None:
    headers = [*answer.headers, *tenant]
    body = b""
    if answer.body is not None:
        body = encode(answer.body)
        headers.append((b"content-type", answer.media_type.encode()))
    if answer.status != 204:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
