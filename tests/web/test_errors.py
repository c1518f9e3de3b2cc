"""Error pages say in both languages what happened and what helps; a failure never goes out without the headers."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx
import pytest
from starlette.exceptions import HTTPException

from rhinecloud.broker import Overloaded
from rhinecloud.model import ResourceNotFound
from rhinecloud.settings import Settings
from rhinecloud.web import create_app
from tests.acting import acting


class Broken:
    """A city whose graph answers every question with an error."""

    def __init__(self, error: Exception) -> None:
        self.broker: Any = self
        self.people = self.room = self.pool = self.broker
        self.settings = Settings(map_style_url="https://tiles.example.org/style.json")
        self._error = error

    async def retrieve(self, entity_id: str, **given: Any) -> Any:
        raise self._error

    async def health(self) -> dict[str, Any]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "german", "english"),
    [
        (asyncpg.InterfaceError("closed"), 503, "Gerade nicht verfügbar", "Not available right now"),
        (Overloaded("full"), 503, "Gerade nicht verfügbar", "Not available right now"),
        (ResourceNotFound("no"), 404, "Hier ist nichts", "There is nothing here"),
        (HTTPException(403), 403, "nicht freigegeben", "not open to you"),
        (RuntimeError("secret detail"), 500, "Ein Fehler bei uns", "A failure on our side"),
    ],
)
async def test_an_error_has_a_page(error: Exception, status: int, german: str, english: str) -> None:
    transport = httpx.ASGITransport(app=acting(create_app(Broken(error))), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://city") as client:
        for language, text in (("de", german), ("en", english)):
            answer = await client.get(f"/objects/x?lang={language}")
            assert answer.status_code == status
            assert text in answer.text and "secret detail" not in answer.text
            assert "https://tiles.example.org" in answer.headers["content-security-policy"]
            assert ("retry-after" in answer.headers) is (status == 503)


async def test_operations_tell_what_is_away() -> None:
    transport = httpx.ASGITransport(app=acting(create_app(Broken(asyncpg.InterfaceError("pool is closed")))))
    async with httpx.AsyncClient(transport=transport, base_url="http://city") as client:
        answer = await client.get("/health?lang=de")
        assert answer.status_code == 503
        assert "gestört" in answer.text and "Datenbank" in answer.text
