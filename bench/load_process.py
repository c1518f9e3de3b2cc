"""The load generator as seen from the bench: a process of its own, so that its work disturbs no clock here."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from .jobs import Job, Load


class LoadProcess:
    """Runs one job after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.generator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, job: Job) -> Load:
        """Send a job and wait for what happened."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended; its complaint stands above")
        return msgspec.json.decode(line, type=Load)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
