"""What systemd wants to hear of a service (sd_notify(3)); nothing is said where it did not ask."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping


class Systemd:
    """One datagram for each `tell`. Children do not inherit the address: only the supervisor speaks."""

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        address = environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environ.pop("WATCHDOG_USEC", "")
        asked = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._every = int(microseconds) / 3e6 if microseconds.isdigit() and asked else 0.0
        self._alive = 0.0

    def tell(self, *assignments: str) -> None:
        """`READY=1`, `STATUS=…`, `STOPPING=1`; whoever does not listen is not waited for."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto("\n".join(assignments).encode(), self._address)

    def alive(self) -> None:
        """`WATCHDOG=1`, three times within what systemd waits for; call it as often as you like."""
        now = time.monotonic()
        if self._every and now - self._alive >= self._every:
            self._alive = now
            self.tell("WATCHDOG=1")
