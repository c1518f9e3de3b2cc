"""What can be wrong with a lamp, and with what feeds it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from rhinecloud.app import Text


class Kind(StrEnum):
    """A kind of fault. `SUPPLY` is that of a feeder or cabinet, all others are of one lamp."""

    DAY_BURNER = "day_burner"
    CYCLING = "cycling"
    DARK = "dark"
    DIMMING = "dimming"
    POWER = "power"
    TEMPERATURE = "temperature"
    SILENCE = "silence"
    NONSENSE = "nonsense"
    SUPPLY = "supply"

    @property
    def text(self) -> Text:
        """German, English."""
        return _TEXTS[self]

    @property
    def defect(self) -> bool:
        """Whether a lamp that has it does not light as it should: its `status` says so in the graph."""
        return self not in (Kind.TEMPERATURE, Kind.SILENCE, Kind.NONSENSE, Kind.SUPPLY)


LAMP_KINDS: Final = tuple(kind for kind in Kind if kind is not Kind.SUPPLY)
"""In the order of the rows of the detectors' state."""

_TEXTS: Final[dict[Kind, Text]] = {
    Kind.DAY_BURNER: ("Brennt am Tag", "Burns by day"),
    Kind.CYCLING: ("Geht an und aus", "Cycles on and off"),
    Kind.DARK: ("Dunkel", "Dark"),
    Kind.DIMMING: ("Dimmt nicht wie geplant", "Does not dim as planned"),
    Kind.POWER: ("Ungewöhnliche Leistung", "Unexpected power"),
    Kind.TEMPERATURE: ("Zu heiß", "Too hot"),
    Kind.SILENCE: ("Meldet sich nicht", "Silent"),
    Kind.NONSENSE: ("Meldet Unmögliches", "Reports the impossible"),
    Kind.SUPPLY: ("Ohne Versorgung", "Without supply"),
}
