"""From end to end with a real server: import, replay and the simulated city, and what the API then tells."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from rhinecloud.demo import replay
from rhinecloud.gateways.importing import command

from ..conftest import EXTERNAL_NATS, Server

pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
TESTS = Path(__file__).parents[1]
DATA = Path(__file__).parents[3] / "shared/data"
LAMPS = DATA / "lamps/zurich_lamps_lv95.csv"
VEHICLES = DATA / "traffic/moers_roemerstrasse_2016-10.txt"


def count(server: Server, kind: str, **parameters: str) -> int:
    answer = httpx.get(
        f"{server.base_url}/ngsi-ld/v1/entities",
        params={"type": kind, "limit": "1", "count": "true", **parameters},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return int(answer.headers["NGSILD-Results-Count"])


def spoken(server: Server, prefix: str) -> int:
    """Devices whose secret was used."""
    base = f"{server.base_url}/api/v1/devices"
    ids = [one["id"] for one in httpx.get(base, params={"limit": "100"}, timeout=30).json()["items"]]
    used = 0
    for device in ids:
        secrets = httpx.get(f"{base}/{device}/secrets", timeout=30).json()["items"]
        assert len(secrets) == 1, "a device of the demo has one secret"
        used += device.startswith(prefix) and secrets[0]["last_used_at"] is not None
    return used


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def run(module: Any, *given: str) -> int:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    code: int = module.run(parser.parse_args(given))
    return code


def test_the_simulated_city_comes_alive_and_starts_again(server: Server) -> None:
    def demo() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "rhinecloud.demo", "--http", server.base_url),
                *("--mqtt", f"{server.mqtt_host}:{server.mqtt_port}", "--lamps", "300", "--vehicles", "60"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )

    for _ in range(2):
        process = demo()
        assert process.stdout is not None
        assert "300 lamp posts" in process.stdout.readline()
        eventually(lambda: count(server, "Streetlight", q="illuminanceLevel==1") > 20)
        assert count(server, "Streetlight", q="areaServed") == 300
        eventually(lambda: count(server, "OffStreetParking", q="availableSpotNumber>=0") == 4)
        told = httpx.get(f"{server.base_url}/api/v1/devices", params={"count": "true"}, timeout=30).json()
        assert told["count"] == 5 + 10, "a cabinet for each street, and the stations"
        eventually(lambda: spoken(server, "duisburg-schrank-") == 5 and spoken(server, "duisburg-") == 15)
        process.send_signal(signal.SIGTERM)
        _, problems = process.communicate(timeout=10)
        assert process.returncode == 0, problems
        assert problems == ""
    assert httpx.get(f"{server.base_url}/api/v1/alarms", timeout=30).json()["items"] == []
    assert httpx.get(f"{server.base_url}/api/v1/unmapped", timeout=30).json()["items"] == []
    assert count(server, "Streetlight") == 300
    assert count(server, "OffStreetParking") == 4
    assert count(server, "WaterObserved") == 1


def test_a_small_import_and_replay(server: Server, tmp_path: Path) -> None:
    fixture = str(TESTS / "gateways/fixtures/lamps.csv")
    options = ("--mapping", "zurich_lamps", "--url", server.base_url, "--state", str(tmp_path))
    assert run(command, fixture, *options) == 1
    assert count(server, "Streetlight", idPattern="zurich:TEST") == 2
    vehicles = str(TESTS / "demo/fixtures/vehicles.txt")
    mqtt = f"{server.mqtt_host}:{server.mqtt_port}"
    assert run(replay, vehicles, "--mqtt", mqtt, "--speed", "0", "--name", "fixture") == 0
    eventually(lambda: count(server, "TrafficFlowObserved", idPattern="fixture") == 2)


@pytest.mark.skipif(not LAMPS.exists(), reason=f"the real data are not here: {DATA}")
def test_the_real_lamps_and_the_real_vehicles(server: Server, tmp_path: Path) -> None:
    options = ("--mapping", "zurich_lamps", "--url", server.base_url, "--state", str(tmp_path))
    assert run(command, str(LAMPS), *options) == 0
    assert count(server, "Streetlight", idPattern="zurich:LEU") == 42_270
    mqtt = f"{server.mqtt_host}:{server.mqtt_port}"
    assert run(replay, str(VEHICLES), "--mqtt", mqtt, "--speed", "0") == 0
    last = 'averageVehicleSpeed.observedAt=="2016-10-26T05:31:14Z"'
    eventually(lambda: count(server, "TrafficFlowObserved", idPattern="moers", q=last) == 1)
