"""How long it takes from a detection to the command at the lamp, both over MQTT, through a served city.

Many short streets in turn, so that each detection finds dark lamps and has to raise them; the traveller's message and
the lamp's are in the same process, so one clock tells.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import msgspec
import numpy as np

from .installation import Installation

_LON, _LAT, _STEP, _APART = (
    6.76,
    51.43,
    0.000216,
    0.0018,
)  # degrees: 15 m between lamps, 200 m between streets
_STREETS, _LAMPS = 100, 3
_EVERY = 0.2  # seconds between two detections: lamps of a street have fallen before it comes again
_PATIENCE = 120.0


class Result(msgspec.Struct, frozen=True):
    """Milliseconds from publishing a detection to the first command that it caused; `load`: the machine's average of
    the last minute when it was over."""

    detections: int
    lost: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    load: float


def run(detections: int) -> Result:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="rhinecloud-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        installation = Installation(folder)
        installation.start()
        try:
            return asyncio.run(_measure(installation, detections))
        finally:
            installation.stop()


def table(result: Result) -> str:
    """As text."""
    return (
        f"detection to command, {result.detections} detections: p50 {result.p50_ms:.1f} ms, "
        f"p99 {result.p99_ms:.1f} ms, worst {result.worst_ms:.1f} ms, lost {result.lost} "
        f"(load of the machine {result.load:.1f} on {os.cpu_count()} cores)"
    )


async def _measure(installation: Installation, detections: int) -> Result:
    address = f"http://127.0.0.1:{installation.port}"
    async with httpx.AsyncClient(
        base_url=address, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60
    ) as http:
        await _set_up(http)
    taken: list[float] = []
    lost = 0
    heard = asyncio.Event()
    expected = ""
    async with aiomqtt.Client("127.0.0.1", installation.mqtt_port) as client:
        await client.subscribe("lamp/+/demand")

        async def listen() -> None:
            async for message in client.messages:
                if str(message.topic).startswith(expected):  # not what an earlier one caused
                    heard.set()

        listening = asyncio.create_task(listen())
        for number in range(-10, detections):  # the first ones are not counted: the platform learns its table
            heard.clear()
            expected = f"lamp/s{number % _STREETS}l"
            begun = time.perf_counter()
            passed = json.dumps({"forward": True, "speed": 10})
            await client.publish(f"detector/d{number % _STREETS}/passed", passed)
            try:
                async with asyncio.timeout(5):
                    await heard.wait()
            except TimeoutError:
                lost += number >= 0
            else:
                if number >= 0:
                    taken.append(1000 * (time.perf_counter() - begun))
            await asyncio.sleep(_EVERY)
        listening.cancel()
    p50, p99 = np.percentile(taken, [50, 99])
    return Result(detections, lost, float(p50), float(p99), max(taken), os.getloadavg()[0])


async def _set_up(http: httpx.AsyncClient) -> None:
    lamps = [
        (f"s{street}l{number}", street, number) for street in range(_STREETS) for number in range(_LAMPS)
    ]
    for name, _, _ in lamps:
        await _asked(
            http, "/api/v1/devices", {"id": name, "type": "Streetlight", "profile": "lamp-on-demand"}
        )
    entities = [
        {
            "id": f"urn:ngsi-ld:Streetlight:{name}",
            "type": "Streetlight",
            "location": {"type": "Point", "coordinates": [_LON + number * _STEP, _LAT + street * _APART]},
            "refDevice": {"type": "Relationship", "object": f"urn:ngsi-ld:Device:{name}"},
        }
        for name, street, number in lamps
    ]
    await _asked(http, "/ngsi-ld/v1/entityOperations/upsert", entities)
    detectors: list[dict[str, Any]] = []
    features = []
    for street in range(_STREETS):
        lat, name = _LAT + street * _APART, f"d{street}"
        detectors.append(
            {"id": name, "name": name, "lon": _LON, "lat": lat, "kinds": ["vehicle"], "bearing": 90}
        )
        line = {"type": "LineString", "coordinates": [[_LON, lat], [_LON + _LAMPS * _STEP, lat]]}
        features.append({"type": "Feature", "properties": {"name": name}, "geometry": line})
    await _asked(http, "/api/lighting/demand/detectors", detectors)
    roads = json.dumps({"type": "FeatureCollection", "features": features})
    await http.post("/lighting/demand/roads", files={"file": ("roads.geojson", roads, "application/json")})
    until = time.monotonic() + _PATIENCE
    while "up to date" not in (await http.get("/lighting/demand?lang=en")).text:
        if time.monotonic() > until:
            raise TimeoutError("the tables were not computed")
        await asyncio.sleep(0.2)


async def _asked(http: httpx.AsyncClient, path: str, body: Any) -> None:
    answered = await http.post(path, json=body)
    answered.raise_for_status()
