"""A fresh installation in a temporary folder, started as a person would start it, and what it costs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

_PATIENCE = 120.0  # seconds
_TICKS = os.sysconf("SC_CLK_TCK")


class Costs(msgspec.Struct, frozen=True):
    """CPU seconds used so far by the parts of the process tree."""

    worker: float
    postgresql: float
    nats: float
    supervisor: float


class Memory(msgspec.Struct, frozen=True):
    """Proportional set sizes in MB (10⁶ bytes): shared pages are divided among those that share them."""

    total: float
    worker: float
    postgresql: float
    nats: float
    supervisor: float


class Installation:
    """`rhinecloud serve --open` on a folder of its own. `flags` come last, so they win."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.data = folder / "data"
        self.log = folder / "log"
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.mqtt_port = free_port()

    @property
    def url(self) -> str:
        """Address of the product's database."""
        return self.database("rhinecloud")

    def database(self, name: str) -> str:
        """Address of a database of the running server."""
        return f"postgresql://rhinecloud@/{name}?host={self.data}/run"

    def nats(self) -> tuple[int, str, str]:
        """Port, user and password of the running NATS server, for the application's user."""
        told = json.loads((self.data / "nats" / "nats.conf").read_text())
        user = told["authorization"]["users"][0]
        return int(told["port"]), str(user["user"]), str(user["password"])

    def start(self) -> float:
        """Seconds from the call to the first answer of the NGSI-LD API with status 200."""
        # A setting of the shell that measures must not reach the server; Python's default is to keep bytecode.
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("RHINECLOUD_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        command = [sys.executable, "-m", "rhinecloud.cli", "serve", "--open", f"--data={self.data}"]
        command += [f"--port={self.port}", f"--mqtt-port={self.mqtt_port}", "--outbound-allow=127.0.0.1"]
        command += self._flags
        begun = time.monotonic()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environ
            )
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - begun > _PATIENCE:
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.005)
        return time.monotonic() - begun

    def _answers(self) -> bool:
        request = b"GET /ngsi-ld/v1/entities?type=T HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE) as connection:
                connection.sendall(request)
                return connection.recv(4096).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._process = None

    def processes(self) -> dict[int, str]:
        """All processes of the installation with their part: worker, postgresql, nats or supervisor."""
        assert self._process is not None
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    parents.setdefault(int(fields[1]), []).append(int(entry.name))
        found: dict[int, str] = {}
        waiting = [self._process.pid]
        while waiting:
            process = waiting.pop()
            found[process] = "supervisor" if process == self._process.pid else _part(process)
            waiting += parents.get(process, [])
        return found

    def costs(self) -> Costs:
        """CPU time used so far. The raw load's backends belong to postgresql too."""
        used = dict.fromkeys(Costs.__struct_fields__, 0.0)
        for process, part in self.processes().items():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                # Children that have ended count too: PostgreSQL's come and go.
                used[part] += sum(map(int, fields[11 : 15 if part == "postgresql" else 13])) / _TICKS
        return Costs(**used)

    def memory(self) -> Memory:
        """The sum of the PSS of all its processes."""
        used = dict.fromkeys(("worker", "postgresql", "nats", "supervisor"), 0.0)
        for process, part in self.processes().items():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        used[part] += int(line.split()[1]) * 1024 / 1e6
        return Memory(total=sum(used.values()), **used)


def _part(process: int) -> str:
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return "supervisor"
    if b"rhinecloud.worker" in command:
        return "worker"
    if b"nats-server" in command:
        return "nats"
    return "postgresql" if b"postgres" in command else "supervisor"


@contextlib.contextmanager
def installation(*flags: str) -> Iterator[Installation]:
    """A folder that is gone afterwards. Engines of root run as another user, who must be able to walk through."""
    folder = Path(tempfile.mkdtemp(prefix="rc-bench-", dir="/tmp"))
    folder.chmod(0o711)
    made = Installation(folder, *flags)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
