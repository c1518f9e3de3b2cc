"""Who sends more than it may: sums over all workers, pure.

What counts is when the messages were sent to us, not when they are worked off: after an outage the backlog of a quiet
device comes all at once, and is no flood.
"""

from __future__ import annotations

from collections import deque

import msgspec

WINDOW = 10.0  # seconds over which a rate counts
_FORGET = 30.0  # seconds without a report after which a talker is forgotten
_FRESH = 30.0  # seconds: a flood that ended longer ago is found in a backlog only
_FIRST_REFUSAL = 5.0  # seconds
_LONGEST_REFUSAL = 300.0
_FORGIVEN = 600.0  # seconds without a flood after which the first refusal is a short one again
_REPORTERS = 3.0  # seconds in which who reports a talker is counted among its reporters


class Tally(msgspec.Struct):
    """Messages of one talker in one worker within a second or so; times in nanoseconds since 1970."""

    n: int = 0
    size: int = 0
    first: int = 0
    last: int = 0
    topic: str = ""

    def add(self, n: int, size: int, first: int, last: int, topic: str) -> None:
        """Count messages that came from `first` to `last`."""
        self.n += n
        self.size += size
        self.first = min(self.first or first, first)
        self.last = max(self.last, last)
        self.topic = topic


class Report(msgspec.Struct, frozen=True, array_like=True):
    """A tally that is worth telling the other workers. A talker is a device, or a topic where there is none."""

    talker: str
    is_device: bool
    n: int
    first: int
    last: int
    topic: str


class Flood(msgspec.Struct, frozen=True):
    """A talker above the limit. `rate` is in messages a second; `acts`: it is for this worker to name and refuse it."""

    talker: str
    is_device: bool
    rate: float
    topic: str
    reporters: int
    acts: bool
    fresh: bool


class _Window(msgspec.Struct):
    reports: deque[Report]
    reporters: dict[str, float]
    is_device: bool
    heard: float


class _Refusal(msgspec.Struct):
    times: int
    until: float


class Floods:
    """The talkers that came near the limit (messages a second); others are not kept."""

    def __init__(self, limit: int, worker: str) -> None:
        self.limit = limit
        self._worker = worker
        self._windows: dict[str, _Window] = {}
        self._refusals: dict[str, _Refusal] = {}

    def is_worth_telling(self, tally: Tally) -> bool:
        """Whether sums over sixteen workers could be too much. A tally spans about a second, or a backlog."""
        return tally.n * 16 >= self.limit

    def too_much(self, tally: Tally) -> bool:
        """Whether a tally is a flood by itself."""
        return tally.n - 1 > self.limit * max(WINDOW, (tally.last - tally.first) / 1e9)

    def add(self, worker: str, report: Report, now: float) -> None:
        """Take a report of any worker; `now` is of a clock that only goes forward, in seconds."""
        window = self._windows.get(report.talker)
        if window is None:
            window = self._windows[report.talker] = _Window(deque(), {}, report.is_device, now)
        window.reports.append(report)
        window.reporters[worker] = window.heard = now
        newest = max(one.last for one in window.reports)
        while window.reports and window.reports[0].last <= newest - WINDOW * 1e9:
            window.reports.popleft()

    def rate(self, talker: str) -> float:
        """Messages a second of a talker, over ten seconds or the time that its reports span if that is longer.

        The first message begins that time and is not counted: who keeps exactly to a limit does not exceed it.
        """
        window = self._windows.get(talker)
        if window is None:
            return 0.0
        span = max(one.last for one in window.reports) - min(one.first for one in window.reports)
        return (sum(one.n for one in window.reports) - 1) / max(WINDOW, span / 1e9)

    def found(self, now: float, wall: float) -> list[Flood]:
        """The floods of now. `wall`: seconds since 1970."""
        self._windows = {
            talker: window for talker, window in self._windows.items() if now - window.heard < _FORGET
        }
        floods = []
        for talker, window in self._windows.items():
            rate = self.rate(talker)
            # What was not heard of for a whole window has stopped.
            if rate <= self.limit or now - window.heard > WINDOW:
                continue
            reporters = [name for name, at in window.reporters.items() if now - at < _REPORTERS]
            refusal = self._refusals.get(talker)
            floods.append(
                Flood(
                    talker,
                    window.is_device,
                    rate,
                    window.reports[-1].topic,
                    max(1, len(reporters)),
                    acts=min(reporters, default="") == self._worker
                    and (refusal is None or refusal.until <= now),
                    fresh=window.reports[-1].last / 1e9 > wall - _FRESH,
                )
            )
        return floods

    def next_refusal(self, talker: str, now: float) -> tuple[int, float]:
        """How often a talker was refused with the coming time, and for how many seconds it will be."""
        before = self._refusals.get(talker)
        times = 1 if before is None or before.until + _FORGIVEN < now else before.times + 1
        return times, min(_FIRST_REFUSAL * 2.0 ** (times - 1), _LONGEST_REFUSAL)

    def refused(self, talker: str, times: int, seconds: float, now: float) -> None:
        """Some worker has refused a talker from now on."""
        self._refusals[talker] = _Refusal(times, now + seconds)
        self._windows.pop(talker, None)
        if len(self._refusals) > 10_000:
            self._refusals = {
                name: refusal for name, refusal in self._refusals.items() if refusal.until + _FORGIVEN > now
            }
