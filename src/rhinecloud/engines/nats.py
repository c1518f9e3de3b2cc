"""The embedded NATS server: JetStream, the MQTT side, and monitoring on the loopback."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from rhinecloud.engines import binaries
from rhinecloud.engines.account import EngineError, spawn
from rhinecloud.engines.certificate import StagedCertificate
from rhinecloud.engines.child import Child, Log, Say, last_lines
from rhinecloud.engines.folder import DataFolder
from rhinecloud.engines.handover import DoorKeys, NatsCredentials
from rhinecloud.engines.postgresql import free_port
from rhinecloud.engines.rights import DEVICES_ONLY_HEAR, FORBIDDEN_TO_DEVICES
from rhinecloud.nkeys import KeyPair
from rhinecloud.settings import Settings

# Names that no device can have (~ is in no device's id): these users are not the door's business.
USER = "~rhinecloud"
SYSTEM_USER = "~system"
DEVICE_USER = "~device"  # whoever gives no name, with --open
ACCOUNT = "$G"
# How long a device waits for the answer of a worker: in a storm of reconnections they queue. It is also what one
# waits in vain while no worker runs.
SIGN_IN_PATIENCE = 10  # seconds
# Where the server keeps the consumer that workers make for what devices publish (bus/intake.py).
_RESTART_PATIENCE = 10.0  # seconds
_LOOK = 5.0  # seconds between two looks at the health of the running server
_ROOM = 32 * 1024 * 1024  # bytes that must be free before a server that met a full disk is tried again
_LEAST_STORE = 2 * 1024**3  # bytes: the limits of all our streams together
_SHUT = ("write error", "no space left", "JetStream not enabled", "disabled")
_INTAKE = Path("jetstream", "$G", "streams", "$MQTT_msgs", "obs", "gateways")


class Nats(Child):
    """The server below `<data>/nats`.

    Without a consumer a message of a device is acknowledged and gone. So with `hold_mqtt` the MQTT side stays shut
    until the workers' consumer is there, which is a matter of the very first start, or of a store thrown away.
    """

    name = "NATS"
    stop_signal = signal.SIGINT

    def __init__(self, folder: DataFolder, settings: Settings, say: Say, *, hold_mqtt: bool = False) -> None:
        super().__init__(say)
        self._hold_mqtt = hold_mqtt
        self.mqtt_is_open = False
        self.folder = folder
        self.settings = settings
        self.log = Log(folder.logs / "nats.log")
        self.certificate = StagedCertificate(folder, settings.tls_cert, settings.tls_key)
        self.program: binaries.Program | None = None
        self._next_look = 0.0
        self._told_full = False
        self._choose_ports()

    def _choose_ports(self) -> None:
        """Once: clients find the server at the same place after it was started again."""
        self._choices = getattr(self, "_choices", 0) + 1
        self.port = free_port("127.0.0.1")
        self.monitor_port = free_port("127.0.0.1")
        self.mqtt_port = self.settings.mqtt_port or free_port(self.settings.host)

    def may_try_again(self) -> bool:
        """Another program may take a free port between the choice and the start."""
        if self._choices > 5 or "address already in use" not in last_lines(self.log.path, 2):
            return False
        self._choose_ports()
        return True

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> NatsCredentials:
        return NatsCredentials(user=USER, password=self.folder.secret("nats"))

    @property
    def door_keys(self) -> DoorKeys:
        """What a worker needs to answer for devices."""
        return DoorKeys(
            issuer=self._issuer().seed,
            account=ACCOUNT,
            system_url=self.url,
            system=NatsCredentials(user=SYSTEM_USER, password=self.folder.secret("nats-system")),
            log=str(self.log.path),
        )

    def _issuer(self) -> KeyPair:
        return KeyPair.from_seed(self.folder.secret("nats-issuer", lambda: KeyPair.new().seed))

    @property
    def mqtt_url(self) -> str:
        """mqtts:// when there is a certificate."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        scheme = "mqtt" if self.settings.tls_cert is None else "mqtts"
        return f"{scheme}://{host}:{self.mqtt_port}"

    @property
    def monitor_url(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}"

    def prepare(self) -> None:
        """Stage the program."""
        self.program = binaries.nats(self.folder.programs)

    def configuration(self) -> dict[str, object]:
        """The server's configuration; NATS reads JSON."""
        worker = {
            "user": USER,
            "password": self.folder.secret("nats"),
            "allowed_connection_types": ["STANDARD"],
        }
        device = {
            "user": DEVICE_USER,
            "password": self.folder.secret("nats-device"),
            "allowed_connection_types": ["MQTT"],
            "permissions": {
                "publish": {"deny": FORBIDDEN_TO_DEVICES + DEVICES_ONLY_HEAR},
                "subscribe": {"deny": FORBIDDEN_TO_DEVICES},
            },
        }
        system = {
            "user": SYSTEM_USER,
            "password": self.folder.secret("nats-system"),
            "allowed_connection_types": ["STANDARD"],
        }
        self.mqtt_is_open = not self._hold_mqtt or self._intake_is_there()
        mqtt: dict[str, object] = {"host": self.settings.host, "port": self.mqtt_port}
        if self.settings.open:
            mqtt["no_auth_user"] = DEVICE_USER
        if self.certificate.is_given:
            mqtt["tls"] = {**self.certificate.tls, "timeout": SIGN_IN_PATIENCE}
        return {
            "server_name": "rhinecloud",
            "host": "127.0.0.1",
            "port": self.port,
            "http": f"127.0.0.1:{self.monitor_port}",
            "logtime_utc": True,
            "max_payload": 8 * 1024 * 1024,
            "jetstream": {
                "store_dir": str(self.folder.nats),
                "max_memory_store": 256 * 1024 * 1024,
                # What streams may reserve. Without it the server takes a share of what is free when it starts: on a
                # disk that is nearly full the streams that are there would be too many, and no device could sign in.
                "max_file_store": max(_LEAST_STORE, shutil.disk_usage(self.folder.nats).total * 3 // 4),
                "sync_interval": "always" if self.settings.nats_sync_always else "2m",
            },
            **({"mqtt": mqtt} if self.mqtt_is_open else {}),
            "authorization": {
                "users": [worker, device],
                "timeout": SIGN_IN_PATIENCE,
                "auth_callout": {
                    "issuer": self._issuer().public,
                    "account": ACCOUNT,
                    "auth_users": [USER, DEVICE_USER, SYSTEM_USER],
                },
            },
            "accounts": {"SYSTEM": {"users": [system]}},
            "system_account": "SYSTEM",
        }

    def _intake_is_there(self) -> bool:
        return (self.folder.nats / _INTAKE).is_dir()

    def poll(self) -> None:
        """As every child's; also opens the MQTT side once devices may come, and shows a renewed certificate."""
        super().poll()
        if self.is_ready and self.mqtt_is_open and self.certificate.was_renewed():
            self.certificate.stage()
            self.send(signal.SIGHUP)
            self.say("MQTT shows the renewed certificate; devices that signed in come again.")
        if self.is_ready and not self.mqtt_is_open and self._intake_is_there():
            self.request_stop()
            self.wait_stopped(_RESTART_PATIENCE)
            self._ever_ready = False  # with its other configuration it is a new start, and fails like one
            self.start()
        if self.is_ready and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK
            self._open_shut_streams()

    def _open_shut_streams(self) -> None:
        """A stream that met a full disk refuses everything until the server starts again, also when there is room."""
        problem = self._problem()
        if not any(sign in problem for sign in _SHUT):
            self._told_full = False
        elif shutil.disk_usage(self.folder.nats).free >= _ROOM:
            self.say("There is room on the disk again: NATS, which could not write, is started anew.")
            self.send(self.stop_signal)
        elif not self._told_full:
            self._told_full = True
            self.say(f"THE DISK IS FULL: NATS keeps nothing any more, so nothing is acknowledged. {problem}")

    def _problem(self) -> str:
        """What the server says is wrong with it; nothing if it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.monitor_port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            return "" if answer.status == 200 else answer.read(2_000).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()

    def launch(self) -> subprocess.Popen[bytes]:
        if self.program is None:
            self.prepare()
        assert self.program is not None
        if not self._ever_ready:
            self._refuse_taken_port()
        if self.certificate.is_given:
            self.certificate.stage()
        file = self.folder.nats / "nats.conf"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self.configuration(), indent=1))
        self.folder.hand_over(file)
        output = self.log.open()
        try:
            return spawn(
                [self.program.bin / "nats-server", "-c", file],
                at_parents_end=signal.SIGINT,
                account=self.folder.account,
                output=output,
                cwd=Path("/"),
                environ={"PATH": "/usr/bin:/bin", "GOMEMLIMIT": "512MiB"},
            )
        finally:
            os.close(output)

    def _refuse_taken_port(self) -> None:
        taken = port_problem(self.settings.host, self.mqtt_port)
        if taken is not None:
            raise EngineError(
                f"MQTT cannot use port {self.mqtt_port}: {taken}. Choose another with --mqtt-port."
            )

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.monitor_port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def doing(self) -> str:
        return "is reading its streams"

    def explanation(self) -> str:
        return "" if self._ever_ready else last_lines(self.log.path)


def port_problem(host: str, port: int) -> str | None:
    """Why a server cannot listen there, in words; None when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return None
