"""The subscriptions of a tenant for those who make, look at, change and delete them (CIM 009 §5.8.1 to §5.8.5)."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from rhinecloud.model import AlreadyExists, Context, ResourceNotFound
from rhinecloud.model.subscription import (
    merge_subscription,
    parse_subscription,
    read_subscription,
    show_subscription,
)
from rhinecloud.store import Database, contexts, subscriptions
from rhinecloud.store.entities import rfc3339
from rhinecloud.store.subscriptions import Gap, StoredSubscription, Telling

from ..contexts import own_id

_PREFIX = "urn:ngsi-ld:Subscription:"


_MOST_COUNTED = 10_001  # waiting changes that are counted where many subscriptions are shown


class Delivery(msgspec.Struct, frozen=True):
    """How a subscription's telling stands: how much waits, why the last attempt failed, what was never told, when a
    failing one is tried again, since when its owner may read nothing any more."""

    waiting: int
    reason: str | None
    gaps: list[Gap]
    next_attempt: datetime | None = None
    silenced_at: datetime | None = None


class Standing(msgspec.Struct, frozen=True):
    """A subscription in a list: its document, how much waits (counted up to 10,001), how many gaps there are."""

    document: dict[str, Any]
    waiting: int
    gaps: int
    reason: str | None
    next_attempt: datetime | None
    silenced_at: datetime | None


class Subscriptions:
    """The rows; whoever matches them is woken by `wake` after each write.

    Each has an owner, who is told what they may read. `of` names the owner whose subscriptions there are for who asks;
    None is for those who may see all.
    """

    def __init__(self, database: Database, wake: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._wake = wake

    async def create(
        self,
        document: Any,
        context: Context,
        context_url: Callable[[str], str] | None = None,
        *,
        owner: str,
    ) -> str:
        """Make a subscription (§5.8.1) and return its id. `context` is that of its notifications too, unless it
        names a jsonldContext. A `context` that has no URL of its own is kept as an ImplicitlyCreated one (§5.13.1),
        and `context_url` says where the one of a local id is served; without it the notifications have no URL to name.
        Raises BadRequestData, OperationNotSupported, AlreadyExists."""
        checked = parse_subscription(document, context, datetime.now(UTC))
        checked.setdefault("id", _PREFIX + str(uuid.uuid4()))
        async with self._database.transaction() as connection:
            revision = await subscriptions.touch(connection)
            source = _source(context)
            if context_url is not None and "jsonldContext" not in checked and isinstance(source, list | dict):
                checked["jsonldContext"] = context_url(await contexts.imply(connection, {"@context": source}))
            if not await subscriptions.insert(connection, checked, source, revision, owner):
                raise AlreadyExists(f"there is a subscription {checked['id']} already")
        await self._wake()
        return str(checked["id"])

    async def update(
        self, subscription_id: str, fragment: Any, context: Context, *, of: str | None = None
    ) -> None:
        """Apply a fragment (§5.8.2). Raises BadRequestData, OperationNotSupported, ResourceNotFound."""
        now = datetime.now(UTC)
        async with self._database.transaction() as connection:
            revision = await subscriptions.touch(connection)
            stored = await subscriptions.lock(connection, subscription_id)
            if stored is None or of not in (None, stored.owner):
                raise _missing(subscription_id)
            merged = merge_subscription(stored.document, fragment, context, now)
            was_active = read_subscription(stored.document).status(now) == "active"
            await subscriptions.update(
                connection, stored.number, merged, stored.context, revision, afresh=not was_active
            )
            if stored.document.get("jsonldContext") != merged.get("jsonldContext"):
                await _release(connection, stored.document)
        await self._wake()

    async def delete(self, subscription_id: str, *, of: str | None = None) -> None:
        """Delete a subscription and what is due to it (§5.8.5). Raises ResourceNotFound."""
        async with self._database.transaction() as connection:
            await subscriptions.touch(connection)
            stored = await subscriptions.lock(connection, subscription_id)
            if stored is None or of not in (None, stored.owner):
                raise _missing(subscription_id)
            await subscriptions.delete(connection, subscription_id)
            await _release(connection, stored.document)
        await self._wake()

    async def retrieve(
        self, subscription_id: str, context: Context, *, sys_attrs: bool = False, of: str | None = None
    ) -> dict[str, Any]:
        """A subscription in the names of a context (§5.8.3). Raises ResourceNotFound."""
        found = await subscriptions.read(self._database.pool, subscription_id)
        if found is None or of not in (None, found[0].owner):
            raise _missing(subscription_id)
        return _show(*found, context, sys_attrs)

    async def query(
        self,
        limit: int,
        offset: int,
        context: Context,
        *,
        sys_attrs: bool = False,
        of: str | None = None,
    ) -> list[dict[str, Any]]:
        """A page of subscriptions, oldest first (§5.8.4)."""
        found = await subscriptions.page(self._database.pool, limit, offset, of)
        return [_show(stored, telling, context, sys_attrs) for stored, telling in found]

    async def standings(self, limit: int, offset: int, context: Context) -> list[Standing]:
        """A page of subscriptions, oldest first, with how their telling stands."""
        pool = self._database.pool
        found = await subscriptions.page(pool, limit, offset)
        backlog = await subscriptions.backlog(pool, [one.number for one, _ in found], _MOST_COUNTED)
        return [
            Standing(
                _show(stored, telling, context, sys_attrs=True),
                *backlog[stored.number],
                telling.reason,
                telling.next_attempt if telling.failing else None,
                telling.silenced_at,
            )
            for stored, telling in found
        ]

    async def count(self, *, of: str | None = None) -> int:
        """The number of all subscriptions."""
        return await subscriptions.count(self._database.pool, of)

    async def delivery(self, subscription_id: str) -> Delivery:
        """How the telling of a subscription stands. Raises ResourceNotFound."""
        pool = self._database.pool
        found = await subscriptions.read(pool, subscription_id)
        if found is None:
            raise _missing(subscription_id)
        stored, telling = found
        return Delivery(
            await subscriptions.waiting(pool, stored.number),
            telling.reason,
            await subscriptions.gaps(pool, stored.number),
            telling.next_attempt if telling.failing else None,
            telling.silenced_at,
        )


def _missing(subscription_id: str) -> ResourceNotFound:
    return ResourceNotFound(f"there is no subscription {subscription_id}")


async def _release(connection: asyncpg.Connection, document: dict[str, Any]) -> None:
    """What was made for a subscription and others like it goes with the last of them."""
    implied = own_id(document.get("jsonldContext", ""))
    if implied is not None:
        await contexts.forget_orphan(connection, implied)


def _source(context: Context) -> Any:
    """What names the context: a URL, an object, a list of these, None for the core context alone."""
    if not context.documents:
        return None
    return context.documents[0] if len(context.documents) == 1 else list(context.documents)


def _show(stored: StoredSubscription, telling: Telling, context: Context, sys_attrs: bool) -> dict[str, Any]:
    shown = show_subscription(stored.document, context)
    status = read_subscription(stored.document).status(datetime.now(UTC))
    # Of the three values (§5.2.12) this is the one for what is not over and told nothing.
    shown["status"] = "paused" if status == "active" and telling.silenced_at is not None else status
    notification = shown["notification"]
    if telling.failing is not None:
        notification["status"] = "failed" if telling.failing else "ok"
    for name, number in (("timesSent", telling.times_sent), ("timesFailed", telling.times_failed)):
        if number:
            notification[name] = number
    for name, at in (
        ("lastNotification", telling.last_notification),
        ("lastSuccess", telling.last_success),
        ("lastFailure", telling.last_failure),
    ):
        if at is not None:
            notification[name] = rfc3339(at)
    if sys_attrs:
        shown["createdAt"] = rfc3339(stored.created_at)
        shown["modifiedAt"] = rfc3339(stored.modified_at)
    return shown
