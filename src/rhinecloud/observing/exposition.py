"""The text of /metrics: what all workers of this machine put on the board, and what the installation says of itself.

Several workers share one port, so that any of them may be asked: each puts its figures on the board with every sign of
life, and the one that is asked reads them all. It is told from what others posted up to a second ago.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import msgspec

from rhinecloud.engines.board import Board

from .metrics import METRICS, Metric
from .requests import BUCKETS, Requests

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PATIENCE = 5.0  # seconds for what the database has to say; Prometheus waits ten
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Posted(msgspec.Struct):
    """What a worker puts on the board."""

    requests: Requests
    figures: dict[str, Any]


class Exposition:
    """One worker's part, and the text of all. `counts` gives this worker's figures, `health` the installation's."""

    def __init__(
        self,
        board: Board,
        worker: int,
        requests: Requests,
        counts: Callable[[], dict[str, Any]],
        health: Callable[[], Awaitable[dict[str, Any]]],
    ) -> None:
        self._board = board
        self._worker = worker
        self._requests = requests
        self._counts = counts
        self._health = health
        self._started = time.time()

    def post(self, loop_delay: float = 0.0) -> None:
        """Put this worker's figures on the board; `loop_delay` in seconds."""
        figures = {
            **self._counts(),
            "http": {"in_progress": self._requests.in_progress},
            "process": {**_process(), "loop_delay": loop_delay, "started": self._started},
        }
        self._board.post(self._worker, msgspec.json.encode(Posted(self._requests, figures)))

    async def text(self) -> str:
        """Prometheus' text format, version 0.0.4."""
        self.post()
        workers = dict(self._posted())
        try:
            async with asyncio.timeout(_PATIENCE):
                installation = {**await self._health(), "up": True}
        except Exception:  # whatever is away: that it is away is what is to be told
            installation = {"up": False}
        lines: list[str] = []
        for metric in METRICS:
            lines += [f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} {metric.kind}"]
            if metric.of == "installation":
                lines += _samples(metric, installation, {})
            else:
                for worker, posted in workers.items():
                    lines += self._of_worker(metric, worker, posted)
        return "\n".join(lines) + "\n"

    def _posted(self) -> Iterator[tuple[int, Posted]]:
        for worker in range(self._board.workers):
            text = self._board.read(worker)
            if text:
                yield worker, msgspec.json.decode(text, type=Posted)

    def _of_worker(self, metric: Metric, worker: int, posted: Posted) -> list[str]:
        labels = {"worker": str(worker)}
        match metric.name:
            case "rhinecloud_http_requests_total":
                return [
                    _line(
                        metric.name,
                        {**dict(zip(("part", "method", "status"), key.split(), strict=True)), **labels},
                        n,
                    )
                    for key, n in sorted(posted.requests.answered.items())
                ]
            case "rhinecloud_http_request_duration_seconds":
                return _histogram(metric.name, posted.requests, labels)
            case "rhinecloud_worker_sign_of_life_age_seconds":
                age = max(time.monotonic() - self._board.last_beat(worker), 0.0)
                return [_line(metric.name, labels, round(age, 3))]
        return _samples(metric, posted.figures, labels)


def _samples(metric: Metric, figures: dict[str, Any], labels: dict[str, str]) -> list[str]:
    return [
        _line(metric.name, {metric.label: value, **labels} if metric.label else labels, number)
        for value, number in metric.samples(figures)
    ]


def _histogram(name: str, requests: Requests, labels: dict[str, str]) -> list[str]:
    lines = []
    for part, durations in sorted(requests.durations.items()):
        so_far = 0
        for end, count in zip((*BUCKETS, None), durations.counts, strict=True):
            so_far += count
            le = "+Inf" if end is None else f"{end:g}"
            lines.append(_line(f"{name}_bucket", {"part": part, "le": le, **labels}, so_far))
        lines.append(_line(f"{name}_sum", {"part": part, **labels}, durations.seconds))
        lines.append(_line(f"{name}_count", {"part": part, **labels}, so_far))
    return lines


def _line(name: str, labels: dict[str, str], value: float) -> str:
    # Labels are words of our own: parts, methods, numbers. None needs an escape.
    words = ",".join(f'{label}="{text}"' for label, text in labels.items())
    number = repr(float(value)) if value != int(value) else str(int(value))
    return f"{name}{{{words}}} {number}" if words else f"{name} {number}"


def _process() -> dict[str, float]:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 (each second: no Path)
        pages = int(file.read().split()[1])
    return {
        "cpu_seconds": time.process_time(),
        "memory_bytes": pages * _PAGE,
        "open_files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
    }
