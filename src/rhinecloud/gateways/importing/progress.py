"""A progress bar with rate and time left; plain lines where nobody watches a terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 30
_EVERY_ON_TERMINAL = 0.1  # seconds
_EVERY_IN_LOG = 2.0  # seconds


class Progress:
    """Shows how far an import is. `total` may be unknown."""

    def __init__(self, total: int | None, begun_at: int = 0, stream: TextIO | None = None) -> None:
        self._total = total
        self._begun_at = begun_at
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._started = time.monotonic()
        self._shown = self._started

    def show(self, position: int, *, end: bool = False) -> None:
        """`position` is the line reached."""
        now = time.monotonic()
        if not end and now - self._shown < (_EVERY_ON_TERMINAL if self._live else _EVERY_IN_LOG):
            return
        self._shown = now
        text = self._text(position, now - self._started)
        if self._live:
            self._stream.write(f"\r\x1b[K{text}" + ("\n" if end else ""))
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def _text(self, position: int, seconds: float) -> str:
        rate = (position - self._begun_at) / seconds if seconds > 0 else 0.0
        if not self._total:
            return f"{position:,} done  {rate:,.0f}/s"
        share = min(1.0, position / self._total)
        bar = "█" * round(share * _WIDTH)
        left = (self._total - position) / rate if rate > 0 else 0.0
        return (
            f"{bar:░<{_WIDTH}} {share:4.0%}  {position:,} of {self._total:,}  {rate:,.0f}/s"
            f"  {_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
