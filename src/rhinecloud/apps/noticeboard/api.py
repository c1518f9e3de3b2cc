"""What hangs, for programs."""

from __future__ import annotations

from starlette.requests import Request

from rhinecloud.city import City

from . import notices
from .notices import Notice


async def hanging(city: City, request: Request) -> list[Notice]:
    """The notices that hang, the newest first."""
    return await notices.hanging(city)
