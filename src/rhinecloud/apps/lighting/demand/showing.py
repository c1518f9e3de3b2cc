"""What a detector raises, reckoned by the same state machine that runs in the field: for the map and the list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from rhinecloud.app import State, Text

from .neighbours import Kind, Table
from .reacting import Detection, expected

How = Literal["zone", "ahead", "aside", "behind"]
HOWS: Final[dict[How, Text]] = {
    "zone": ("Zone", "zone"),
    "ahead": ("voraus", "ahead"),
    "aside": ("hinter einer Abbiegung", "behind a turn"),
    "behind": ("dahinter", "behind"),
}
STATES: Final = (
    State("chosen", ("dieser Detektor", "this detector"), "square", "#b3123f", "#ff7a9c", 16, alarm=True),
    State("detector", ("Detektor", "detector"), "square", "#0060a8", "#5cc8ff", 12, alarm=True),
    State("now", ("hebt sich sofort", "rises at once"), "disc", "#c96a00", "#ffd24d", 12),
    State("later", ("hebt sich später", "rises later"), "ring", "#c96a00", "#ffd24d", 10),
    State("zone", ("in einer Zone", "in a zone"), "triangle", "#6b3fa0", "#c3a1f2", 11),
    State("other", ("andere Leuchten", "other lamps"), "disc", "#7d8594", "#737d90", 4),
)
CODES: Final = {state.key: code for code, state in enumerate(STATES)}


class Raised(msgspec.Struct, frozen=True):
    """A lamp that one passing raises: metres along the road (None in a zone alone), seconds after the passing from
    which and until when, level in percent, and why."""

    lamp: str
    metres: int | None
    begin: float
    until: float
    level: float
    how: How

    @property
    def code(self) -> int:
        """How it looks on the map."""
        return CODES["zone"] if self.how == "zone" else CODES["later"] if self.begin > 0 else CODES["now"]


def raised(
    table: Table, detector: str, kind: Kind, forward: bool | None, speed: float | None
) -> list[Raised]:
    """What one passing raises, the lamps that rise first before the others. `table`: of that detector alone."""
    if detector not in table.detectors:
        return []
    there = table.detectors[detector]
    ways: list[tuple[How, Sequence[int]]] = []
    if forward is not False:
        ways += [("ahead", there.forward), ("aside", there.forward_aside)]
    if forward is not True:
        ways += [("ahead", there.backward), ("aside", there.backward_aside)]
    if forward is not None:
        ways.append(("behind", there.backward if forward else there.forward))
    placed: dict[int, tuple[How, int]] = {}
    for how, flat in ways:
        for lamp, metres in zip(flat[::2], flat[1::2], strict=True):
            placed.setdefault(lamp, (how, metres))
    passing = Detection(detector, 0.0, kind, forward, speed)
    roadside = msgspec.structs.replace(table, detectors={detector: msgspec.structs.replace(there, zones=())})
    by_the_road = {one.lamp for one in expected(roadside, passing)}
    found = []
    for one in expected(table, passing):
        known = placed.get(one.lamp) if one.lamp in by_the_road else None
        why: How = "zone" if known is None else known[0]
        away = None if known is None else known[1]
        found.append(Raised(table.lamps[one.lamp], away, one.begin, one.until, one.level, why))
    return found
