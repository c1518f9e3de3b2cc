"""What hangs, for programs."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City

from . import notices


async def hanging(city: City, request: Request) -> Response:
    """The notices that hang, the newest first."""
    return Response(msgspec.json.encode(await notices.hanging(city)), media_type="application/json")
