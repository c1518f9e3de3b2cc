"""What was told of a person is forgotten as well: in the outbox, from which the stream can be made again, and in the
stream.

An entity that is erased leaves of its changes the one that says so, without what it was. Where only attributes of it
are, its changes stay without these.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from rhinecloud.bus import Bus, forget_changes
from rhinecloud.store import Database, outbox

from .relay import READER

_LOOK = 0.02  # seconds

Forgotten = Mapping[str, frozenset[str] | None]
"""Ids of entities; of each the names (IRIs) of the attributes, None for all that it was."""


async def forget_told(database: Database, what: Forgotten) -> int:
    """Take it out of the changes in the outbox; how many were touched. A second time there is nothing to do."""
    if not what:
        return 0
    return await outbox.rewrite_about(database.pool, list(what), lambda row: redacted(row.change, what))


async def forget_stream(database: Database, bus: Bus, patience: float) -> None:
    """Forget a tenant's changes in the stream, once what the relay read before `forget_told` was told; it is waited
    for `patience` seconds at most, for where no relay is at work none has read anything. Raises BusUnavailable."""
    _, newest = await outbox.bounds(database.pool)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while (await outbox.position(database.pool, READER) or 0) < newest:
                await asyncio.sleep(_LOOK)
    await forget_changes(bus, database.tenant)


def redacted(change: bytes, what: Forgotten) -> bytes | None:
    """A change without what is forgotten of its entity; None if it need not be told any more."""
    document: dict[str, Any] = msgspec.json.decode(change)
    names = what[document["entityId"]]
    if names is None:
        if document["operation"] != "delete":
            return None
        kept = {key: value for key, value in document.items() if key not in ("old", "entity")}
        return change if kept == document else msgspec.json.encode(kept)
    found = False
    for values in (document.get("old", {}), (document.get("entity") or {}).get("attributes", {})):
        for name in names & values.keys():
            del values[name]
            found = True
    return msgspec.json.encode(document) if found else change
