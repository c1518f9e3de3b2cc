"""Real engines for the tests: a PostgreSQL per test process, a database and a NATS per test, whole servers.

With RHINECLOUD_DATABASE_URL / RHINECLOUD_NATS_URL / RHINECLOUD_MQTT_URL in the environment the same tests run
on those instead; the role then needs CREATEDB and CREATEROLE, and NATS must not be shared with another run (`-n0`).

Fixtures: `engines`, `database_url`, `module_database_url`, `nats`, `module_nats`, `server`, `serve`, `data_folder`;
`server_factory` for fixtures that start servers themselves.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import nats as nats_client
import pytest
import pytest_asyncio

from rhinecloud.bus import Bus
from rhinecloud.engines import Engines, NatsCredentials, binaries
from rhinecloud.engines.account import run
from rhinecloud.engines.folder import DataFolder
from rhinecloud.engines.nats import Nats
from rhinecloud.settings import Settings
from rhinecloud.store import DEFAULT, Registry

EXTERNAL_DATABASE = os.environ.get("RHINECLOUD_DATABASE_URL") or None
EXTERNAL_NATS = os.environ.get("RHINECLOUD_NATS_URL") or None
EXTERNAL_MQTT = urlsplit(os.environ.get("RHINECLOUD_MQTT_URL", ""))
TEMPLATE = "rhinecloud_test_template"
START_PATIENCE = 60.0

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


TEST_PATIENCE = 200.0  # seconds; less than pytest's own `timeout`, which ends the whole process


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that waits for ever fails where it waits, and the others go on."""
    for item in items:
        test = getattr(item, "obj", None)
        if inspect.iscoroutinefunction(test) and not hasattr(test, "hypothesis"):
            item.obj = _bounded(test)  # type: ignore[attr-defined]


def _bounded(test: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(test)
    async def bounded(*arguments: Any, **named: Any) -> None:
        async with asyncio.timeout(TEST_PATIENCE):
            await test(*arguments, **named)

    return bounded


def quiet(text: str) -> None:
    """For engines whose progress nobody reads."""


@functools.cache
def _place() -> str:
    """Memory if there is plenty, for what is thrown away needs no disk; else the disk."""
    try:
        memory = os.statvfs("/dev/shm")
        available = int(Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]) * 1024
    except OSError:
        return "/tmp"
    room = min(memory.f_bavail * memory.f_frsize, available - 4 * 2**30)
    return "/dev/shm" if room >= 8 * 2**30 and not memory.f_flag & os.ST_NOEXEC else "/tmp"


def new_folder(prefix: str = "rhinecloud-test-") -> Path:
    """A short path that root's unprivileged engines reach too (pytest's own folders are closed)."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_place()))
    folder.chmod(0o711)
    return folder


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """An empty folder for one installation; removed afterwards."""
    folder = new_folder()
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """Staged engine programs that all folders of this test process share."""
    folder = new_folder("rhinecloud-programs-")
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def engines(programs: Path) -> Iterator[Engines]:
    """Running engines of this test process; use `database_url` and `nats` for a clean state."""
    folder = new_folder()
    settings = Settings(
        data=folder / "data", database_url=EXTERNAL_DATABASE, nats_url=EXTERNAL_NATS, mqtt_port=0, open=True
    )
    with Engines(settings, quiet, programs) as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path="/" + name))


def sql(programs: Path, url: str, statement: str) -> str:
    """Run one statement by psql: no event loop is touched. Returns the bare output."""
    psql = binaries.postgresql(programs).bin / "psql"
    return run([psql, "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, url]).strip()


async def _migrate(url: str) -> None:
    await Registry(url).prepare(DEFAULT)


@pytest.fixture(scope="session")
def template_database(engines: Engines, programs: Path) -> Iterator[str]:
    """The database that every test's database is a copy of, with the store's schema in it."""
    name = f"{TEMPLATE}_{uuid.uuid4().hex[:8]}"
    sql(programs, engines.database_url, f"CREATE DATABASE {name}")
    asyncio.run(_migrate(with_database(engines.database_url, name)))
    yield name
    sql(programs, engines.database_url, f"DROP DATABASE {name} WITH (FORCE)")


def _clone(engines: Engines, programs: Path, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    sql(programs, engines.database_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield with_database(engines.database_url, name)
    sql(programs, engines.database_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(engines: Engines, programs: Path, template_database: str) -> Iterator[str]:
    """A database for one test."""
    yield from _clone(engines, programs, template_database)


@pytest.fixture
def empty_database_url(engines: Engines, programs: Path) -> Iterator[str]:
    """A database for one test in which nothing was migrated yet."""
    yield from _clone(engines, programs, "template1")


@pytest.fixture(scope="module")
def module_database_url(engines: Engines, programs: Path, template_database: str) -> Iterator[str]:
    """A database that the tests of a module share."""
    yield from _clone(engines, programs, template_database)


@dataclass(frozen=True)
class NatsServer:
    """A NATS server with nothing in it. `mqtt_host` is None for an external one."""

    url: str
    credentials: NatsCredentials
    mqtt_host: str | None
    mqtt_port: int | None
    monitor_url: str | None
    child: Nats | None = None

    def restart(self) -> None:
        """kill -9 and start again at the same place, with the same data."""
        assert self.child is not None, "an external server is not ours to kill"
        self.child.send(signal.SIGKILL)
        self.child.wait_stopped(5)
        self.child.start()
        wait_for(self.child)


def wait_for(child: Nats, seconds: float = START_PATIENCE) -> None:
    """Poll until ready."""
    deadline = time.monotonic() + seconds
    while not child.is_ready:
        assert time.monotonic() < deadline, f"{child.name} is not ready"
        child.poll()
        time.sleep(0.005)


async def _forget_streams(url: str) -> None:
    """What an earlier test left; the streams of the MQTT side belong to the server."""
    client = await nats_client.connect(url)
    streams = client.jetstream()
    for stream in await streams.streams_info():
        if not str(stream.config.name).startswith("$MQTT"):
            await streams.delete_stream(str(stream.config.name))
    await client.close()


@pytest.fixture
def nats(programs: Path) -> Iterator[NatsServer]:
    """A fresh NATS for one test (50 ms)."""
    yield from _fresh_nats(programs)


@pytest.fixture(scope="module")
def module_nats(programs: Path) -> Iterator[NatsServer]:
    """A NATS that the tests of a module share."""
    yield from _fresh_nats(programs)


def _fresh_nats(programs: Path) -> Iterator[NatsServer]:
    if EXTERNAL_NATS is not None:
        asyncio.run(_forget_streams(EXTERNAL_NATS))
        yield NatsServer(EXTERNAL_NATS, NatsCredentials(), EXTERNAL_MQTT.hostname, EXTERNAL_MQTT.port, None)
        return
    parent = new_folder()
    folder = DataFolder(parent / "data", programs)
    folder.open()
    child = Nats(folder, Settings(mqtt_port=0, open=True), quiet)
    child.start()
    wait_for(child)
    yield NatsServer(child.url, child.credentials, "127.0.0.1", child.mqtt_port, child.monitor_url, child)
    child.request_stop()
    child.wait_stopped(10)
    folder.close()
    shutil.rmtree(parent, ignore_errors=True)


@pytest_asyncio.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    """A connection to it."""
    bus = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
    yield bus
    await bus.close()


@dataclass
class Server:
    """A real `rhinecloud serve --open` (or `demo`) process."""

    data: Path
    process: subprocess.Popen[str]
    log: Path
    base_url: str = ""
    mqtt_host: str = ""
    mqtt_port: int = 0
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self.log.read_text()

    @property
    def database_url(self) -> str:
        """Address of its database."""
        given = self.environ.get("RHINECLOUD_DATABASE_URL")
        return given or f"postgresql://rhinecloud@/rhinecloud?host={self.data}/run"

    def wait_ready(self, seconds: float = START_PATIENCE) -> Server:
        """Wait for the announcement and read the addresses from it."""
        begun = time.monotonic()
        while "\n\n" not in self.output.partition("Rhine Cloud is ready")[2]:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.output}"
            assert time.monotonic() - begun < seconds, f"not ready:\n{self.output}"
            time.sleep(0.01)
        told = [line.split() for line in self.output.splitlines() if line.startswith(("  Pages ", "  MQTT "))]
        addresses = {words[0]: words[1] for words in told}
        self.base_url = addresses["Pages"]
        if "MQTT" in addresses:
            mqtt = urlsplit(addresses["MQTT"])
            self.mqtt_host, self.mqtt_port = str(mqtt.hostname), int(mqtt.port or 0)
        return self

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM and wait; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(seconds)

    def kill(self) -> None:
        """kill -9 of the supervisor."""
        self.process.kill()
        self.process.wait(10)


Serve = Callable[..., Server]


@functools.cache
def _started_once() -> Path:
    """The data of an installation that was started and stopped again: a copy saves each server its first start."""
    folder = new_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    factory = server_factory(None)
    server = next(factory)(data=folder / "data")
    assert server.stop() == 0
    for _ in factory:
        pass
    return server.data


def server_factory(database_url: str | None) -> Iterator[Serve]:
    """One `serve`; all that it started are stopped when it goes on."""
    started: list[Server] = []
    folders: list[Path] = []

    def serve(
        *flags: str,
        data: Path | None = None,
        command: str = "serve",
        environ: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> Server:
        own = {"RHINECLOUD_DATABASE_URL": database_url} if database_url is not None else {}
        own |= environ or {}
        if data is None:
            folders.append(new_folder())
            data = folders[-1] / "data"
            if wait and command == "serve" and not (EXTERNAL_DATABASE or EXTERNAL_NATS or own):
                # As `shutil.copytree`, but whoever owns the files keeps them.
                subprocess.run(["cp", "-a", _started_once(), data], check=True)
        folders.append(new_folder())
        log = folders[-1] / "log"
        arguments = [sys.executable, "-m", "rhinecloud.cli", command, f"--data={data}"]
        arguments += ["--port=0", "--mqtt-port=0"]
        if command == "serve":
            arguments.append("--open")
        with log.open("w") as output:
            process = subprocess.Popen(
                [*arguments, *flags],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **own},
            )
        server = Server(data=data, process=process, log=log, environ=own)
        started.append(server)
        return server.wait_ready() if wait else server

    yield serve
    for server in started:
        if server.process.poll() is None:
            server.process.terminate()
    for server in started:
        try:
            server.process.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _external_database(request: pytest.FixtureRequest) -> str | None:
    """A database of its own on the external server, if one is set."""
    url: str | None = request.getfixturevalue("module_database_url") if EXTERNAL_DATABASE else None
    return url


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Start servers: `serve("--workers=2", data=folder)`; all are stopped at the end of the test."""
    yield from server_factory(_external_database(request))


@pytest.fixture(scope="module")
def module_serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Start servers that the tests of a module share."""
    yield from server_factory(_external_database(request))


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One running server for the tests of a module."""
    factory = server_factory(_external_database(request))
    yield next(factory)()
    for _ in factory:
        pass
