"""What every operation of the gateway API does first, and how it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..errors import TalqError, decoded, refused
from ..wire import answer, asked, body_of, error_answer
from .holdings import Holdings


class Call(msgspec.Struct, frozen=True):
    """One request of the CMS."""

    holdings: Holdings
    request: Request

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.request.path_params[name])

    async def body(self, wanted: Any) -> Any:
        """What was sent. Raises TalqError."""
        return decoded(await body_of(self.request), wanted)

    def ok(self, content: Any = None, status: int = 200) -> Response:
        """An answer."""
        return answer(self.request, status, content)


Handler = Callable[[Call], Awaitable[Response]]


class Operation(msgspec.Struct, frozen=True):
    """An operation of the gateway API."""

    method: str
    path: str
    handler: Handler


def answering(
    operation: Operation, fleet: Mapping[str, Holdings]
) -> Callable[[Request], Awaitable[Response]]:
    """A handler of the web server: finds which gateway is meant, and lets only its CMS ask."""

    async def answered(request: Request) -> Response:
        try:
            who = asked(request)
            holdings = fleet.get(request.path_params["gateway"])
            if holdings is None:
                raise refused(503, "genericError", "there is no such gateway here")
            known = holdings.cms.int != 0
            if known and who.client != holdings.cms:
                raise refused(400, "parameterValueNotValid", "clientAddress is not my CMS's")
            return await operation.handler(Call(holdings, request))
        except TalqError as error:
            return error_answer(request, error)

    return answered


def none_twice(names: Collection[str]) -> None:
    """A list names each once. Raises TalqError."""
    if len(set(names)) < len(names):
        raise refused(400, "payloadError", "something is in the list twice")
