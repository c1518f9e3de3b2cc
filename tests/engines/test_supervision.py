"""Whatever is killed comes back; when the supervisor itself is killed, nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import psutil
import pytest

from rhinecloud.engines import Engines
from rhinecloud.settings import Settings
from tests.conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, Server, quiet

embedded = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="is about the embedded engines; external ones are set"
)


def children(server: Server) -> dict[str, list[psutil.Process]]:
    """Direct children of the supervisor by what they are."""
    found: dict[str, list[psutil.Process]] = {"postgres": [], "nats-server": [], "worker": []}
    for process in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # zombies and those that ended meanwhile
            words = process.cmdline()
            for name, processes in found.items():
                if any(Path(word).name == name or word == f"rhinecloud.{name}" for word in words):
                    processes.append(process)
    return found


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def answers(server: Server) -> bool:
    try:
        return httpx.get(f"{server.base_url}/ngsi-ld/v1/entities?type=Lamp", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def kill_and_wait(server: Server, victim: str) -> None:
    before = children(server)[victim]
    told = server.output.count("is back after")
    for process in before:
        process.kill()
    eventually(lambda: len({*children(server)[victim]} - {*before}) == len(before))
    eventually(lambda: server.output.count("is back after") >= told + len(before))


@embedded
@pytest.mark.parametrize("victim", ["postgres", "nats-server", "worker"])
def test_what_is_killed_is_started_again(serve: Serve, victim: str) -> None:
    server = serve("--workers=2")
    for _ in range(2):
        kill_and_wait(server, victim)
    eventually(lambda: answers(server))
    assert server.stop() == 0


@embedded
def test_nothing_outlives_a_killed_supervisor(serve: Serve) -> None:
    server = serve("--workers=2")
    family = psutil.Process(server.process.pid).children(recursive=True)
    assert len(family) > 4
    server.kill()
    eventually(lambda: not any(process.is_running() for process in family), 10)

    again = serve(data=server.data)
    assert answers(again)
    assert "PostgreSQL did not" not in again.output


@embedded
def test_an_orphaned_postgresql_is_ended_before_a_start(serve: Serve) -> None:
    """A stopped (frozen) server cannot notice its parent's end: the next start must deal with it."""
    server = serve()
    postmaster = children(server)["postgres"][0]
    postmaster.suspend()
    server.kill()
    postmaster.resume()
    again = serve(data=server.data)
    assert answers(again)


@embedded
@pytest.mark.parametrize("stale", ["postgresql/postmaster.pid", "run/.s.PGSQL.5432.lock"])
def test_a_strangers_process_id_in_a_lock_file_does_not_stop_the_start(serve: Serve, stale: str) -> None:
    server = serve()
    server.stop()
    # Alive, and PostgreSQL's account may ask it: else PostgreSQL takes no notice of it.
    owner = (server.data / "postgresql").stat().st_uid
    with subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None) as stranger:
        (server.data / stale).write_text(
            f"{stranger.pid}\n{server.data}/postgresql\n1700000000\n5432\n{server.data}/run\n\n\n"
        )
        assert answers(serve(data=server.data))
        stranger.kill()


@embedded
def test_one_data_folder_serves_one_installation(serve: Serve) -> None:
    server = serve()
    second = serve(data=server.data, wait=False)
    assert second.process.wait(20) == 1
    assert f"is in use by another Rhine Cloud (process {server.process.pid})" in second.output
    assert answers(server)


@embedded
def test_a_first_start_under_a_strict_umask(data_folder: Path) -> None:
    """As root's is on many machines: the account of the engines must be able to start what root has put there."""
    settings = Settings(data=data_folder, mqtt_port=0, open=True)
    before = os.umask(0o077)
    try:
        with Engines(settings, quiet) as engines:
            assert asyncio.run(_answer(engines.database_url)) == 1
    finally:
        os.umask(before)


async def _answer(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        return int(await connection.fetchval("SELECT 1"))
    finally:
        await connection.close()


@embedded
def test_a_second_start_and_a_clean_stop(serve: Serve) -> None:
    server = serve()
    assert server.stop() == 0
    log = (server.data / "log" / "postgresql.log").read_text()
    assert "not properly shut down" not in log
    again = serve(data=server.data)
    assert "Creating the database" not in again.output
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(20) == 0
    assert "not properly shut down" not in (server.data / "log" / "postgresql.log").read_text()


@embedded
def test_what_systemd_hears_and_what_becomes_of_a_worker_that_hangs(serve: Serve, tmp_path: Path) -> None:
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)

        def told(text: str) -> bool:
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard.extend(systemd.recv(4096).decode().splitlines())
            return text in heard

        asked = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1500000"}
        server = serve("--watchdog-seconds=6", environ=asked)
        eventually(lambda: told("READY=1"))
        before = children(server)
        assert "NOTIFY_SOCKET" not in before["worker"][0].environ()

        server.process.send_signal(signal.SIGUSR1)
        eventually(lambda: server.output.count("Worker 0 is back") >= 1, 60)
        assert children(server)["postgres"] == before["postgres"]

        hanging = children(server)["worker"][0]
        hanging.suspend()
        eventually(lambda: "Worker 0 gives no sign of life for 6 s and is ended." in server.output, 60)
        eventually(lambda: server.output.count("Worker 0 is back") >= 2, 60)
        assert not hanging.is_running()
        assert answers(server)

        heard.clear()
        eventually(lambda: told("WATCHDOG=1"))
        assert server.stop() == 0
        assert told("STOPPING=1")


@embedded
@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the engines to another account")
def test_root_runs_the_engines_as_somebody_else(serve: Serve) -> None:
    server = serve()
    for name in ("postgres", "nats-server"):
        assert children(server)[name][0].uids().real != 0
    assert (server.data / "secrets").stat().st_mode & 0o077 == 0


@embedded
@pytest.mark.skipif(os.geteuid() != 0, reason="root only")
def test_root_is_told_when_the_engines_cannot_enter_the_data_folder(serve: Serve, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = serve(data=closed / "data", wait=False)
    assert server.process.wait(20) == 1
    assert "cannot enter" in server.output


@embedded
def test_a_long_path_is_served_over_loopback(serve: Serve, data_folder: Path) -> None:
    server = serve(data=data_folder / ("long" * 25))
    assert answers(server)
    lines = (server.data / "postgresql" / "postmaster.pid").read_text().splitlines()
    assert lines[5] == "127.0.0.1"


def test_external_engines_are_used_and_nothing_is_started(serve: Serve, database_url: str, nats) -> None:  # type: ignore[no-untyped-def]
    who = nats.credentials
    address = (
        nats.url.replace("nats://", f"nats://{quote(who.user)}:{who.password}@") if who.user else nats.url
    )
    server = serve(environ={"RHINECLOUD_DATABASE_URL": database_url, "RHINECLOUD_NATS_URL": address})
    found = children(server)
    assert (found["postgres"], found["nats-server"]) == ([], [])
    assert not server.data.exists()
    assert answers(server)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--host=0.0.0.0"], "on a loopback address only"),
        (["--workers=0"], "--workers=0: Expected `int` >= 1"),
        (["--tls-cert=/tmp/x"], "tls_cert and tls_key belong together"),
        (["--tls-client-authority=/tmp/x"], "tls_client_authority needs HTTPS"),
        (["--no-open", "--host=0.0.0.0"], "could be overheard"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(serve: Serve, flags: list[str], words: str) -> None:
    server = serve(*flags, wait=False)
    assert server.process.wait(20) == 1
    assert words in server.output
    assert not server.data.exists()


def test_a_taken_port_is_told(serve: Serve, server: Server) -> None:
    second = serve(f"--port={server.base_url.rsplit(':', 1)[1]}", wait=False)
    assert second.process.wait(20) == 1
    assert "address already in use" in second.output
