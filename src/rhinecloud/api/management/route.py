"""What the API offers: each operation with its path, its permission and its documents."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from rhinecloud.broker import Broker
from rhinecloud.gateways.devices.devices import Devices
from rhinecloud.gateways.devices.push import Push
from rhinecloud.gateways.profiles import Profiles
from rhinecloud.gateways.unmapped import Unmapped
from rhinecloud.people import Permission

from .exchange import Answer, Request


class Services(msgspec.Struct, frozen=True):
    """What the operations work with."""

    broker: Broker
    devices: Devices
    profiles: Profiles
    unmapped: Unmapped
    push: Push


# Not a person but a device speaks, with a secret of its own: `Authorization: Bearer …`. The operation checks it.
BY_DEVICE = Permission(
    "device", "mit dem Geheimnis des Geräts sprechen", "speak with the secret of the device itself"
)

Operation = Callable[[Services, Request], Awaitable[Answer]]


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of the query."""

    name: str
    text: str
    kind: str = "string"  # JSON Schema's word


class Route(msgspec.Struct, frozen=True):
    """One operation. `path` is below /api/v1, with {names}; `body` and `answer` are the types of the documents."""

    method: str
    path: str
    permission: Permission
    operation: Operation
    summary: str
    body: Any = None
    body_media_types: tuple[str, ...] = ("application/json",)
    status: int = 200
    answer: Any = None
    query: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    largest_body: int = 2**20  # bytes

    @property
    def name(self) -> str:
        """Unique: the name of the operation."""
        return self.operation.__name__


PAGING = (
    Parameter("limit", "Items in the answer: 100 unless asked otherwise, 1,000 at most.", "integer"),
    Parameter("after", "What the previous page named as `next`."),
)
NEWEST_FIRST = (
    PAGING[0],
    Parameter("before", "What the previous page named as `next`: newest come first.", "integer"),
)
_NAME = re.compile(r"\{(\w+)\}")


def parameters_of(path: str) -> list[str]:
    """The names in a path."""
    return _NAME.findall(path)
