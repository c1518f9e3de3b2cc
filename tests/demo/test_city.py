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


def spoken(server: Server, **which: str) -> tuple[int, int]:
    """Devices whose secret was used, of how many that sign in."""
    base = f"{server.base_url}/api/v1/devices"
    found = httpx.get(base, params={"limit": "1000", **which}, timeout=30).json()["items"]
    used = 0
    own = [one["id"] for one in found if one["type"] != "Streetlight"]
    for device in own:
        secrets = httpx.get(f"{base}/{device}/secrets", timeout=30).json()["items"]
        assert len(secrets) == 1, "a device of the demo that signs in has one secret"
        used += secrets[0]["last_used_at"] is not None
    return used, len(own)


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


def demo(server: Server, *options: str) -> subprocess.Popen[str]:
    """The demo in this city; nobody comes to its opening event unless the options say so."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "rhinecloud.demo", "--http", server.base_url),
            *("--mqtt", f"{server.mqtt_host}:{server.mqtt_port}", "--participants", "0", *options),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )


def ended(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    _, problems = process.communicate(timeout=60)
    assert process.returncode == 0, problems
    assert problems == ""


def test_the_simulated_city_comes_alive_and_starts_again(server: Server) -> None:
    for _ in range(2):
        process = demo(server, "--lamps", "300", "--vehicles", "60", "--no-faults")
        assert process.stdout is not None
        assert "300 lamp posts" in process.stdout.readline()
        eventually(lambda: count(server, "Streetlight", q="illuminanceLevel==1") > 20)
        assert count(server, "Streetlight", q="areaServed") == 300
        eventually(lambda: count(server, "OffStreetParking", q="availableSpotNumber>=0") == 4)
        told = httpx.get(f"{server.base_url}/api/v1/devices", params={"count": "true"}, timeout=30).json()
        assert told["count"] == 5 + 10 + 300, "a cabinet for each street, the stations, and the lamps"
        eventually(lambda: spoken(server, profile="duisburg-street") == (5, 5))
        eventually(lambda: spoken(server) == (15, 15))
        ended(process)
    assert httpx.get(f"{server.base_url}/api/v1/alarms", timeout=30).json()["items"] == []
    assert httpx.get(f"{server.base_url}/api/v1/unmapped", timeout=30).json()["items"] == []
    assert count(server, "Streetlight") == 300
    assert count(server, "OffStreetParking") == 4
    assert count(server, "WaterObserved") == 1


def lamp(server: Server, key: str) -> dict[str, Any]:
    base = f"{server.base_url}/ngsi-ld/v1/entities/urn:ngsi-ld:Streetlight:{key}"
    answer = httpx.get(base, params={"options": "keyValues"}, timeout=30)
    return dict(answer.json()) if answer.status_code == 200 else {}


def want(server: Server, device: str, **values: Any) -> Callable[[], str]:
    """What is wanted of a device; the state that this comes to."""
    base = f"{server.base_url}/api/v1/devices/{device}/wanted"
    answer = httpx.post(base, json={"set": values}, timeout=30)
    assert answer.status_code == 201, answer.text
    version = answer.json()["version"]
    return lambda: str(httpx.get(f"{base}/{version}", timeout=30).json()["state"])


def test_lamps_do_what_is_wanted_and_a_technician_breaks_and_repairs_them(server: Server) -> None:
    key, cabinet = "duisburg-walsum-01-007", "duisburg-schrank-walsum-01"

    def power() -> float:
        return float(lamp(server, key).get("powerConsumption", -1))

    options = ("--lamps", "40", "--vehicles", "0", "--no-faults", "--no-plan")
    process = demo(server, *options)
    assert process.stdout is not None
    assert "40 lamp posts" in process.stdout.readline()
    told = want(server, key, illuminanceLevel=0.4)
    eventually(lambda: told() == "confirmed")
    eventually(lambda: lamp(server, key)["illuminanceLevel"] == 0.4 and 25 < power() < 29)
    nonsense = want(server, key, illuminanceLevel=7)
    eventually(lambda: nonsense() == "failed")

    broken = want(server, cabinet, lamp=7, fault="dark")
    eventually(lambda: broken() == "confirmed" and 0 <= power() < 1)
    assert lamp(server, key)["illuminanceLevel"] == 0.4, "it does not know that it is dark"
    repaired = want(server, cabinet, lamp=7, fault="none")
    eventually(lambda: repaired() == "confirmed" and 25 < power() < 29)
    unknown = want(server, cabinet, lamp=77, fault="dark")
    eventually(lambda: unknown() == "failed")

    outage = want(server, cabinet, feeder="A", supply="off")
    eventually(lambda: outage() == "confirmed" and power() == 0)
    unheard = want(server, key, illuminanceLevel=0.8)
    eventually(lambda: unheard() == "sent")
    assert power() == 0
    supplied = want(server, cabinet, feeder="A", supply="on")
    eventually(lambda: supplied() == "confirmed" and unheard() == "confirmed")
    eventually(lambda: lamp(server, key)["illuminanceLevel"] == 0.8 and 48 < power() < 53)
    ended(process)

    again = demo(server, *options)
    assert again.stdout is not None
    assert "40 lamp posts" in again.stdout.readline()
    assert lamp(server, key)["illuminanceLevel"] == 0.8, "a lamp keeps its level through a power cut"
    eventually(lambda: len(set(spoken(server))) == 1)  # who is still connecting complains when it is stopped
    ended(again)


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
