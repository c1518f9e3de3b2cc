"""What a supervisor hands to a worker process: one JSON text in one environment variable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from rhinecloud.settings import Settings, from_json, to_json

VARIABLE = "RHINECLOUD_WORKER"


class NatsCredentials(msgspec.Struct, frozen=True):
    """How to sign in at NATS: user and password (embedded), or a credentials file (the city's own)."""

    user: str | None = None
    password: str | None = None
    file: str | None = None

    def options(self) -> dict[str, str]:
        """Keyword arguments for `nats.connect`."""
        if self.file is not None:
            return {"user_credentials": self.file}
        if self.user is not None and self.password is not None:
            return {"user": self.user, "password": self.password}
        return {}


class WorkerHandover(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a worker needs to begin.

    `listen_fd` is the listening socket that all workers share. A worker writes one line to `ready_fd` when it
    answers requests, and closes it. With the city's own NATS `nats_monitor_url` (HTTP) is None, and
    `mqtt_url` (mqtt://host:port) what the settings say.
    """

    settings: Settings
    database_url: str
    nats_url: str
    nats_credentials: NatsCredentials = NatsCredentials()
    nats_monitor_url: str | None = None
    mqtt_url: str | None = None
    listen_fd: int
    ready_fd: int
    worker_index: int = 0

    def to_env(self) -> dict[str, str]:
        """The environment variable that carries this."""
        document: dict[str, Any] = {name: getattr(self, name) for name in self.__struct_fields__}
        document["settings"] = to_json(self.settings)
        return {VARIABLE: msgspec.json.encode(document).decode()}

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> WorkerHandover:
        """Read what `to_env` wrote. Raises LookupError when the process was not started by a supervisor."""
        text = (os.environ if environ is None else environ).get(VARIABLE)
        if text is None:
            raise LookupError(f"{VARIABLE} is not set: a worker is started by `rhinecloud serve`.")
        document = msgspec.json.decode(text)
        document["settings"] = from_json(document["settings"])
        document["nats_credentials"] = NatsCredentials(**document["nats_credentials"])
        return cls(**document)

    def report_ready(self) -> None:
        """Tell the supervisor that this worker answers requests."""
        try:
            os.write(self.ready_fd, b"ready\n")
            os.close(self.ready_fd)
        except OSError:
            pass  # the supervisor is gone or does not wait any more; its end will reach us as a signal
