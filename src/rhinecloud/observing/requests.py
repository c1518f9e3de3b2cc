"""HTTP requests of a worker: counted, timed, given an id, and logged where the settings say so."""

from __future__ import annotations

import logging
import re
import secrets
import time
from bisect import bisect_left
from typing import Any, Final

import msgspec

from .lines import REQUEST

_log = logging.getLogger("rhinecloud.access")

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends (seconds) that durations are sorted by."""
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_PARTS = (("/ngsi-ld/v1/", "ngsi_ld"), ("/api/", "api"), ("/live/", "live"), ("/static/", "static"))
# W3C Trace Context §3.2.2: version, trace id, parent id, flags; all-zero ids are invalid.
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


class Durations(msgspec.Struct):
    """How many took up to each of BUCKETS, or longer; and all their seconds."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


class Requests(msgspec.Struct):
    """What happened since this worker started. `answered`: by part, method and status, separated by blanks."""

    answered: dict[str, int] = {}
    durations: dict[str, Durations] = {}
    in_progress: int = 0


def part_of(path: str) -> str:
    """Which part of the program a path belongs to."""
    return next((part for beginning, part in _PARTS if path.startswith(beginning)), "pages")


class Observed:
    """An ASGI application around another; `requests` is what it has seen."""

    def __init__(self, application: Any, *, access_log: bool = False) -> None:
        self._application = application
        self._access_log = access_log
        self.requests = Requests()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand it on, and see what becomes of it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        request = _request_id(scope["headers"])
        REQUEST.set(request)
        status = 0  # stays so if nobody was there any more to be answered

        async def observed(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request.encode())]
            await send(message)

        self.requests.in_progress += 1
        begun = time.perf_counter()
        try:
            await self._application(scope, receive, observed)
        finally:
            self.requests.in_progress -= 1
            self._note(scope, status, time.perf_counter() - begun)

    def _note(self, scope: Any, status: int, seconds: float) -> None:
        part = part_of(scope["path"])
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        key = f"{part} {method} {status}"
        self.requests.answered[key] = self.requests.answered.get(key, 0) + 1
        if part != "live":  # a live view lasts as long as somebody looks
            durations = self.requests.durations.setdefault(part, Durations())
            durations.counts[bisect_left(BUCKETS, seconds)] += 1
            durations.seconds += seconds
        if self._access_log:
            fields = {"method": method, "part": part, "status": status, "seconds": round(seconds, 4)}
            _log.info(
                "%s %s %d %.1f ms", method, scope["path"], status, seconds * 1000, extra={"fields": fields}
            )


def _request_id(headers: Any) -> str:
    for name, value in headers:
        if name == b"traceparent":
            found = _TRACEPARENT.fullmatch(value)
            if found is not None:
                return str(found[1].decode())
            break
    return secrets.token_hex(16)
