"""A small city to plan for: lamps, programs, calendars."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from rhinecloud.apps.lighting.cadastre.lamps import Lamp
from rhinecloud.apps.lighting.control.calendars import Calendar
from rhinecloud.apps.lighting.control.programs import Absolute, Astro, Program, Step

BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 11, 23)

DIMMED = Program(
    id="dimmed",
    name=("Gedimmt", "Dimmed"),
    periods=(Astro(),),
    fixed=(Step("16:00", 100), Step("23:00", 40), Step("05:00", 80)),
)
PART_NIGHT = Program(
    id="part-night",
    name=("Halbe Nacht", "Part of the night"),
    periods=(Absolute("16:00", "23:00"),),
    fixed=(Step("12:00", 100),),
)
ALWAYS = Calendar(id="always", name=("Immer", "Always"), default="dimmed")


def lamp(number: int, **facts: Any) -> Lamp:
    """A lamp of Königstraße unless `facts` say otherwise."""
    return Lamp(
        **{
            "id": f"urn:ngsi-ld:Streetlight:L{number}",
            "lon": 6.76 + number * 1e-4,
            "lat": 51.43,
            "name": f"Königstraße {number}",
            "street": "Königstraße",
            "district": "Altstadt",
        }
        | facts
    )
