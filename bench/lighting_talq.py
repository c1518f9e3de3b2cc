"""How long a plan takes to 500 cabinet gateways: `python -m bench lighting_talq`.

A served city and the reference gateways (one process for all) on this machine. Measured are plans that are asked for
when all are introduced: from the request to the moment at which the lamps of every gateway confirmed it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from rhinecloud.testing import serving

_LAMP = "urn:ngsi-ld:Streetlight:"
_PATIENCE = 900.0


class Distribution(msgspec.Struct, frozen=True):
    """Gateways with so many lamps each; seconds until all were introduced, and from each plan until the lamps of all
    had confirmed it."""

    gateways: int
    lamps: int
    introduced: float
    plans: tuple[float, ...]


def table(result: Distribution) -> str:
    """For people."""
    plans = ", then ".join(f"{seconds:.1f} s" for seconds in result.plans)
    return (
        f"{result.gateways} gateways with {result.lamps} lamps each: introduced in {result.introduced:.1f} s; "
        f"a plan confirmed by all after {plans}"
    )


def run(gateways: int, lamps: int, say: Callable[[str], None]) -> Distribution:
    """Introduce reference gateways to a fresh city, and give them two plans. Raises TimeoutError."""
    os.environ["RHINECLOUD_OUTBOUND_ALLOW"] = "127.0.0.0/8"
    os.environ["RHINECLOUD_WORKERS"] = "2"  # one tells the gateways, both take what their lamps report
    names = [f"g{number}" for number in range(gateways)]
    assets = {name: [f"{name}-{number}" for number in range(lamps)] for name in names}
    with (
        serving("lighting") as base,
        tempfile.TemporaryDirectory() as folder,
        httpx.Client(base_url=base, timeout=120, headers={"Sec-Fetch-Site": "same-origin"}) as city,
    ):
        every = [lamp for those in assets.values() for lamp in those]
        for start in range(0, len(every), 500):
            entities = [{"id": _LAMP + one, "type": "Streetlight"} for one in every[start : start + 500]]
            city.post("/ngsi-ld/v1/entityOperations/upsert", json=entities).raise_for_status()
        keys = {
            name: city.post("/api/lighting/gateways", json={"name": name}).json()["key"] for name in names
        }
        (Path(folder) / "keys").write_text("".join(f"{name} {key}\n" for name, key in keys.items()))
        rows = [f"{name};{one};6.76;51.43;60" for name, those in assets.items() for one in those]
        (Path(folder) / "lamps").write_text("\n".join(rows))
        command = [
            sys.executable,
            "-m",
            "rhinecloud.cli",
            "lighting",
            "talq-gateway",
            f"--cms={base}/api/lighting/talq",
        ]
        command += [
            f"--keys={folder}/keys",
            f"--lamps={folder}/lamps",
            "--port=0",
            "--every=30",
            "--sample=100000",
        ]
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _until(lambda: _known(city) == gateways * lamps, lambda: f"{_known(city)} lamps are known")
            introduced = time.monotonic() - begun
            say(f"{gateways} gateways with {lamps} lamps each introduced themselves in {introduced:.1f} s")
            plans = []
            for level in (60, 40):
                time.sleep(5.0)
                plans.append(_distributed(city, every, level, gateways))
                say(f"a plan at {level} % was confirmed by all after {plans[-1]:.1f} s")
        finally:
            process.terminate()
            process.wait(60)
    return Distribution(gateways, lamps, introduced, tuple(plans))


def _distributed(city: httpx.Client, lamps: list[str], level: int, gateways: int) -> float:
    plan = {
        "programs": [{"id": "night", "name": ["Nacht", "night"], "fixed": [{"at": "12:00", "level": level}]}],
        "calendars": [{"id": "usual", "name": ["üblich", "usual"], "default": "night"}],
        "assigned": dict.fromkeys((_LAMP + one for one in lamps), "usual"),
    }
    begun = time.monotonic()
    city.post("/api/lighting/gateways/plans", json=plan).raise_for_status()
    _until(lambda: _states(city)["confirmed"] == gateways, lambda: str(_states(city)))
    return time.monotonic() - begun


def _listed(city: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = city.get("/api/lighting/gateways").json()
    return found


def _known(city: httpx.Client) -> int:
    return sum(one["lamps"] for one in _listed(city))


def _states(city: httpx.Client) -> Counter[str]:
    return Counter((one["plan"] or {}).get("state", "none") for one in _listed(city))


def _until(done: Callable[[], bool], said: Callable[[], str]) -> None:
    end = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(said())
        time.sleep(0.5)
