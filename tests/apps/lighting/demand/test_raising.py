"""A lamp that light on demand raises does what it should: planning does not call that a contradiction, and says so."""

from __future__ import annotations

import asyncio
import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve

from ..planning.test_keeping import OWN, ask, plan, until
from .field import LAMP, Office

pytestmark = pytest.mark.skipif(bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="needs MQTT")


async def why(city: httpx.AsyncClient, lamp: str) -> str:
    """The reasons on the page of a lamp."""
    shown = (await ask(city, f"/lighting/lamps/{LAMP}{lamp}", method="GET")).text
    found = re.search(r"<dt>Warum</dt><dd>(.*?)</dd>", shown, re.S)
    assert found is not None, shown
    return html.unescape(found[1])


def says(lamp: str, level: float, at: datetime) -> dict[str, Any]:
    return {
        "id": LAMP + lamp,
        "type": "Streetlight",
        "illuminanceLevel": {"type": "Property", "value": level, "observedAt": f"{at:%Y-%m-%dT%H:%M:%SZ}"},
    }


async def test_a_raised_lamp_contradicts_nothing(serve: Serve) -> None:
    server = await asyncio.to_thread(serve)
    office = Office(server)
    await asyncio.to_thread(office.set_up)
    office.http.close()
    rows = await asyncpg.connect(server.database_url)
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=90) as city:

        async def states() -> dict[str, str]:
            found = await rows.fetch("SELECT lamp, state FROM app_lighting.target WHERE state IS NOT NULL")
            return {record[0].removeprefix(LAMP): record[1] for record in found}

        await plan(city, 40)
        await until(lambda: holds(states, "n5", "n9", "b5"))
        # Long enough after they were told that they would have settled.
        later = datetime.now(UTC) + timedelta(seconds=90)
        reports = [says("n5", 1.0, later), says("n9", 0.1, later), says("b5", 1.0, later)]
        await ask(city, "/ngsi-ld/v1/entityOperations/upsert?options=update", json=reports)

        async def contradicted() -> bool:
            found = await states()
            return found["n9"] == found["b5"] == "contradicted"

        await until(contradicted)
        assert (await states())["n5"] in ("asked", "sent")
        assert "Licht auf Anfrage hat sie angehoben" in await why(city, "n5")
        assert "Licht auf Anfrage hebt sie auf bis zu 100 % an" in await why(city, "n9")
        assert "Licht auf Anfrage" not in await why(city, "b5")
    await rows.close()


async def holds(states: Any, *names: str) -> bool:
    found = await states()
    return all(name in found for name in names)
