"""The entities of the benchmark: lamp posts of a city, about 1 kB of normalised NGSI-LD each."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import msgspec

from .jobs import Workload

TYPE = "Streetlight"
GROUP = 20  # lamp posts that one value of controlGroup has: the results of the query
RADIUS = 500  # metres
PAGE = 20
BATCH = 1_000
_WEST, _SOUTH, _EAST, _NORTH = 6.65, 51.33, 6.83, 51.56  # Duisburg, degrees
_GOLDEN = (math.sqrt(5) - 1) / 2


def identity(number: int) -> str:
    """The id of a lamp post that is there before the load."""
    return f"urn:ngsi-ld:{TYPE}:{number:06d}"


def position(number: int, entities: int) -> tuple[float, float]:
    """Longitude and latitude in degrees: evenly over the box, neighbours in number far apart."""
    lon = _WEST + (_EAST - _WEST) * ((number * _GOLDEN) % 1.0)
    lat = _SOUTH + (_NORTH - _SOUTH) * ((number + 0.5) / max(1, entities))
    return round(lon, 6), round(lat, 6)


def lamp(number: int, entities: int, *, entity_id: str | None = None, level: float = 0.5) -> dict[str, Any]:
    """A lamp post with ten attributes in the normalised representation."""
    at = "2024-01-31T17:00:00Z"
    group = number % groups(entities)
    return {
        "id": entity_id or identity(number),
        "type": TYPE,
        "name": {"type": "Property", "value": f"Leuchte {number} Königstraße"},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": list(position(number, entities))},
        },
        "powerState": {"type": "Property", "value": "on", "observedAt": at},
        "status": {"type": "Property", "value": "ok", "observedAt": at},
        "illuminanceLevel": {"type": "Property", "value": level, "observedAt": at},
        "powerConsumption": {"type": "Property", "value": 38.5, "unitCode": "WTT", "observedAt": at},
        "lampTechnology": {"type": "Property", "value": "LED"},
        "lanternHeight": {"type": "Property", "value": 6.5, "unitCode": "MTR"},
        "controlGroup": {"type": "Property", "value": group},
        "refStreetlightGroup": {
            "type": "Relationship",
            "object": f"urn:ngsi-ld:StreetlightGroup:{group:05d}",
        },
    }


def groups(entities: int) -> int:
    """How many values controlGroup has; members of a group are spread over the whole table."""
    return max(1, entities // GROUP)


def measurement(draw: random.Random) -> dict[str, Any]:
    """What an update carries: one number with its time."""
    at = f"2024-02-{draw.randrange(1, 28):02d}T{draw.randrange(24):02d}:{draw.randrange(60):02d}:00Z"
    return {"illuminanceLevel": {"type": "Property", "value": round(draw.random(), 3), "observedAt": at}}


MEASURED = ("illuminanceLevel", "activePower", "lampVoltage", "lampCurrent", "temperature")
MESSAGES = 500  # of the gateway's in one transaction; the raw limit writes as many in one statement


def message(draw: random.Random, attributes: int = 1) -> bytes:
    """What a device publishes: numbers in the plain-JSON profile; their time is that of their arrival."""
    return encode({name: round(draw.random(), 6) for name in MEASURED[:attributes]})


def reading(draw: random.Random) -> dict[str, Any]:
    """The same with all five attributes, normalised."""
    at = f"2024-02-{draw.randrange(1, 28):02d}T{draw.randrange(24):02d}:{draw.randrange(60):02d}:00Z"
    return {
        name: {"type": "Property", "value": round(draw.random(), 6), "observedAt": at} for name in MEASURED
    }


def batches(entities: int) -> Iterator[list[dict[str, Any]]]:
    """All lamp posts, a thousand at a time."""
    for start in range(0, entities, BATCH):
        yield [lamp(n, entities) for n in range(start, min(start + BATCH, entities))]


class Parts:
    """What one request is about; HTTP and SQL make their own of it."""

    __slots__ = ("centre", "documents", "group", "id", "number", "offset")

    def __init__(self) -> None:
        self.id = ""
        self.number = 0
        self.documents: list[dict[str, Any]] = []
        self.group = 0
        self.offset = 0
        self.centre = (0.0, 0.0)


def parts(workload: Workload, seed: int, entities: int) -> Iterator[Parts]:
    """Requests without end, the same for the same seed."""
    draw = random.Random(seed)
    count = 0
    while True:
        made = Parts()
        number = draw.randrange(entities)
        made.id, made.number = identity(number), number
        match workload:
            case "create":
                made.id = f"urn:ngsi-ld:{TYPE}:new-{seed}-{count}"
                made.documents = [lamp(number, entities, entity_id=made.id, level=round(draw.random(), 3))]
            case "update":
                made.documents = [measurement(draw)]
            case "upsert":
                made.documents = [lamp(number, entities, level=round(draw.random(), 3))]
            case "batch":
                start = draw.randrange(max(1, entities - BATCH + 1))
                size = min(BATCH, entities)
                made.documents = [
                    lamp(n, entities, level=round(draw.random(), 3)) for n in range(start, start + size)
                ]
            case "measured":
                size = min(MESSAGES, entities)
                made.documents = [
                    {"id": identity(n), **reading(draw)} for n in sorted(draw.sample(range(entities), size))
                ]
            case "page":
                made.offset = draw.randrange(max(1, min(1_000, entities - PAGE)))
            case "q":
                made.group = draw.randrange(groups(entities))
            case "geo":
                made.centre = (
                    round(draw.uniform(_WEST + 0.01, _EAST - 0.01), 6),
                    round(draw.uniform(_SOUTH + 0.01, _NORTH - 0.01), 6),
                )
        yield made
        count += 1


def encode(document: Any) -> bytes:
    """JSON without spaces."""
    return msgspec.json.encode(document)
