"""A LoRaWAN field: a network server with the interfaces of ChirpStack v4 that are used, and lamps that lose frames.

What the city sends goes by HTTP, as ChirpStack has no other way to a multicast group; what lamps say goes over MQTT to
a foreign broker, with the payload decoded as the codec does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rhinecloud.apps.lighting.lorawan.frames import Receiver, Report, report, reported
from tests.gateways.foreign import Foreign

APPLICATION = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"
MULTICAST = "b3f6c2f6-5d53-4f8e-9d7b-0a6f3a1f0c11"
TOKEN = "a token of the network server"


class Lamp:
    """`loss`: the portion of frames that it does not hear, two in a row at the most; `deaf`: it hears none; `drift`:
    seconds its clock is ahead; `stuck`: a level that it keeps whatever its schedule says."""

    def __init__(self, eui: str, *, loss: float = 0.0, seed: int = 1) -> None:
        self.eui = eui
        self.loss = loss
        self.deaf = False
        self.drift = 0.0
        self.stuck: int | None = None
        self.receiver = Receiver()
        self.versions: list[int] = []
        self.levels: list[int] = []  # that its schedules have now, one after the other
        self._missed = 0
        self._chance = random.Random(f"{eui} {seed}")

    def hears(self, frame: bytes) -> None:
        if self.deaf:
            return
        if self._missed < 2 and self._chance.random() < self.loss:
            self._missed += 1
            return
        self._missed = 0
        if self.receiver.take(frame):
            self.versions.append(self.receiver.version)
            level = self._level(60.0)  # a step may be rounded to the minute that comes
            assert level is not None
            self.levels.append(level)

    def says(self) -> dict[str, Any]:
        """An uplink as the network server publishes it."""
        now = datetime.now(UTC)
        level = self.stuck if self.stuck is not None else self._level()
        payload = report(
            Report(
                version=self.receiver.version,
                hash=self.receiver.hash,
                clock=round(now.timestamp() + self.drift),
                level=level,
                power=None if level is None else 0.6 * level,
            )
        )
        one = reported(payload)
        decoded: dict[str, Any] = {
            "scheduleVersion": one.version,
            "scheduleHash": f"{one.hash:08x}",
            "deviceClock": one.clock,
        }
        if one.level is not None and one.power is not None:
            decoded["illuminanceLevel"] = one.level / 100
            decoded["powerState"] = "on" if one.level else "off"
            decoded["powerConsumption"] = one.power
        return {
            "deduplicationId": f"{self._chance.getrandbits(64):x}",
            "time": now.isoformat(),
            "deviceInfo": {"applicationId": APPLICATION, "devEui": self.eui},
            "fPort": 10,
            "data": base64.b64encode(payload).decode(),
            "object": decoded,
            "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -97, "snr": 5.5}],
        }

    def _level(self, ahead: float = 0.0) -> int | None:
        schedule = self.receiver.schedule
        instant = datetime.now(UTC).timestamp() + self.drift + ahead
        return None if schedule is None else schedule.level_at(instant)


class Field:
    """The network server and its lamps, who all hear its one multicast group."""

    def __init__(self, *lamps: Lamp) -> None:
        self.lamps = {lamp.eui: lamp for lamp in lamps}
        self.calls: list[tuple[str, str]] = []
        self.sizes: set[int] = set()
        self.away = False
        self.url = ""
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, token: str | None, body: dict[str, Any]) -> int:
        """What a call does; its status."""
        if self.away:
            return 503
        if token != f"Bearer {TOKEN}":
            return 401
        with self._lock:
            self.calls.append((method, path))
            everybody = path == f"/api/multicast-groups/{MULTICAST}/queue"
            eui = path.removeprefix("/api/devices/").removesuffix("/queue")
            if not everybody and eui not in self.lamps:
                return 404
            if method == "POST":
                item = body["queueItem"]
                frame = base64.b64decode(item["data"])
                assert item["fPort"] == 10
                self.sizes.add(len(frame))
                for lamp in self.lamps.values() if everybody else [self.lamps[eui]]:
                    lamp.hears(frame)
        return 200

    def count(self, method: str, part: str) -> int:
        with self._lock:
            return sum(one == method and part in path for one, path in self.calls)

    async def talk(self, there: Foreign, pause: float = 0.5) -> None:
        """Every lamp reports, again and again."""
        async with there.client("chirpstack") as client:
            while True:
                for lamp in self.lamps.values():
                    topic = f"application/{APPLICATION}/device/{lamp.eui}/event/up"
                    await client.publish(topic, json.dumps(lamp.says()), qos=1)
                await asyncio.sleep(pause)


@contextmanager
def network_server(field: Field) -> Iterator[None]:
    """It listens on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            token = self.headers.get("grpc-metadata-authorization")
            answer = b"{}"
            self.send_response(field.answer(self.command, self.path, token, body))
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    field.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
