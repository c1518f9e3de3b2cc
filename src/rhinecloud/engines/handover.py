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


class DoorKeys(msgspec.Struct, frozen=True):
    """What it takes to answer for devices at the MQTT side.

    `issuer` is the seed of the account key that signs what a device may do, `account` the NATS account that devices
    are put in. With `system_url` and `system` connections can be looked at and ended. `log` is the file in which the
    embedded server tells what it refused.
    """

    issuer: str
    account: str
    system_url: str | None = None
    system: NatsCredentials = NatsCredentials()
    log: str | None = None


class WorkerHandover(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a worker needs to begin.

    `listen_fd` is the listening socket that all workers share, `board_fd` the board (engines/board.py). A worker writes
    one line to `ready_fd` when it answers requests, and closes it. With the city's own NATS `nats_monitor_url` (HTTP)
    is None, `mqtt_url` (mqtt://host:port) what the settings say, and `door` there only if the settings name an issuer.
    """

    settings: Settings
    database_url: str
    nats_url: str
    nats_credentials: NatsCredentials = NatsCredentials()
    nats_monitor_url: str | None = None
    mqtt_url: str | None = None
    door: DoorKeys | None = None
    listen_fd: int
    board_fd: int
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
        document["door"] = msgspec.convert(document["door"], DoorKeys | None)
        return cls(**document)

    def report_ready(self) -> None:
        """Tell the supervisor that this worker answers requests."""
        try:
            os.write(self.ready_fd, b"ready\n")
            os.close(self.ready_fd)
        except OSError:
            pass  # the supervisor is gone or does not wait any more; its end will reach us as a signal
