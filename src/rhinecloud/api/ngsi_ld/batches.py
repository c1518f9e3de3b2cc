"""Batch operations (CIM 009 §5.6.7 to §5.6.10, §5.6.20, §6.14 to §6.17, §6.31): a verdict for each item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rhinecloud.broker import Applied, Broker, Operation
from rhinecloud.model import BadRequestData, Context, NgsiLdError, parse_entity, parse_fragment
from rhinecloud.model.values import check_uri

from .exchange import Answer, Exchange

MOST_ITEMS = 10_000


async def create(broker: Broker, exchange: Exchange) -> Answer:
    """POST /entityOperations/create (§5.6.7)."""
    return await _run(broker, exchange, lambda d, c: Operation.of("create", parse_entity(d, c)))


async def upsert(broker: Broker, exchange: Exchange) -> Answer:
    """POST /entityOperations/upsert (§5.6.8); with options=update what exists is updated (§5.6.2), not replaced."""
    if exchange.flag("update"):
        return await _run(
            broker, exchange, lambda d, c: Operation.of("update", parse_entity(d, c), create_missing=True)
        )
    return await _run(broker, exchange, lambda d, c: Operation.of("upsert", parse_entity(d, c)))


async def update(broker: Broker, exchange: Exchange) -> Answer:
    """POST /entityOperations/update (§5.6.9)."""
    overwrite = not exchange.flag("noOverwrite")
    return await _run(
        broker, exchange, lambda d, c: _fragment("append", d, c, nulls=False, overwrite=overwrite)
    )


async def merge(broker: Broker, exchange: Exchange) -> Answer:
    """POST /entityOperations/merge (§5.6.20)."""
    return await _run(broker, exchange, lambda d, c: _fragment("merge", d, c, nulls=True))


async def delete(broker: Broker, exchange: Exchange) -> Answer:
    """POST /entityOperations/delete (§5.6.10)."""
    ids = exchange.document()
    if not isinstance(ids, list) or not ids or not all(isinstance(i, str) for i in ids):
        raise BadRequestData("the body is a list of entity ids, not empty")
    _check_number(ids)
    return await _apply(broker, [(entity_id, _deletion(entity_id)) for entity_id in ids])


def _deletion(entity_id: str) -> Operation | NgsiLdError:
    try:
        return Operation("delete", check_uri(entity_id, ()))
    except NgsiLdError as error:
        return error


def _fragment(
    kind: Any, document: Any, context: Context, *, nulls: bool, overwrite: bool = True
) -> Operation:
    fragment = parse_fragment(document, context, nulls=nulls, partial=nulls)
    if fragment.id is None:
        raise BadRequestData("the entity has no id", field="/id")
    return Operation(
        kind, fragment.id, fragment.types, fragment.scopes, fragment.attributes, overwrite=overwrite
    )


async def _run(broker: Broker, exchange: Exchange, read: Callable[[Any, Context], Operation]) -> Answer:
    documents = exchange.document()
    if not isinstance(documents, list) or not documents or None in documents:
        raise BadRequestData("the body is a list of entities, neither empty nor with null in it")
    _check_number(documents)
    await exchange.shared_context()  # what is wrong with it is wrong with the request, not with each item
    items: list[tuple[str, Operation | NgsiLdError]] = []
    for document in documents:
        entity_id = document.get("id", document.get("@id")) if isinstance(document, dict) else None
        item: Operation | NgsiLdError
        try:
            item = read(document, await exchange.context_of(document))
        except NgsiLdError as error:
            item = error
        items.append((entity_id if isinstance(entity_id, str) else "", item))
    return await _apply(broker, items)


async def _apply(broker: Broker, items: list[tuple[str, Operation | NgsiLdError]]) -> Answer:
    """Carry out what could be read, and answer for all."""
    verdicts = iter(await broker.apply([item for _, item in items if isinstance(item, Operation)]))
    return _answer([(i, next(verdicts) if isinstance(item, Operation) else item) for i, item in items])


def _check_number(items: list[Any]) -> None:
    if len(items) > MOST_ITEMS:
        raise BadRequestData(f"at most {MOST_ITEMS} items at once")


def _answer(verdicts: list[tuple[str, Applied | NgsiLdError]]) -> Answer:
    """201 with the ids that were made, 204 if nothing was made, 207 if anything failed (§5.2.16)."""
    errors = [
        {"entityId": entity_id, "error": verdict.problem()}
        for entity_id, verdict in verdicts
        if isinstance(verdict, NgsiLdError)
    ]
    partial = [
        {
            "entityId": entity_id,
            "error": BadRequestData(
                "; ".join(f"{left.attribute}: {left.reason}" for left in verdict.not_updated)
            ).problem(),
        }
        for entity_id, verdict in verdicts
        if isinstance(verdict, Applied) and verdict.not_updated
    ]
    done = [
        entity_id
        for entity_id, verdict in verdicts
        if isinstance(verdict, Applied) and not verdict.not_updated
    ]
    if errors or partial:
        return Answer(207, {"success": done, "errors": errors + partial})
    made = [entity_id for entity_id, verdict in verdicts if isinstance(verdict, Applied) and verdict.created]
    return Answer(201, made) if made else Answer(204)
