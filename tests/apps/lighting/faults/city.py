"""A city whose lamps say what a test has them say, and its lighting office."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

OWN = {"Sec-Fetch-Site": "same-origin"}
LAMP = "urn:ngsi-ld:Streetlight:"
KINDS = ("day_burner", "cycling", "dark", "dimming", "power", "temperature", "nonsense")
AT_ONCE = {"begin_minutes": "0", "begin_reports": "2", "end_minutes": "0", "end_reports": "1"}


def noon(minutes: float = 0) -> datetime:
    """A noon that is over, and minutes after it: the sun is up in Duisburg."""
    return datetime.now(UTC).replace(hour=11, minute=0, second=0, microsecond=0) - timedelta(
        days=1 - minutes / 1440
    )


class Lamps:
    """What lamps, other programs and the staff do to a city."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, headers=OWN, timeout=60)
        self._minute = 0.0

    async def put_up(self, *names: str, **attributes: Any) -> None:
        """Lamps in the Römerstraße."""
        await self.upsert(
            *(
                {
                    "id": LAMP + name,
                    "type": "Streetlight",
                    "name": f"Römerstraße {name}",
                    "location": {"type": "Point", "coordinates": [6.76, 51.43]},
                    "powerRating": 60,
                    **attributes,
                }
                for name in names
            )
        )

    async def upsert(self, *entities: dict[str, Any]) -> None:
        """Put entities into the graph."""
        answer = await self.http.post(
            "/ngsi-ld/v1/entityOperations/upsert?options=update", json=list(entities)
        )
        assert answer.status_code in (201, 204), answer.text

    async def say(self, *names: str, times: int = 2, **values: Any) -> None:
        """Lamps report at noon, each time a minute later."""
        for _ in range(times):
            self._minute += 1
            at = noon(self._minute).isoformat().replace("+00:00", "Z")
            attributes = {
                name: {"type": "Property", "value": value, "observedAt": at} for name, value in values.items()
            }
            await self.upsert(*({"id": LAMP + name, "type": "Streetlight", **attributes} for name in names))

    async def thresholds(self, **changed: str) -> None:
        """What is a fault: what lasts for two reports, unless said otherwise."""
        page = (await self.http.get("/lighting/faults/thresholds")).text
        given = {
            name: value.split('"')[0]
            for name, value in (
                (piece.split('"')[0], piece.partition(' value="')[2]) for piece in page.split(' name="')[1:]
            )
            if value
            and name not in ("viewport", "color-scheme", "htmx-config", "constant_light", "on_demand")
        }
        given |= {f"{kind}-{name}": value for kind in KINDS for name, value in AT_ONCE.items()}
        given |= {"constant_light": "unknown", "gather_minutes": "0", "settle_after_supply_minutes": "0"}
        given |= {"contradicted_minutes": "0"} | changed
        answer = await self.http.post("/lighting/faults/thresholds", data=given)
        assert answer.status_code == 303, answer.text

    async def status(self, name: str) -> str:
        """What the graph says of a lamp."""
        answer = await self.http.get(f"/ngsi-ld/v1/entities/{LAMP}{name}", params={"options": "keyValues"})
        return str(answer.json().get("status", ""))


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 100.0) -> Any:
    """What an awaited condition gives, as soon as it holds."""
    end = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < end, condition.__name__
        await asyncio.sleep(0.1)
    return found
