"""What both ends of a comparison count alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Generic, TypeVar

from .jobs import Load

Request = TypeVar("Request")

PATIENCE = 10.0  # seconds for an answer; what has none by then is an error


class Supply(Generic[Request]):
    """Prepared requests, handed out one by one; from the beginning again where the operation may be repeated."""

    def __init__(self, requests: list[Request], *, again: bool) -> None:
        self._requests = requests
        self._again = again
        self._iterator: Iterator[Request] = iter(requests)
        self.exhausted = False

    def next(self) -> Request | None:
        """The next request, or None where there is none left."""
        found = next(self._iterator, None)
        if found is None:
            if not self._again:
                self.exhausted = True
                return None
            self._iterator = iter(self._requests)
            found = next(self._iterator)
        return found


class Counter:
    """Counts answers within the measured time: those that arrive after `warm_up` and before `seconds` more."""

    def __init__(self, warm_up: float, seconds: float) -> None:
        self._latencies: list[float] = []
        self._errors = 0
        self._complaint = ""
        self._cpu = time.process_time()
        self.start = time.perf_counter() + warm_up
        self.end = self.start + seconds
        self._last = self.start

    def count(self, sent: float, now: float) -> None:
        """An expected answer."""
        if self.start <= now <= self.end:
            self._latencies.append(now - sent)
            self._last = now

    def fail(self, complaint: str) -> None:
        """Anything else, whenever it comes."""
        self._errors += 1
        if not self._complaint:
            self._complaint = complaint[:300]

    def load(self, *, exhausted: bool = False) -> Load:
        """The figures; `exhausted`: the requests ran out before the time did."""
        ordered = sorted(self._latencies)
        seconds = (self._last if exhausted else min(self.end, time.perf_counter())) - self.start
        ended = time.time()
        return Load(
            done=len(ordered),
            errors=self._errors,
            seconds=seconds,
            p50=ordered[len(ordered) // 2] if ordered else 0.0,
            p99=ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0,
            begun=ended - (time.perf_counter() - self.start),
            ended=ended,
            generator_cpu=time.process_time() - self._cpu,
            complaint=self._complaint,
        )
