"""Subscriptions from the change to the receiver: triggers, forms, conditions, pauses, and what must not be lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest_asyncio

from rhinecloud.broker import Broker, Operation
from rhinecloud.broker.contexts import Contexts
from rhinecloud.broker.outbound import Allowed
from rhinecloud.broker.subscriptions import Notifier
from rhinecloud.model import CORE

from ..receivers import HttpReceiver, eventually, http_receiver
from .conftest import MakeBroker
from .graph import LAMP, one, part, whole

MakeNotifier = Callable[..., Awaitable[Notifier]]


@pytest_asyncio.fixture
async def make_notifier() -> AsyncIterator[MakeNotifier]:
    """What tells, for a broker."""
    made: list[Notifier] = []

    async def make(broker: Broker, allow: str = "127.0.0.0/8") -> Notifier:
        allowed = Allowed(allow)
        notifier = Notifier(broker.database, broker.feed, Contexts(broker.database, allowed=allowed), allowed)
        made.append(notifier)
        notifier.open()
        await broker._bus.on_wake("subscriptions", notifier.wake)  # type: ignore[attr-defined]
        return notifier

    yield make
    for notifier in made:
        await notifier.close()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    async with http_receiver() as running:
        yield running


@pytest_asyncio.fixture
async def told(make_broker: MakeBroker, make_notifier: MakeNotifier) -> Broker:
    """A broker whose subscribers are told."""
    broker = await make_broker()
    notifier = await make_notifier(broker)
    await eventually(lambda: notifier.health()["elected_here"])
    return broker


async def subscribe(
    broker: Broker, receiver: HttpReceiver | str, *, notification: Any = None, **members: Any
) -> str:
    """Make a subscription to lamps, unless told otherwise."""
    uri = receiver if isinstance(receiver, str) else receiver.url
    document = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": uri}, **(notification or {})},
        **members,
    }
    document = {name: value for name, value in document.items() if value is not None}
    return await broker.subscriptions.create(document, CORE)


async def test_a_change_is_told(told: Broker, receiver: HttpReceiver) -> None:
    """§5.8.6, §6.3.8"""
    identifier = await subscribe(told, receiver)
    await one(told, whole("create", power=5))
    (first,) = await receiver.told(1)
    assert first.body["subscriptionId"] == identifier
    assert first.body["type"] == "Notification"
    assert first.headers["content-type"] == "application/json"
    assert 'rel="http://www.w3.org/ns/json-ld#context"' in first.headers["link"]
    assert first.entities == [
        {"id": LAMP, "type": "Lamp", "power": {"type": "Property", "value": 5}},
    ]
    await one(told, part("update", power=6))
    await receiver.told(2)
    assert receiver.values("power") == [5, 6]
    assert receiver.connections == 1
    await one(told, Operation("delete", LAMP))
    await one(told, whole("create", "urn:ngsi-ld:Post:1", type="Post", power=7))
    await one(told, whole("create", power=8))
    await receiver.told(3)
    assert receiver.values("power") == [5, 6, 8]
