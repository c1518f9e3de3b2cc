"""What stands still and measures: air, the Rhine at Ruhrort, car parks. Slow, smooth and invented. Pure."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from rhinecloud.demo.traffic import Report

EVERY = 30.0  # seconds between two reports of a station


@dataclass(frozen=True, slots=True)
class Station:
    """`kind` is an entity type; `size` the number of places of a car park."""

    kind: str
    key: str
    name: str
    lon: float
    lat: float
    size: int = 0


STATIONS = (
    Station("WaterObserved", "duisburg-pegel-ruhrort", "Pegel Ruhrort", 6.7286, 51.4554),
    Station("AirQualityObserved", "duisburg-luft-mitte", "Luft Stadtmitte", 6.7630, 51.4325),
    Station("AirQualityObserved", "duisburg-luft-walsum", "Luft Walsum", 6.7400, 51.5240),
    Station("AirQualityObserved", "duisburg-luft-marxloh", "Luft Marxloh", 6.7660, 51.5030),
    Station("AirQualityObserved", "duisburg-luft-rheinhausen", "Luft Rheinhausen", 6.7060, 51.4040),
    Station("AirQualityObserved", "duisburg-luft-buchholz", "Luft Buchholz", 6.7700, 51.3780),
    Station("OffStreetParking", "duisburg-parkhaus-1", "Parkhaus am Bahnhof", 6.7752, 51.4302, 420),
    Station("OffStreetParking", "duisburg-parkhaus-2", "Parkhaus Königstraße", 6.7675, 51.4333, 560),
    Station("OffStreetParking", "duisburg-parkhaus-3", "Parkhaus Innenhafen", 6.7655, 51.4385, 310),
    Station("OffStreetParking", "duisburg-parkhaus-4", "Parkhaus Ruhrort", 6.7330, 51.4560, 180),
)


def report(station: Station, seconds: float) -> Report:
    """What a station says at a moment, in seconds since 1970."""
    return station.kind, station.key, _MEASUREMENTS[station.kind](station, seconds)


def _wave(station: Station, seconds: float, period: float, salt: str = "") -> float:
    """A smooth value between -1 and 1 with a phase of the station's own."""
    phase = random.Random(station.key + salt).random()
    slow = math.sin(2 * math.pi * (seconds / period + phase))
    quick = math.sin(2 * math.pi * (seconds / (period / 7.3) + 3 * phase))
    return 0.8 * slow + 0.2 * quick


def _water(station: Station, seconds: float) -> dict[str, Any]:
    level = 3.9 + 1.1 * _wave(station, seconds, 9 * 86_400)
    return {"waterLevel": {"value": round(level, 2), "unitCode": "MTR"}}


def _air(station: Station, seconds: float) -> dict[str, Any]:
    def micrograms(mean: float, swing: float, salt: str) -> dict[str, Any]:
        value = mean + swing * _wave(station, seconds, 21_600, salt)
        return {"value": round(max(0.0, value), 1), "unitCode": "GQ"}

    temperature = 9 + 5 * _wave(station, seconds, 86_400)
    return {
        "no2": micrograms(24, 14, "no2"),
        "pm10": micrograms(19, 9, "pm10"),
        "pm25": micrograms(11, 6, "pm25"),
        "temperature": {"value": round(temperature, 1), "unitCode": "CEL"},
    }


def _parking(station: Station, seconds: float) -> dict[str, Any]:
    taken = 0.55 + 0.4 * _wave(station, seconds, 28_800)
    return {"availableSpotNumber": round(station.size * (1 - min(1.0, max(0.0, taken))))}


_MEASUREMENTS = {"WaterObserved": _water, "AirQualityObserved": _air, "OffStreetParking": _parking}
