"""`rhinecloud check` says what is wrong in words, and nothing is started or changed by it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.conftest import NatsServer, Serve
from tests.engines.test_backup import rhinecloud
from tests.engines.test_supervision import embedded


@pytest.fixture
def free() -> list[str]:
    """Flags with ports that are surely free, whatever else runs on this machine."""
    return ["--port=0", "--mqtt-port=0"]


@embedded
def test_a_good_set_up(data_folder: Path, free: list[str]) -> None:
    printed = rhinecloud("check", "--data", data_folder, *free)
    assert "Nothing has to be changed" in printed
    assert "PostgreSQL 18" in printed
    assert not data_folder.exists()


@embedded
def test_a_serving_installation_is_asked(serve: Serve) -> None:
    server = serve()
    printed = rhinecloud("check", "--data", server.data)
    assert f"Served now by process {server.process.pid}" in printed
    assert "Fixed collation (C.UTF-8)" in printed
    assert "JetStream is on" in printed
    assert f"MQTT listens on port {server.mqtt_port}" in printed


@embedded
def test_ports_in_use(data_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        printed = rhinecloud("check", "--data", data_folder, f"--port={port}", "--mqtt-port=0", code=1)
    assert f"HTTP cannot listen on 127.0.0.1:{port}: address already in use" in printed
    assert "1 thing to change" in printed


@embedded
def test_data_of_another_major_version(data_folder: Path, free: list[str]) -> None:
    (data_folder / "postgresql").mkdir(parents=True)
    version = data_folder / "postgresql" / "PG_VERSION"
    version.write_text("16\n")
    printed = rhinecloud("check", "--data", data_folder, *free, code=1)
    assert f"rhinecloud upgrade --data {data_folder} --old-programs /usr/lib/postgresql/16/bin" in printed
    version.write_text("99\n")
    assert "install 99 again" in rhinecloud("check", "--data", data_folder, *free, code=1)


@embedded
@pytest.mark.skipif(os.geteuid() != 0, reason="root only")
def test_a_data_folder_that_the_engines_cannot_enter(tmp_path: Path, free: list[str]) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert "cannot enter" in rhinecloud("check", "--data", closed / "data", *free, code=1)


def test_external_engines(database_url: str, nats: NatsServer) -> None:
    printed = rhinecloud("check", "--port=0", "--database-url", database_url, "--nats-url", nats.url)
    assert "PostgreSQL 1" in printed
    assert "JetStream is on" in printed


def test_external_engines_that_are_away() -> None:
    printed = rhinecloud(
        "check",
        "--port=0",
        "--database-url=postgresql://127.0.0.1:1/x",
        "--nats-url=nats://127.0.0.1:1",
        code=1,
    )
    assert "PostgreSQL cannot be reached" in printed
    assert "NATS cannot be reached at 127.0.0.1:1" in printed


def test_a_setting_that_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHINECLOUD_WORKERS", "many")
    assert "RHINECLOUD_WORKERS=many: Expected `int`" in rhinecloud("check", code=1)
