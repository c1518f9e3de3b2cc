"""What can be wrong with a lamp or its feeder, which of it happens by itself, and what a technician does. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rhinecloud.demo.streets import FEEDERS, Street

CYCLE = 60.0  # seconds in which a lamp that cycles goes out and on again once


class Fault(StrEnum):
    """What a broken lamp does."""

    DARK = "dark"  # its driver is dead: it says its level and draws next to nothing
    STUCK = "stuck"  # its relay is welded: it shines fully, day and night
    CYCLING = "cycling"  # it overheats, goes out, cools down, goes on
    UNDIMMED = "undimmed"  # its driver does not dim: it says its level and draws full power


class Refused(ValueError):
    """A technician cannot do this here; the text says why."""


@dataclass(frozen=True, slots=True)
class Act:
    """A technician's act in a street: a lamp (`index`) gets a `fault` or, with none, is repaired; a `feeder` gets its
    supply, or loses it (`supply` false)."""

    index: int = -1
    fault: Fault | None = None
    feeder: str = ""
    supply: bool = True

    @property
    def text(self) -> str:
        """What happens, in a line."""
        if self.feeder:
            return f"feeder {self.feeder} {'has' if self.supply else 'loses its'} supply"
        return f"lamp {self.index + 1} is {'repaired' if self.fault is None else self.fault}"


# Seconds after the start, the place in the list of streets, and what happens there.
DEVELOPING: tuple[tuple[float, int, Act], ...] = (
    (20.0, 4, Act(index=11, fault=Fault.DARK)),
    (40.0, 7, Act(index=30, fault=Fault.STUCK)),
    (60.0, 0, Act(index=52, fault=Fault.CYCLING)),
    (80.0, 9, Act(index=5, fault=Fault.UNDIMMED)),
    (600.0, 11, Act(feeder="B", supply=False)),
)


def acts(street: Street, wanted: Mapping[str, Any]) -> list[Act]:
    """What a cabinet is asked to play: `{"lamp": 7, "fault": "dark"}` (or `"none"`: it is repaired), `{"feeder": "A",
    "supply": "off"}` (or `"on"`), `{"repair": "all"}`. Raises Refused."""
    match dict(wanted):
        case {"repair": "all", **other} if not other:
            return [
                *(Act(feeder=feeder) for feeder in FEEDERS),
                *(Act(index=index) for index in range(len(street.lamps))),
            ]
        case {"lamp": int(number), "fault": str(fault), **other} if not other and not isinstance(
            number, bool
        ):
            if not 1 <= number <= len(street.lamps):
                raise Refused(f"The lamps of this street are 1 to {len(street.lamps)}")
            return [Act(index=number - 1, fault=_fault(fault))]
        case {"feeder": str(feeder), "supply": "on" | "off" as supply, **other} if not other:
            if feeder not in FEEDERS:
                raise Refused(f"The feeders of this street are {' and '.join(FEEDERS)}")
            return [Act(feeder=feeder, supply=supply == "on")]
    raise Refused(
        'Known here: {"lamp": 7, "fault": "dark"}, {"feeder": "A", "supply": "off"}, {"repair": "all"}'
    )


def _fault(name: str) -> Fault | None:
    if name == "none":
        return None
    try:
        return Fault(name)
    except ValueError:
        raise Refused(f"A fault is one of {', '.join(Fault)}, or none") from None
