"""The ASGI application: finds the operation, reads the body, answers errors as problem details (CIM 009 §6.3)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from rhinecloud.broker import Broker, Overloaded, Unavailable
from rhinecloud.broker.contexts import Contexts
from rhinecloud.model import BadRequestData, InternalError, NgsiLdError, NonexistentTenant
from rhinecloud.model.values import check_uri

from . import batches, consumption, discovery, provision, subscriptions
from .exchange import PROBLEM, Answer, Exchange, HttpError, decode_segments, encode

_log = logging.getLogger(__name__)
_ROOT = "/ngsi-ld/v1/"
_LARGEST_BODY = 32 * 2**20  # bytes

Operation = Callable[..., Awaitable[Answer]]

# Path below the root, with a * for each identifier → method → operation.
_OPERATIONS: dict[tuple[str, ...], dict[str, Operation]] = {
    ("entities",): {"GET": consumption.query_entities, "POST": provision.create_entity},
    ("entities", "*"): {
        "GET": consumption.retrieve_entity,
        "PUT": provision.replace_entity,
        "PATCH": provision.merge_entity,
        "DELETE": provision.delete_entity,
    },
    ("entities", "*", "attrs"): {"POST": provision.append_attributes, "PATCH": provision.update_attributes},
    ("entities", "*", "attrs", "*"): {
        "PATCH": provision.update_attribute,
        "PUT": provision.replace_attribute,
        "DELETE": provision.delete_attribute,
    },
    ("entityOperations", "create"): {"POST": batches.create},
    ("entityOperations", "upsert"): {"POST": batches.upsert},
    ("entityOperations", "update"): {"POST": batches.update},
    ("entityOperations", "merge"): {"POST": batches.merge},
    ("entityOperations", "delete"): {"POST": batches.delete},
    ("types",): {"GET": discovery.entity_types},
    ("subscriptions",): {"GET": subscriptions.query, "POST": subscriptions.create},
    ("subscriptions", "*"): {
        "GET": subscriptions.retrieve,
        "PATCH": subscriptions.update,
        "DELETE": subscriptions.delete,
    },
}


class NgsiLdApi:
    """Serves /ngsi-ld/v1 of one tenant."""

    def __init__(self, broker: Broker, contexts: Contexts) -> None:
        self._broker = broker
        self._contexts = contexts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            answer = await self._answer(scope, receive)
        except HttpError as error:
            answer = Answer(error.status, error.problem(), error.headers, PROBLEM)
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
        await _send(send, answer, head=scope["method"] == "HEAD")

    async def _answer(self, scope: Any, receive: Any) -> Answer:
        headers = dict(scope["headers"])
        tenant = headers.get(b"ngsild-tenant")
        if tenant is not None and tenant.decode("latin-1") not in ("", self._broker.database.tenant):
            raise NonexistentTenant(f"there is no tenant {tenant.decode('latin-1')!r}")
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.decode("latin-1").partition("?")[0]
        segments = decode_segments(path.removeprefix(_ROOT).rstrip("/"))
        operation, arguments = _find(segments, "GET" if scope["method"] == "HEAD" else scope["method"])
        if arguments:
            check_uri(arguments[0], ("id",))
        body = await _read(receive, headers) if scope["method"] in ("POST", "PUT", "PATCH") else b""
        exchange = Exchange(scope["method"], segments, scope["query_string"], headers, body, self._contexts)
        return await operation(self._broker, exchange, *arguments)


def _find(segments: list[str], method: str) -> tuple[Operation, list[str]]:
    pattern = tuple(
        "*" if index % 2 and segments[0] != "entityOperations" else part
        for index, part in enumerate(segments)
    )
    methods = _OPERATIONS.get(pattern)
    if methods is None:
        raise HttpError(404, "Not found", "the NGSI-LD API has no such resource here")
    operation = methods.get(method)
    if operation is None:
        raise HttpError(
            405,
            "Method not allowed",
            f"{method} is not possible here",
            ((b"allow", ", ".join(methods).encode()),),
        )
    return operation, [part for index, part in enumerate(segments) if pattern[index] == "*"]


async def _read(receive: Any, headers: dict[bytes, bytes]) -> bytes:
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
        parts += message.get("body", b"")
        if len(parts) > _LARGEST_BODY:
            raise _too_large()
    return bytes(parts)


def _too_large() -> HttpError:
    return HttpError(413, "Content too large", f"a body may have {_LARGEST_BODY} bytes; send it in parts")


def _problem(error: NgsiLdError) -> Answer:
    return Answer(error.status, error.problem(), (), PROBLEM)


def _away(detail: str, seconds: int) -> Answer:
    problem = {"type": "about:blank", "title": "Service unavailable", "status": 503, "detail": detail}
    return Answer(503, problem, ((b"retry-after", str(seconds).encode()),), PROBLEM)


async def _send(send: Any, answer: Answer, *, head: bool) -> None:
    headers = list(answer.headers)
    body = b""
    if answer.body is not None:
        body = encode(answer.body)
        headers.append((b"content-type", answer.media_type.encode()))
    if answer.status != 204:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
