"""All lamps with their state, as arrays in the memory of a worker: what the map shows and selections look at.

A lamp keeps its index for the life of an epoch: as long as no lamp comes, goes, or changes in what is known of it.
Each change of a state raises the version and stamps the lamp, so that from any version to now is one look at the
stamps.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from ..faults.kinds import Kind
from .lamps import Lamp

POWERS: Final = ("", "off", "low", "bootingUp", "on")  # "": it has not told
STATUSES: Final = ("", "ok", "defectiveLamp", "brokenLantern", "columnIssue", "other")
FAULTS: Final = (  # those of a lamp that has several: the first of these is shown
    *(Kind.SUPPLY, Kind.DARK, Kind.DAY_BURNER, Kind.CYCLING, Kind.DIMMING, Kind.POWER),
    *(Kind.TEMPERATURE, Kind.NONSENSE, Kind.SILENCE),
)
STATE: Final = ("powerState", "illuminanceLevel", "status", "powerConsumption")
Indices = npt.NDArray[np.int64]


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What a lamp says: `level` in percent, `watts`; None where it says nothing."""

    id: str
    power: str | None
    level: float | None
    status: str | None
    watts: float | None


class Trouble(msgspec.Struct, frozen=True):
    """An open fault: of a lamp, or of the feeder or cabinet (`scope`) that all its `lamps` hang on."""

    number: int
    kind: Kind
    scope: str
    name: str
    lamps: tuple[str, ...]


def told(lamp: str, values: Sequence[Any]) -> Told:
    """From the values of the attributes `STATE`."""
    power, level, status, watts = values
    share = _number(level)
    return Told(
        lamp,
        power if isinstance(power, str) else None,
        None if share is None else 100 * min(max(share, 0.0), 1.0),
        status if isinstance(status, str) else None,
        _number(watts),
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class Fleet:
    """The lamps. `names`: of the groups, models and cabinets that they name, by id."""

    def __init__(self, lamps: list[Lamp], states: Iterable[Told], names: Mapping[str, str]) -> None:
        self.epoch = secrets.token_hex(4)
        self.version = 0
        self.lamps = lamps
        self.names = names
        self.selected: dict[Any, Indices] = {}  # what `selection` remembers
        count = len(lamps)
        self._index = {lamp.id: index for index, lamp in enumerate(lamps)}
        self.lon = np.fromiter((lamp.lon for lamp in lamps), np.float64, count)
        self.lat = np.fromiter((lamp.lat for lamp in lamps), np.float64, count)
        self.power = np.zeros(count, np.uint8)  # index in POWERS
        self.status = np.zeros(count, np.uint8)  # index in STATUSES
        self.fault = np.zeros(count, np.uint8)  # 0, or 1 + index in FAULTS
        self.troubles: dict[int, list[Trouble]] = {}  # by the index of a lamp, the worst first
        self.level = np.full(count, np.nan, np.float32)
        self.watts = np.full(count, np.nan, np.float32)
        self.stamp = np.zeros(count, np.int64)
        self.take(states)
        self.version = 0
        self.stamp[:] = 0

    def index_of(self, lamp: str) -> int | None:
        """Where a lamp stands in the arrays."""
        return self._index.get(lamp)

    def take(self, states: Iterable[Told]) -> bool:
        """States as they are now; whether any is of a lamp that is here."""
        version = self.version + 1
        for one in states:
            index = self._index.get(one.id)
            if index is None:
                continue
            self.power[index] = POWERS.index(one.power) if one.power in POWERS else 0
            self.status[index] = _status(one.status)
            self.level[index] = np.nan if one.level is None else one.level
            self.watts[index] = np.nan if one.watts is None else one.watts
            self.stamp[index] = version
            self.version = version
        return self.version == version

    def concern(self, troubles: Iterable[Trouble]) -> None:
        """All faults that are open."""
        found: dict[int, list[Trouble]] = {}
        for one in sorted(troubles, key=lambda one: (FAULTS.index(one.kind), one.number)):
            for lamp in one.lamps:
                if (index := self._index.get(lamp)) is not None:
                    found.setdefault(index, []).append(one)
        fault = np.zeros_like(self.fault)
        for index, having in found.items():
            fault[index] = 1 + FAULTS.index(having[0].kind)
        changed = fault != self.fault
        if changed.any():
            self.version += 1
            self.stamp[changed] = self.version
        self.fault, self.troubles = fault, found

    def is_on(self) -> npt.NDArray[np.bool_]:
        """Which lamps say that they shine."""
        return np.isin(self.power, (POWERS.index("low"), POWERS.index("bootingUp"), POWERS.index("on")))

    def has_alarm(self) -> npt.NDArray[np.bool_]:
        """Which lamps are out of order: an open fault concerns them, or they say so."""
        return (self.fault > 0) | (self.status > STATUSES.index("ok"))

    def has_fault(self, *kinds: Kind) -> npt.NDArray[np.bool_]:
        """Whose worst open fault is one of these."""
        return np.isin(self.fault, [1 + FAULTS.index(kind) for kind in kinds])


def _status(value: str | None) -> int:
    if not value:
        return 0
    return STATUSES.index(value) if value in STATUSES else STATUSES.index("other")
