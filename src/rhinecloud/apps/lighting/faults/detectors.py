"""What lasts: for all lamps at once, from what each report says to faults that begin and end. Pure.

Of each lamp and kind are kept since when and in how many reports it has been so (or no longer so), of each lamp when
it was heard, whether it burnt, and its last 8 falls: about 230 bytes, however much it reports. Time is that of the
reports: what a lamp sends late is judged as of then, and what is older than its last is let go.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from .judging import Flags, Floats, Judgement, Lamps, Reports, Says, judge
from .kinds import LAMP_KINDS, Kind
from .thresholds import Thresholds

_FALLS: Final = 8
_ROW: Final[Mapping[Kind, int]] = {kind: number for number, kind in enumerate(LAMP_KINDS)}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of a lamp begins or ends. `since`: from when on it was so; `at`: what decided; seconds since 1970. `seen`
    and `expected` are the evidence, by the names of what was measured."""

    row: int
    kind: Kind
    begins: bool
    since: float
    at: float
    reports: int
    seen: Mapping[str, Any]
    expected: Mapping[str, Any]


class Detectors:
    """Of the lamps of a city. The same reports in the same order find the same."""

    def __init__(self, lamps: Lamps, limits: Thresholds | None = None) -> None:
        number = len(lamps.rated)
        self.limits = limits or Thresholds()
        self._lamps = lamps
        self._active = np.zeros((len(LAMP_KINDS), number), np.bool_)
        self._turning = np.zeros(
            (len(LAMP_KINDS), number), np.int16
        )  # reports that say the opposite of `active`
        self._since = np.full((len(LAMP_KINDS), number), np.nan)  # of the first of these
        self._last_true = np.full((len(LAMP_KINDS), number), np.nan)
        self._heard = np.full(number, np.nan)
        self._last = np.full(number, -np.inf)  # the time of the newest report
        self._on = np.full(number, -1, np.int8)
        self._falls = np.full((number, _FALLS), -np.inf)

    @property
    def lamps(self) -> int:
        """How many."""
        return self._active.shape[1]

    def know(self, lamps: Lamps) -> None:
        """What is known of lamps changed; new ones stand behind those that were there. Nothing is forgotten."""
        more = len(lamps.rated) - self.lamps
        if more < 0:
            raise ValueError("lamps keep their rows")
        self._lamps = lamps

        def wider(array: NDArray[Any], fill: Any, axis: int = -1) -> NDArray[Any]:
            width = [(0, 0)] * array.ndim
            width[axis] = (0, more)
            return np.pad(array, width, constant_values=fill)

        self._active, self._turning = wider(self._active, False), wider(self._turning, 0)
        self._since, self._last_true = wider(self._since, np.nan), wider(self._last_true, np.nan)
        self._heard, self._on = wider(self._heard, np.nan), wider(self._on, -1)
        self._last = wider(self._last, -np.inf)
        self._falls = wider(self._falls, -np.inf, 0)

    def remember(self, row: int, kind: Kind) -> None:
        """A fault that is known from before."""
        self._active[_ROW[kind], row] = True

    def heard(self, rows: NDArray[np.int64], at: float) -> None:
        """As if these had been heard then, unless they were heard later."""
        self._heard[rows] = np.fmax(self._heard[rows], at)

    def active(self, row: int, kind: Kind) -> bool:
        """Whether a lamp has a fault of this kind."""
        return bool(self._active[_ROW[kind], row])

    def last_true(self, row: int, kind: Kind) -> float:
        """When a report of a lamp said so last (seconds since 1970), NaN if none did."""
        return float(self._last_true[_ROW[kind], row])

    def take(self, told: Reports, now: float = -math.inf) -> list[Finding]:
        """Take reports, of each lamp in the order in which they stand. `now`: who sends of what was long ago is heard
        now."""
        found: list[Finding] = []
        self._heard[told.row] = np.fmax(self._heard[told.row], np.fmax(told.at, now))
        for some in _rounds(told):
            fresh = ~(some.at < self._last[some.row])
            found += self._take(some if fresh.all() else some.of(fresh))
        return found

    def _take(self, told: Reports) -> list[Finding]:
        if not len(told.row):
            return []
        judged = judge(told, self._lamps, self.limits)
        cycling, falls = self._cycling(told, judged)
        said = np.stack(
            (
                judged.day_burner,
                cycling,
                judged.dark,
                judged.dimming,
                judged.power,
                judged.temperature,
                np.zeros_like(judged.on),  # whoever is heard is not silent
                judged.nonsense,
            )
        )
        self._last[told.row] = told.at
        turned = self._count(told.row, told.at, said)
        return [self._finding(kind, place, told, judged, falls) for kind, place in zip(*turned, strict=True)]

    def _cycling(self, told: Reports, judged: Judgement) -> tuple[Says, NDArray[np.int64]]:
        row = told.row
        fell = (self._on[row] == 1) & (judged.on == 0) & judged.may_fall
        if fell.any():
            falling = row[fell]
            self._falls[falling] = np.column_stack((told.at[fell], self._falls[falling][:, :-1]))
        known = judged.on >= 0
        self._on[row[known]] = judged.on[known]
        within = told.at[:, None] - self._falls[row] <= self.limits.cycle_minutes * 60.0
        falls = within.sum(axis=1)
        return np.where(known, falls >= self.limits.cycles, -1).astype(np.int8), falls

    def _count(
        self, row: NDArray[np.int64], at: Floats, said: Says
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count what was said; gives the kinds and places that turned."""
        active = self._active[:, row]
        count, since = self._turning[:, row], self._since[:, row]
        self._last_true[:, row] = np.where(said == 1, at, self._last_true[:, row])
        against = (said >= 0) & ((said == 1) != active)
        staying = (said >= 0) & ~against
        count = np.where(against, np.minimum(count + 1, 30_000), np.where(staying, 0, count))
        since = np.where(against & np.isnan(since), at, np.where(staying, np.nan, since))
        turned = against & (count >= self._needed(active)) & (at - since >= self._lasting(active))
        self._active[:, row] = active ^ turned
        self._turning[:, row], self._since[:, row] = count, since
        kinds, places = np.nonzero(turned)
        return kinds, places

    def _needed(self, active: Flags) -> NDArray[np.int64]:
        holds = [self.limits.hold(kind) for kind in LAMP_KINDS]
        begin = np.array([[hold.begin_reports] for hold in holds])
        return np.where(active, np.array([[hold.end_reports] for hold in holds]), begin)

    def _lasting(self, active: Flags) -> Floats:
        holds = [self.limits.hold(kind) for kind in LAMP_KINDS]
        begin = np.array([[hold.begin_minutes * 60.0] for hold in holds])
        return np.where(active, np.array([[hold.end_minutes * 60.0] for hold in holds]), begin)

    def _finding(
        self, number: int, place: int, told: Reports, judged: Judgement, falls: NDArray[np.int64]
    ) -> Finding:
        row, kind = int(told.row[place]), LAMP_KINDS[number]
        since, count = float(self._since[number, row]), int(self._turning[number, row])
        self._since[number, row], self._turning[number, row] = np.nan, 0
        seen = {
            "level": told.level[place],
            "power": told.power[place],
            "temperature": told.temperature[place],
            "sun": judged.sun[place],
        }
        expected: dict[str, Any] = {}
        if kind is Kind.CYCLING:
            seen["falls"] = float(falls[place])
            expected = {"falls_below": self.limits.cycles, "minutes": self.limits.cycle_minutes}
        elif kind is Kind.POWER:
            expected = {"power_from": judged.low[place], "power_to": judged.high[place]}
        elif kind is Kind.TEMPERATURE:
            expected = {"temperature_below": self.limits.hot}
        elif kind is Kind.DAY_BURNER:
            expected = {"level": 0.0}
        elif kind in (Kind.DARK, Kind.DIMMING):
            expected = {"level": told.target[place], "level_to": told.most[place]}
            if kind is Kind.DARK and told.says_defect[place]:
                seen["says_defect"] = True
        return Finding(
            row=row,
            kind=kind,
            begins=bool(self._active[number, row]),
            since=since,
            at=float(told.at[place]),
            reports=count,
            seen=dict(_told(seen.items())),
            expected=dict(_told(expected.items())),
        )

    def sweep(self, now: float, powered_since: Floats) -> list[Finding]:
        """Who is silent. `powered_since`: of each lamp, since when it has had power (seconds since 1970), NaN while it
        has none: it cannot speak then. Lamps that were never heard are not missed."""
        patience = self.limits.silence_minutes * 60.0
        number = _ROW[Kind.SILENCE]
        since = np.maximum(self._heard, powered_since)  # NaN where it was never heard, or has no power
        silent = ~self._active[number] & (now - since >= patience)
        found = []
        for row in np.nonzero(silent)[0].tolist():
            self._active[number, row] = True
            self._last_true[number, row] = now
            heard = float(self._heard[row])
            found.append(
                Finding(
                    row=row,
                    kind=Kind.SILENCE,
                    begins=True,
                    since=float(since[row]),
                    at=now,
                    reports=0,
                    seen={"heard": heard},
                    expected={"minutes": self.limits.silence_minutes},
                )
            )
        self._last_true[number, self._active[number] & ~np.isnan(powered_since)] = now
        return found


def _rounds(told: Reports) -> Iterator[Reports]:
    """Lists in which each lamp stands once: the first of each, then the second, …"""
    if len(np.unique(told.row)) == len(told.row):
        yield told
        return
    order = np.argsort(told.row, kind="stable")
    rows = told.row[order]
    first = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    occurrence = np.empty(len(rows), np.int64)
    occurrence[order] = np.arange(len(rows)) - np.repeat(first, np.diff(np.r_[first, len(rows)]))
    for number in range(int(occurrence.max()) + 1):
        yield told.of(occurrence == number)


def _told(values: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What is known, in digits that mean something."""
    for name, value in values:
        if isinstance(value, bool):
            yield name, value
        elif math.isfinite(value):
            yield name, round(float(value), 2)
