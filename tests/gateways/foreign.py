"""Foreign MQTT brokers for the tests of the bridge: a second NATS, and Debian's mosquitto where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest

from rhinecloud.engines import binaries
from rhinecloud.engines.postgresql import free_port

PATIENCE = 30.0
MOSQUITTO = shutil.which("mosquitto") or (
    "/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None
)


@dataclass
class Foreign:
    """A broker that is not ours, with persistent sessions; at the same place after it was started again."""

    folder: Path
    command: Sequence[str | Path]
    port: int
    process: subprocess.Popen[bytes] | None = None
    starts: int = field(default=0)

    def start(self) -> Foreign:
        """Start, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.starts += 1
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.01)

    def stop(self) -> None:
        """SIGTERM: sessions are kept."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(PATIENCE)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def client(self, name: str, **options: object) -> aiomqtt.Client:
        """A device of the foreign broker."""
        nodelay = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            identifier=name,
            socket_options=nodelay,
            **options,  # type: ignore[arg-type]
        )


def nats(folder: Path, programs: Path, *, closed: str = "") -> Foreign:
    """A NATS that delivers again after a second what was not acknowledged; nobody may read the subject `closed`."""
    port = free_port("127.0.0.1")
    configuration: dict[str, object] = {
        "server_name": "foreign",
        "host": "127.0.0.1",
        "port": free_port("127.0.0.1"),
        "jetstream": {"store_dir": str(folder)},
        "mqtt": {"host": "127.0.0.1", "port": port, "ack_wait": "1s", "no_auth_user": "anyone"},
        "authorization": {
            "users": [
                {
                    "user": "anyone",
                    "password": "of no interest",
                    "permissions": {"subscribe": {"deny": [closed]}} if closed else {},
                }
            ]
        },
    }
    file = folder / "nats.json"
    file.write_text(json.dumps(configuration))
    return Foreign(folder, [binaries.nats(programs).bin / "nats-server", "-c", file], port)


def mosquitto(folder: Path, *lines: str) -> Foreign:
    """A mosquitto that keeps its sessions from one start to the next."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: the bridge is not tested with it")
    folder.chmod(0o777)  # root's mosquitto runs as another user
    port = free_port("127.0.0.1")
    file = folder / "mosquitto.conf"
    text = [
        f"listener {port} 127.0.0.1",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 1",
        "autosave_on_changes true",
        "max_queued_messages 0",  # unless told so it forgets what is more than 1,000, acknowledged or not
        *(lines or ["allow_anonymous true"]),
    ]
    if os.geteuid() == 0:
        text.append("user root")
    file.write_text("\n".join(text) + "\n")
    return Foreign(folder, [MOSQUITTO, "-c", file], port)
