"""Reading by what is not HTTP: the pages ask what a program would ask, and are answered by the same operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from rhinecloud.broker import Broker
from rhinecloud.people import Actor

from .api import ROUTES
from .exchange import Answer, Exchange

if TYPE_CHECKING:
    from rhinecloud.broker.contexts import Contexts


async def ask(broker: Broker, parts: Sequence[str], parameters: Mapping[str, str], actor: Actor) -> Answer:
    """The answer to a GET of a path below /ngsi-ld/v1/, under the sight of who asks, in names of the core @context.
    Raises the NgsiLdError that HTTP would tell."""
    route, arguments = ROUTES.find(list(parts), "GET")
    given = dict(parameters)
    route.parameters.check(given)
    no_contexts = cast("Contexts", None)  # without a Link header nobody looks for a stored @context
    exchange = Exchange("GET", list(parts), given, {}, b"", no_contexts, actor, actor.sight)
    return await route.operation(broker, exchange, *arguments)
