"""The state machine of light on demand: detections in, changes of level out. It knows no network, no clock and no
traveller: what it keeps is, for each lamp, until when which level is demanded."""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

import msgspec

from .neighbours import Flat, Kind, Profile, Table, Together

STALE = 30.0
"""Seconds after which a detection says nothing any more about where the traveller is."""

SLOWEST, FASTEST = 0.5, 50.0  # metres a second between which a measured speed is believed
MOST_WINDOWS = 4  # kept for a lamp; more are merged, to the safe side


class Detection(msgspec.Struct, frozen=True):
    """Somebody passed. `at` in seconds since 1970; `forward`: the detector's direction, None if it knows none; `speed`
    in metres a second, None if it measures none. It names nobody and is not kept."""

    detector: str
    at: float
    kind: Kind = "vehicle"
    forward: bool | None = None
    speed: float | None = None


class Change(NamedTuple):
    """The level in percent that is demanded of a lamp from `at` (seconds since 1970) on; 0: nobody needs it, what its
    program says holds. The gateway shows the greater of both."""

    at: float
    lamp: int
    level: float


class _Window(NamedTuple):
    begin: float
    until: float
    level: float


class Reacting:
    """All lamps of one table. The same detections in the same order make the same changes.

    State is bounded: `MOST_WINDOWS` for each lamp, and one wake-up. After `Profile.lasting` without detections it is
    what it was at the beginning.
    """

    def __init__(self, table: Table) -> None:
        self._profiles = dict(table.profiles)
        self._ahead: dict[
            tuple[str, bool], tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]
        ] = {}
        self._zones: dict[str, tuple[Together, ...]] = {}
        for name, there in table.detectors.items():
            self._zones[name] = there.zones
            self._ahead[name, True] = (_pairs(there.forward), _pairs(there.forward_aside))
            self._ahead[name, False] = (_pairs(there.backward), _pairs(there.backward_aside))
        self._windows: dict[int, list[_Window]] = {}
        self._shown: dict[int, float] = {}
        self._wakes: dict[int, float] = {}
        self._queue: list[tuple[float, int]] = []
        self._now = -math.inf
        self.refused = 0

    @property
    def due(self) -> float | None:
        """When `advance` has something to do."""
        while self._queue and self._wakes.get(self._queue[0][1]) != self._queue[0][0]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    @property
    def idle(self) -> bool:
        """Nothing is raised and nothing is going to be: nothing is left of any traveller."""
        return not (self._windows or self._shown or self._wakes or self.due)

    @property
    def kept(self) -> int:
        """How much is kept, in windows and wake-ups."""
        return sum(map(len, self._windows.values())) + len(self._queue)

    def level(self, lamp: int) -> float:
        """What is demanded of a lamp now."""
        return self._shown.get(lamp, 0.0)

    def until(self, lamp: int) -> float:
        """Until when a lamp is raised at the least, in seconds since 1970, if nobody else comes; −∞ if it is not."""
        level = self.level(lamp)
        if not level:
            return -math.inf
        return max(
            (one.until for one in self._windows[lamp] if one.begin <= self._now and one.level == level),
            default=-math.inf,
        )

    @property
    def raised(self) -> list[int]:
        """The lamps of which a level is demanded now."""
        return list(self._shown)

    def advance(self, now: float) -> list[Change]:
        """What is due until `now`, in the order of time. A clock that goes back waits until it is there again."""
        changes: list[Change] = []
        while (due := self.due) is not None and due <= now:
            _, lamp = heapq.heappop(self._queue)
            del self._wakes[lamp]
            self._look(lamp, due, changes)
        self._now = max(self._now, now)
        return changes

    def detect(self, detection: Detection, now: float) -> list[Change]:
        """React. A detection of an unknown detector or kind, or one that is stale or from the future by more than
        `STALE`, changes nothing and is counted in `refused`."""
        changes = self.advance(now)
        now = self._now
        profile = self._profiles.get(detection.kind)
        if (
            profile is None
            or (detection.detector, True) not in self._ahead
            or not abs(now - detection.at) <= STALE
        ):
            self.refused += 1
            return changes
        speed = _believed(detection.speed, profile)
        at = min(detection.at, now)
        for lamp, window in self._wanted(detection, profile, speed, at, now):
            if window.until > now:
                self._add(lamp, window)
                self._look(lamp, now, changes)
        return changes

    def _wanted(
        self, detection: Detection, profile: Profile, speed: float, at: float, now: float
    ) -> list[tuple[int, _Window]]:
        """When each lamp is to be light for this traveller."""
        wanted: list[tuple[int, _Window]] = []
        last = at + profile.lasting
        reach = profile.reaches(speed)
        senses = (True, False) if detection.forward is None else (detection.forward,)
        for sense in senses:
            on_road, aside = self._ahead[detection.detector, sense]
            for lamps, furthest in ((on_road, max(profile.ahead, reach)), (aside, profile.aside)):
                for lamp, metres in lamps:
                    if metres > furthest:
                        break
                    comes = at + (metres - reach) / (speed * profile.most_speed) - profile.lead
                    gone = at + metres / (speed * profile.least_speed) + profile.hold
                    wanted.append((lamp, _Window(max(now, comes), min(last, gone), profile.level)))
            if profile.behind and detection.forward is not None:
                for lamp, metres in self._ahead[detection.detector, not sense][0]:
                    if metres > profile.behind:
                        break
                    wanted.append((lamp, _Window(now, min(last, at + profile.hold), profile.level)))
        for zone in self._zones[detection.detector]:
            if (reacts := zone.reacts.get(detection.kind)) is not None:
                window = _Window(now, at + reacts.hold, reacts.level)
                wanted.extend((lamp, window) for lamp in zone.lamps)
        return wanted

    def _add(self, lamp: int, new: _Window) -> None:
        """Join what overlaps at the same level; of too many, the two that are closest together become one, as long and
        as bright as both."""
        if new.until <= new.begin:
            return
        kept = []
        for window in self._windows.get(lamp, ()):
            if window.level == new.level and window.begin <= new.until and new.begin <= window.until:
                new = _both(window, new)
            else:
                kept.append(window)
        kept.append(new)
        kept.sort()
        if len(kept) > MOST_WINDOWS:
            i = min(range(len(kept) - 1), key=lambda i: kept[i + 1].begin - kept[i].until)
            kept[i : i + 2] = [_both(kept[i], kept[i + 1])]
        self._windows[lamp] = kept

    def _look(self, lamp: int, now: float, changes: list[Change]) -> None:
        """Say what the lamp's windows demand now, and wake when that changes next."""
        windows = [window for window in self._windows.get(lamp, ()) if window.until > now]
        level = max((window.level for window in windows if window.begin <= now), default=0.0)
        if level != self._shown.get(lamp, 0.0):
            changes.append(Change(now, lamp, level))
        if level:
            self._shown[lamp] = level
        else:
            self._shown.pop(lamp, None)
        if not windows:
            self._windows.pop(lamp, None)
            self._wakes.pop(lamp, None)
            return
        self._windows[lamp] = windows
        wake = min(window.begin if window.begin > now else window.until for window in windows)
        if self._wakes.get(lamp) != wake:
            self._wakes[lamp] = wake
            heapq.heappush(self._queue, (wake, lamp))
            if len(self._queue) > 2 * len(self._wakes) + 16:
                self._queue = [(time, lamp) for lamp, time in self._wakes.items()]
                heapq.heapify(self._queue)


class Expected(NamedTuple):
    """What one passing does to a lamp: seconds after it from which and until when it is raised, and to which level."""

    lamp: int
    begin: float
    until: float
    level: float


def expected(table: Table, detection: Detection) -> list[Expected]:
    """What a detection alone does, by the state machine itself; the lamps that rise first come first."""
    machine, found = Reacting(table), list[Expected]()
    begun: dict[int, Change] = {}
    changes = machine.detect(detection, detection.at)
    while machine.due is not None:
        changes += machine.advance(machine.due)
    for change in changes:
        if (before := begun.pop(change.lamp, None)) is not None:
            found.append(
                Expected(change.lamp, before.at - detection.at, change.at - detection.at, before.level)
            )
        if change.level:
            begun[change.lamp] = change
    return sorted(found, key=lambda one: (one.begin, one.until, one.lamp))


def _both(one: _Window, other: _Window) -> _Window:
    return _Window(min(one.begin, other.begin), max(one.until, other.until), max(one.level, other.level))


def _believed(speed: float | None, profile: Profile) -> float:
    if speed is None or not math.isfinite(speed) or speed <= 0:
        return profile.typical_speed
    return min(FASTEST, max(SLOWEST, speed))


def _pairs(flat: Flat) -> tuple[tuple[int, int], ...]:
    return tuple(zip(flat[::2], flat[1::2], strict=True))
