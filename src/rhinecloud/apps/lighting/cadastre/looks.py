"""How lamps look on the lighting map: by level, by state, by alarm, by power. Shape and size tell looks apart where
colours cannot; the colours are the house's. Pure, but for the arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from rhinecloud.app import State, Text

from ..faults.kinds import Kind
from .fleet import POWERS, STATUSES, Fleet

Codes = npt.NDArray[np.uint8]
_BRIGHT: Final = ("#c96a00", "#ffd24d")
_WARM: Final = ("#b07a1a", "#e0a83a")
_FAINT: Final = ("#94783f", "#b98a3a")
_COLD: Final = ("#4a6385", "#8fa6c9")
_GREY: Final = ("#7d8594", "#737d90")
_ALARM: Final = ("#b3123f", "#ff7a9c")
_BLUE: Final = ("#0060a8", "#5cc8ff")
_GREEN: Final = ("#00735c", "#3ecfae")
_VIOLET: Final = ("#6b3fa0", "#c3a1f2")


_FAULTS: Final = (
    (Kind.SUPPLY,),
    (Kind.DARK,),
    (Kind.DAY_BURNER,),
    (Kind.CYCLING, Kind.DIMMING),
    (Kind.POWER, Kind.TEMPERATURE, Kind.NONSENSE),
    (Kind.SILENCE,),
)


class Look(msgspec.Struct, frozen=True):
    """A way of colouring; the code of a lamp is the index of one of its states."""

    key: str
    label: Text
    states: tuple[State, ...]
    codes: Callable[[Fleet], Codes]


_OUT_OF_ORDER: Final = State("alarm", ("gestört", "out of order"), "triangle", *_ALARM, 12, alarm=True)
_OFF: Final = State("off", ("aus", "off"), "ring", *_COLD, 6)
_SILENT: Final = State("silent", ("keine Angabe", "not reported"), "diamond", *_GREY, 5)


def _by_level(fleet: Fleet) -> Codes:
    on, known = fleet.is_on(), ~np.isnan(fleet.level)
    cases = [
        fleet.has_alarm(),
        on & known & (fleet.level >= 67),
        on & known & (fleet.level >= 34),
        on & known,
        on,
        fleet.power > 0,
    ]
    return _first(cases)


def _by_state(fleet: Fleet) -> Codes:
    return _first([fleet.power == POWERS.index(power) for power in ("on", "bootingUp", "low", "off")])


def _by_alarm(fleet: Fleet) -> Codes:
    """Open faults, then what lamps say of themselves without one."""
    says = fleet.status
    cases = [fleet.has_fault(*kinds) for kinds in _FAULTS]
    cases += [
        says == STATUSES.index("columnIssue"),
        says > STATUSES.index("ok"),
        says == STATUSES.index("ok"),
    ]
    return _first(cases)


def _by_power(fleet: Fleet) -> Codes:
    watts = fleet.watts
    known = ~np.isnan(watts)
    return _first([known & (watts >= least) for least in (120, 60, 25, 1)] + [known])


def _first(cases: list[npt.NDArray[np.bool_]]) -> Codes:
    """The number of the first case that holds, else the number after the last."""
    return np.select(cases, list(range(len(cases))), len(cases)).astype(np.uint8)


LOOKS: Final = {
    look.key: look
    for look in (
        Look(
            "level",
            ("Helligkeit", "Level"),
            (
                _OUT_OF_ORDER,
                State("bright", ("67 bis 100 %", "67 to 100 %"), "disc", *_BRIGHT, 9),
                State("medium", ("34 bis 66 %", "34 to 66 %"), "disc", *_WARM, 7),
                State("dim", ("unter 34 %", "below 34 %"), "disc", *_FAINT, 5),
                State("on", ("an, ohne Angabe der Stufe", "on, level not reported"), "square", *_BRIGHT, 7),
                _OFF,
                _SILENT,
            ),
            _by_level,
        ),
        Look(
            "state",
            ("Schaltzustand", "State"),
            (
                State("on", ("an", "on"), "disc", *_BRIGHT, 8),
                State("bootingUp", ("startet", "starting"), "triangle", *_BLUE, 9),
                State("low", ("an, gering", "on, low"), "square", *_FAINT, 7),
                _OFF,
                _SILENT,
            ),
            _by_state,
        ),
        Look(
            "alarm",
            ("Störung", "Alarm"),
            (
                State("supply", Kind.SUPPLY.text, "square", *_VIOLET, 13, alarm=True),
                State("dark", Kind.DARK.text, "triangle", *_ALARM, 13, alarm=True),
                State("day_burner", Kind.DAY_BURNER.text, "disc", *_BRIGHT, 12, alarm=True),
                State(
                    "light",
                    ("Geht an und aus, dimmt nicht", "Cycles, does not dim"),
                    *("diamond", *_ALARM, 13),
                    alarm=True,
                ),
                State(
                    "values",
                    ("Leistung, Hitze, Unmögliches", "Power, heat, nonsense"),
                    *("frame", *_BRIGHT, 11),
                    alarm=True,
                ),
                State("silence", Kind.SILENCE.text, "ring", *_VIOLET, 11, alarm=True),
                State("columnIssue", ("Mast", "column"), "diamond", *_VIOLET, 11, alarm=True),
                State(
                    "said",
                    ("sagt selbst: gestört", "says itself: out of order"),
                    "frame",
                    *_ALARM,
                    12,
                    alarm=True,
                ),
                State("ok", ("in Ordnung", "in order"), "disc", *_GREEN, 5),
                State("silent", ("keine Angabe", "not reported"), "ring", *_GREY, 5),
            ),
            _by_alarm,
        ),
        Look(
            "power",
            ("Leistung", "Power"),
            (
                State("p120", ("ab 120 W", "120 W and more"), "triangle", *_ALARM, 11),
                State("p60", ("60 bis 120 W", "60 to 120 W"), "square", *_BRIGHT, 8),
                State("p25", ("25 bis 60 W", "25 to 60 W"), "disc", *_WARM, 7),
                State("p1", ("1 bis 25 W", "1 to 25 W"), "disc", *_FAINT, 5),
                State("p0", ("unter 1 W", "below 1 W"), "ring", *_COLD, 6),
                _SILENT,
            ),
            _by_power,
        ),
    )
}
