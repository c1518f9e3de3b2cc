"""Correcting the temporal evolution of an entity (CIM 009 §5.6.13 to §5.6.16), inside the transaction of the writer.

The history is changed first, in its tables; then the current state is made the newest end of what is left, by planning
as for any other operation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from rhinecloud.model import BadRequestData, ResourceNotFound, parse_instance_id
from rhinecloud.store import evolution, history
from rhinecloud.store.entities import rfc3339
from rhinecloud.store.evolution import Found
from rhinecloud.store.history import SeriesKey

from .instances import instant, without_stamps
from .operations import Operation

_encode = msgspec.json.Encoder().encode
_Correct = Callable[[asyncpg.Connection, Operation, datetime], Awaitable[Operation]]


async def correct(connection: asyncpg.Connection, operation: Operation, now: datetime) -> Operation:
    """Change the history; returns what that means for the current state. The entity must be locked.

    Raises ResourceNotFound or BadRequestData, and then has changed nothing.
    """
    return await _CORRECT[operation.kind](connection, operation, now)


async def _modify_instance(connection: asyncpg.Connection, operation: Operation, now: datetime) -> Operation:
    found = await _find(connection, operation)
    instance = without_stamps(dict(operation.attributes[found.key.attribute][0]))
    if instance.setdefault("datasetId", found.key.dataset) != found.key.dataset:
        raise BadRequestData("an instance stays in its dataset", field="/datasetId")
    if not found.key.dataset:
        del instance["datasetId"]
    if found.key.observed:
        instance.setdefault("observedAt", rfc3339(found.at))
    at = instant(instance["observedAt"]) if "observedAt" in instance else found.at
    series = found.series
    if not found.key.observed and "observedAt" in instance:
        key = SeriesKey(*_place(found.key), "", True)
        series = (await history.series_ids(connection, [key]))[key]
    text = _encode({**instance, "modifiedAt": rfc3339(now)}).decode()
    await evolution.correct(connection, found, series, at, text)
    return await _settled(connection, *_place(found.key))


async def _delete_instance(connection: asyncpg.Connection, operation: Operation, now: datetime) -> Operation:
    found = await _find(connection, operation)
    await evolution.remove(connection, found)
    return await _settled(connection, *_place(found.key))


async def _delete_attribute(connection: asyncpg.Connection, operation: Operation, now: datetime) -> Operation:
    name = operation.attribute or ""
    dataset = None if operation.all_instances else operation.dataset or ""
    if not await evolution.erase(connection, operation.entity_id, name, dataset):
        which = f" with datasetId {dataset}" if dataset else ""
        raise ResourceNotFound(f"{operation.entity_id} has no such attribute{which}", field=f"/{name}")
    return Operation(
        "settle",
        operation.entity_id,
        attribute=name,
        dataset=dataset or None,
        all_instances=operation.all_instances,
    )


async def _delete_evolution(connection: asyncpg.Connection, operation: Operation, now: datetime) -> Operation:
    await evolution.erase(connection, operation.entity_id)
    return Operation("erase", operation.entity_id)


_CORRECT: dict[str, _Correct] = {
    "modify_instance": _modify_instance,
    "delete_instance": _delete_instance,
    "delete_evolution_attribute": _delete_attribute,
    "delete_evolution": _delete_evolution,
}


async def _find(connection: asyncpg.Connection, operation: Operation) -> Found:
    place = parse_instance_id(operation.instance or "")
    found = None if place is None else await evolution.find(connection, *place)
    if found is None or (found.key.entity_id, found.key.attribute) != (
        operation.entity_id,
        operation.attribute,
    ):
        raise ResourceNotFound(f"the attribute has no instance {operation.instance}", field="/instanceId")
    return found


def _place(key: SeriesKey) -> tuple[str, str, str]:
    return key.entity_id, key.attribute, key.dataset


async def _settled(connection: asyncpg.Connection, entity_id: str, attribute: str, dataset: str) -> Operation:
    newest = await evolution.newest(connection, entity_id, attribute, dataset)
    left: dict[str, list[dict[str, Any]]] = {}
    if newest is not None and "deletedAt" not in newest:
        left = {attribute: [newest]}
    return Operation("settle", entity_id, attributes=left, attribute=attribute, dataset=dataset or None)
