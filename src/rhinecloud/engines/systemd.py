"""What systemd wants to hear of a service (sd_notify(3)); nothing is said where it did not ask."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

_PATIENCE = 5.0  # seconds


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
        """`READY=1`, `STATUS=…`, `STOPPING=1`; who has not read the last ones is given a few seconds to."""
        self._send("\n".join(assignments), _PATIENCE)

    def alive(self) -> None:
        """`WATCHDOG=1`, three times within what systemd waits for; call it as often as you like."""
        now = time.monotonic()
        if self._every and now - self._alive >= self._every:
            self._alive = now
            self._send("WATCHDOG=1", 0.0)  # the next one comes soon

    def _send(self, text: str, patience: float) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.settimeout(patience)
            sending.sendto(text.encode(), self._address)
