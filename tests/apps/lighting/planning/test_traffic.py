"""Lamps follow the counted traffic of their street in a served city, and have the full class when nobody counts."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from ....conftest import Serve, Server
from .test_keeping import OWN, apply, ask, until

COUNTER = "urn:ngsi-ld:TrafficFlowObserved:zaehlstelle-7"
LAMP = "urn:ngsi-ld:Streetlight:"


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Server:
    return module_serve()


@pytest_asyncio.fixture
async def city(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=90) as client:
        yield client


def lamp(name: str, street: str, **more: Any) -> dict[str, Any]:
    return {
        "id": LAMP + name,
        "type": "Streetlight",
        "name": name,
        "address": {"type": "Property", "value": {"streetAddress": street}},
        "locationCategory": "road",
        "location": {"type": "Point", "coordinates": [6.7, 51.45]},
        **more,
    }


async def counted(city: httpx.AsyncClient, vehicles: int, ago: timedelta = timedelta()) -> None:
    """What the counter says of the hour that ended `ago`."""
    end = datetime.now(UTC) - ago
    begin = end - timedelta(hours=1)
    interval = f"{begin:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"
    document = {
        "id": COUNTER,
        "type": "TrafficFlowObserved",
        "name": "Zählstelle 7",
        "intensity": {"type": "Property", "value": vehicles, "observedAt": interval.partition("/")[2]},
        "dateObserved": {"type": "Property", "value": interval},
    }
    await ask(city, "/ngsi-ld/v1/entityOperations/upsert", json=[document])


async def test_lamps_follow_the_traffic_of_their_street(server: Server, city: httpx.AsyncClient) -> None:
    rows = await asyncpg.connect(server.database_url)

    async def levels() -> dict[str, float]:
        found = await rows.fetch("SELECT lamp, level FROM app_lighting.target")
        return {record[0].removeprefix(LAMP): record[1] for record in found}

    def are(**expected: float) -> Any:
        async def so() -> bool:
            return await levels() == expected

        return so

    lamps = [
        lamp("m2", "Königstraße", lightingClass="M2"),
        lamp("c1", "Königstraße", lightingClass="C1"),
        lamp("unknown", "Königstraße"),
        lamp("elsewhere", "Parkweg", lightingClass="M2"),
    ]
    await ask(city, "/ngsi-ld/v1/entityOperations/upsert", json=lamps)
    given = {"name_de": "Verkehr", "name_en": "Traffic", "fixed-0-at": "12:00", "fixed-0-level": "100"}
    given |= {"volume": "on", "volume_high": "500", "volume_low": "100", "volume_hold": "0"}
    await ask(city, "/lighting/programs/new", data=given)
    await ask(
        city, "/lighting/calendars", data={"name_de": "Immer", "name_en": "Always", "default": "verkehr"}
    )
    group = {"kind": "type", "name_de": "Alle", "name_en": "All", "categories": "road"}
    await ask(city, "/lighting/groups/new", data=group)
    await ask(city, "/lighting/plan/assign", data={"action": "add", "group": "alle", "calendar": "immer"})
    await apply(city)
    full = {"m2": 100, "c1": 100, "unknown": 100, "elsewhere": 100}
    await until(are(**full))

    await counted(city, 300)
    await ask(city, "/lighting/traffic", data={"street": "Königstraße", "entity": COUNTER})
    await until(are(**full | {"m2": 67, "c1": 67}))
    assert "Klasse M3 statt M2: 300 Fahrzeuge/h, Schwelle 500 (Königstraße)" in await why(city, "m2")
    assert "die der Leuchte ist nicht bekannt" in await why(city, "unknown")
    assert "Klasse M2: hier wird nicht gezählt" in await why(city, "elsewhere")
    await counted(city, 20)
    await until(are(**full | {"m2": 50, "c1": 50}))
    shown = await text(city, "/lighting/traffic")
    assert "zwei Klassen weniger" in shown and COUNTER in shown

    # What the night would be with other traffic; and the mean of what was counted.
    assert "900 Fahrzeuge/h, weniger Licht unter 450" in await text(
        city, f"/lighting/night?lamp={LAMP}m2&vehicles=900"
    )
    week = await text(city, f"/lighting/night?lamp={LAMP}m2&vehicles=week")
    assert re.search(r"Klasse M[34] statt M2: \d+ Fahrzeuge/h", week)
    assert "keine gültige Zählung (Königstraße)" in week  # of the hours of which there is no count
    assert "weder eine Zahl noch 24" in await text(city, f"/lighting/night?lamp={LAMP}m2&vehicles=viele")

    await counted(city, 900)
    await until(are(**full))
    await counted(city, 20)
    await until(are(**full | {"m2": 50, "c1": 50}))
    await ask(city, f"/ngsi-ld/v1/entities/{COUNTER}", method="DELETE")
    await until(are(**full))  # nobody counts any more
    assert "keine gültige Zählung (Königstraße)" in await why(city, "m2")
    await counted(city, 20, timedelta(hours=2))
    assert "keine gültige Zählung (Königstraße)" in await why(city, "m2")  # too old
    number = re.search(r"/lighting/traffic/(\d+)/remove", await text(city, "/lighting/traffic"))
    assert number is not None
    await ask(city, f"/lighting/traffic/{number[1]}/remove", data={})
    assert "Bisher zählt niemand" in await text(city, "/lighting/traffic")
    await rows.close()


async def why(city: httpx.AsyncClient, name: str) -> str:
    return await text(city, f"/lighting/lamps/{LAMP}{name}")


async def text(city: httpx.AsyncClient, path: str) -> str:
    return html.unescape((await ask(city, path, method="GET")).text)
