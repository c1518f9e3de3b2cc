"""What a gateway asks of the CMS: it introduces itself, tells its devices, and reports."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import httpx
import msgspec

from .. import functions
from ..base import NIL, VERSION
from ..messages import Device
from ..wire import HEADER, packed
from .holdings import Holdings, request_id

_log = logging.getLogger(__name__)
_AT_ONCE: Final = 200  # devices in one request
_PAUSE: Final = 2.0  # seconds before it is tried again, at first
_LONGEST: Final = 60.0


Step = tuple[str, str, Any]
"""A request: method, path, content."""


class Refused(Exception):  # noqa: N818  # says what became of the request
    """The CMS will not."""

    def __init__(self, status: int, text: str, later: float = 0.0) -> None:
        self.status = status
        self.later = later  # seconds after which it asks to be asked again; 0 for no word of that
        super().__init__(f"{status}: {text}")


class Speaker:
    """One gateway's side of the line. `key` is what the CMS admitted it with."""

    def __init__(
        self, holdings: Holdings, http: httpx.AsyncClient, cms_uri: str, key: str, own_uri: str
    ) -> None:
        self.holdings = holdings
        self._http = http
        self._key = key
        self._steps: Iterator[Step] = iter(())  # of the introduction
        self._step: Step | None = None
        self._unanswered: Step | None = None
        holdings.cms_uri = cms_uri.rstrip("/") + "/"
        holdings.uri = own_uri.rstrip("/") + "/"

    async def introduce(self) -> None:
        """The bootstrap (5.1), and all devices; where it broke off before, it goes on. Raises Refused,
        httpx.HTTPError."""
        holdings = self.holdings
        if holdings.address == NIL:
            holdings.forget()
            (itself,) = msgspec.json.decode(
                await self._send("POST", "devices", [holdings.itself()], announcing=True), type=list[Device]
            )
            holdings.cms = UUID(functions.value_of(itself.functions, functions.GATEWAY, "cmsAddress"))
            holdings.address = itself.address
            self._steps = self._bootstrap()
            self._step = next(self._steps, None)
        while self._step is not None:
            try:
                await self._send(*self._step)
            except httpx.HTTPError:
                self._unanswered = self._step
                raise
            except Refused as error:
                # 409: it is there, for only the answer got lost before.
                if error.status != 409 or self._unanswered is not self._step:
                    raise
            self._step = next(self._steps, None)

    def _bootstrap(self) -> Iterator[Step]:
        """What it says after the announcement."""
        holdings = self.holdings
        yield "POST", "device-classes", [holdings.gateway_class()]
        yield "PATCH", f"devices/{holdings.address}", holdings.itself()
        yield "POST", "services", holdings.services()
        yield "POST", "device-classes", holdings.classes()[1:]
        devices = [one for one in holdings.devices() if one.address != holdings.address]
        for start in range(0, len(devices), _AT_ONCE):
            yield "POST", "devices", devices[start : start + _AT_ONCE]

    @property
    def introduced(self) -> bool:
        """Whether the CMS knows it and all its devices."""
        return self.holdings.address != NIL and self._step is None

    async def report(self) -> int:
        """Report what waits; returns how many entries the CMS took. Raises Refused, httpx.HTTPError."""
        taken = 0
        for report in self.holdings.reports():
            await self._send("POST", "log-reports", report)
            self.holdings.reported(report)
            taken += len(report.entries)
        return taken

    async def live(self, *, every: float, sample: float) -> None:
        """Introduce itself, then let the lamps follow and report, `every` few seconds, and every lamp's state each
        `sample` seconds; for ever."""
        pause, sampled = _PAUSE, 0.0
        while True:
            rest = every
            try:
                if not self.introduced:
                    await self.introduce()
                    _log.info("%s is introduced as %s", self.holdings.name, self.holdings.address)
                self.holdings.step()
                sampled += every
                if sampled >= sample:
                    self.holdings.record_all()
                    sampled = 0.0
                await self.report()
                pause = _PAUSE
            except (Refused, httpx.HTTPError) as error:
                if isinstance(error, Refused) and error.later:
                    rest = min(every, error.later)
                else:
                    _log.warning("%s: %s", self.holdings.name, error)
                    rest, pause = pause, min(2 * pause, _LONGEST)
                if isinstance(error, Refused) and error.status in (400, 403):
                    self.holdings.forget()  # the CMS knows nothing of us (any more)
            await asyncio.sleep(rest)

    async def _send(self, method: str, path: str, content: Any, *, announcing: bool = False) -> bytes:
        query = {"talqRequestId": request_id()}
        if not announcing:
            query["clientAddress"] = str(self.holdings.address)
        headers = {
            HEADER: VERSION,
            "authorization": f"Bearer {self._key}",
            "content-type": "application/json",
            "cache-control": "no-transform",
        }
        body = msgspec.json.encode(content)
        if len(body) > 10_000 and isinstance(content, Sequence):
            body = packed(body, "gzip")
            headers["content-encoding"] = "gzip"
        response = await self._http.request(
            method, self.holdings.cms_uri + path, params=query, content=body, headers=headers
        )
        if not response.is_success:
            later = response.headers.get("retry-after", "")
            raise Refused(
                response.status_code, response.text[:500], float(later) if later.isdecimal() else 0.0
            )
        return response.content
