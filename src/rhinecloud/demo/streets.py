"""The streets of the simulated Duisburg: seven districts, streets through them, lamp posts along the streets.

Districts and the names of main streets are real, courses and lamp posts are invented. Everything follows from the
number of lamp posts alone, so that a restart finds its own entities again. Pure.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

LAMP_SPACING = 35.0  # metres
LAMPS_A_STREET = 72
FEEDERS = ("A", "B")
_ROAD_HALF_WIDTH = 7.0  # metres from the middle to a lamp post
_BETWEEN_PARALLELS = 330.0  # metres
_METRES_A_DEGREE = 111_320.0

Position = tuple[float, float]


@dataclass(frozen=True, slots=True)
class District:
    """A district (Stadtbezirk): roughly its middle in degrees, and the direction of its main street in degrees
    clockwise from north."""

    key: str
    name: str
    lon: float
    lat: float
    bearing: float
    streets: tuple[str, ...]


DISTRICTS = (
    District(
        "walsum",
        "Walsum",
        6.728,
        51.534,
        165,
        ("Friedrich-Ebert-Straße", "Dr.-Wilhelm-Roelen-Straße", "Römerstraße", "Königstraße (Walsum)"),
    ),
    District(
        "hamborn",
        "Hamborn",
        6.771,
        51.491,
        20,
        ("Weseler Straße", "Duisburger Straße", "Kaiser-Wilhelm-Straße", "Jägerstraße"),
    ),
    District(
        "meiderich",
        "Meiderich/Beeck",
        6.776,
        51.463,
        75,
        ("Von-der-Mark-Straße", "Bahnhofstraße", "Westender Straße", "Friedrich-Ebert-Straße (Beeck)"),
    ),
    District(
        "homberg",
        "Homberg/Ruhrort/Baerl",
        6.690,
        51.459,
        110,
        ("Augustastraße", "Moerser Straße", "Duisburger Straße (Homberg)", "Rheindeichstraße"),
    ),
    District(
        "mitte",
        "Mitte",
        6.764,
        51.431,
        85,
        ("Königstraße", "Mülheimer Straße", "Düsseldorfer Straße", "Koloniestraße"),
    ),
    District(
        "rheinhausen",
        "Rheinhausen",
        6.705,
        51.401,
        60,
        ("Krefelder Straße", "Friedrich-Alfred-Straße", "Moerser Straße (Rheinhausen)", "Hochfelder Straße"),
    ),
    District(
        "sued",
        "Süd",
        6.765,
        51.366,
        170,
        ("Düsseldorfer Landstraße", "Großenbaumer Allee", "Angermunder Straße", "Sittardsberger Allee"),
    ),
)


@dataclass(frozen=True, slots=True)
class Street:
    """A street as its lamp posts in order. `key` is part of ids; lamp n stands n × LAMP_SPACING along it. Where it
    `reacts`, lamps brighten ahead of vehicles. Its first half hangs on feeder A of its cabinet, its second on B."""

    key: str
    name: str
    district: District
    lamps: tuple[Position, ...]
    reacts: bool = True

    @property
    def length(self) -> float:
        """Metres."""
        return (len(self.lamps) - 1) * LAMP_SPACING

    def lamp_key(self, index: int) -> str:
        """The local id of a lamp post."""
        return f"duisburg-{self.key}-{index + 1:03d}"

    def feeder(self, index: int) -> str:
        """The feeder of a lamp post, one of FEEDERS."""
        return FEEDERS[index * len(FEEDERS) // len(self.lamps)]

    def feeder_key(self, feeder: str) -> str:
        """The local id of a feeder."""
        return f"duisburg-{self.key}-{feeder}"


def city(lamps: int) -> list[Street]:
    """Streets with so many lamp posts in all, spread over the districts."""
    streets = []
    left = lamps
    number = 0
    while left > 0:
        district = DISTRICTS[number % len(DISTRICTS)]
        streets.append(_street(district, number // len(DISTRICTS), min(left, LAMPS_A_STREET)))
        left -= len(streets[-1].lamps)
        number += 1
    return streets


def _street(district: District, number: int, lamps: int) -> Street:
    """The streets of a district are parallels and crossings by turns, each with a bend of its own."""
    chance = random.Random(f"{district.key} {number}")
    crossing = number % 2 == 1
    bearing = math.radians(district.bearing + (90 if crossing else 0) + chance.uniform(-6, 6))
    rank = number // 2  # 0, 1, -1, 2, -2 … parallels beside the first
    beside = (rank + 1) // 2 * (1 if rank % 2 else -1) * _BETWEEN_PARALLELS
    bend = chance.uniform(-120, 120)
    half = (LAMPS_A_STREET - 1) * LAMP_SPACING / 2
    points = []
    for index in range(lamps):
        along = index * LAMP_SPACING - half
        side = _ROAD_HALF_WIDTH if index % 2 else -_ROAD_HALF_WIDTH
        across = beside + bend * math.cos(math.pi * along / (2 * half)) + side
        points.append(_moved(district, bearing, along, across))
    name = district.streets[number] if number < len(district.streets) else f"Straße {number + 1}"
    # In the demo the main streets see who is coming, and the streets that cross them do not.
    return Street(f"{district.key}-{number + 1:02d}", name, district, tuple(points), reacts=not crossing)


def _moved(district: District, bearing: float, along: float, across: float) -> Position:
    east = along * math.sin(bearing) + across * math.cos(bearing)
    north = along * math.cos(bearing) - across * math.sin(bearing)
    lon = district.lon + east / (_METRES_A_DEGREE * math.cos(math.radians(district.lat)))
    return round(lon, 6), round(district.lat + north / _METRES_A_DEGREE, 6)
