"""Sending entities: batches to POST /ngsi-ld/v1/entityOperations/upsert (CIM 009 §5.6.8), a verdict for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import msgspec

from rhinecloud.gateways.importing.mapping import Mapping

MOST_AT_ONCE = 1_000
_PATIENCE = 120.0  # seconds to wait for a server that is away or overloaded
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_TRY_AGAIN = frozenset({429, 502, 503, 504})


class ServerRefuses(Exception):  # noqa: N818  # says what it is
    """The server cannot be reached, or refuses whatever is sent."""


class Upsert:
    """Sends batches; `say` hears about waiting."""

    def __init__(self, client: httpx.AsyncClient, mapping: Mapping, say: Callable[[str], None]) -> None:
        self._client = client
        self._say = say
        self._parameters = {"options": "update"} if mapping.mode == "update" else {}
        self._context = mapping.context
        self._headers = {
            "content-type": "application/json" if mapping.context is None else "application/ld+json"
        }

    @classmethod
    def client(cls, url: str, token: str | None) -> httpx.AsyncClient:
        """A client for the server at `url`."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT)

    async def send(self, entities: Sequence[dict[str, Any]]) -> list[str | None]:
        """For each entity None, or why the server refused it. Raises ServerRefuses."""
        documents = entities
        if self._context is not None:
            documents = [{**entity, "@context": self._context} for entity in entities]
        answer = await self._insist(msgspec.json.encode(documents))
        if answer.status_code in (200, 201, 204):
            return [None] * len(entities)
        if answer.status_code == 207:
            reasons = _reasons(answer)
            return [reasons.get(entity["id"]) for entity in entities]
        if answer.status_code in (400, 413, 422):
            if len(entities) == 1:
                return [_problem(answer)]
            half = len(entities) // 2
            return [*await self.send(entities[:half]), *await self.send(entities[half:])]
        raise ServerRefuses(f"the server answers {answer.status_code}: {_problem(answer)}")

    async def _insist(self, body: bytes) -> httpx.Response:
        begun = time.monotonic()
        pause = 0.25
        while True:
            try:
                answer = await self._client.post(
                    "/ngsi-ld/v1/entityOperations/upsert",
                    content=body,
                    params=self._parameters,
                    headers=self._headers,
                )
                if answer.status_code not in _TRY_AGAIN:
                    return answer
                problem = f"the server answers {answer.status_code}"
                pause = max(pause, _retry_after(answer))
            except httpx.TransportError as error:
                problem = f"{self._client.base_url} cannot be reached ({error or type(error).__name__})"
            if time.monotonic() - begun > _PATIENCE:
                raise ServerRefuses(problem)
            if pause > 1:
                self._say(f"{problem}; trying again in {pause:.0f} s")
            await asyncio.sleep(pause)
            pause = min(10.0, pause * 2)


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(60.0, float(answer.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0


def _reasons(answer: httpx.Response) -> dict[str, str]:
    """Entity id → reason, from a BatchOperationResult (CIM 009 §5.2.16)."""
    found: dict[str, str] = {}
    for item in answer.json().get("errors", ()):
        found[item.get("entityId", "")] = _words(item.get("error"))
    return found


def _problem(answer: httpx.Response) -> str:
    try:
        return _words(answer.json())
    except ValueError:
        return answer.text[:200] or answer.reason_phrase


def _words(problem: Any) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    words = problem.get("detail") or problem.get("title") or str(problem)
    place = problem.get("field") or problem.get("instance")
    return f"{place}: {words}" if place else str(words)
