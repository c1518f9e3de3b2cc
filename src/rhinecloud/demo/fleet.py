"""The devices that speak for the simulated city, each with a secret and topics of its own.

A cabinet stands in each street and speaks for its lamps and detectors; each station is a device. Each lamp is a device,
too, that the city tells its level: the cabinet hears and confirms it, over its one connection. They are added by the
management API like anybody's, by profiles that the city has or is given. One station cannot speak MQTT and pushes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from rhinecloud.demo.mqtt import Publisher
from rhinecloud.demo.stations import STATIONS
from rhinecloud.demo.streets import Street
from rhinecloud.demo.traffic import Report

API = "/api/v1"
PUSHES = "duisburg-parkhaus-4"
_ROOT = "duisburg"
_WINDOW = 50  # messages of a device that wait for their acknowledgement
_LAMPS_AT_ONCE = 500  # devices in one request
_CONFIRM = {"version": "$.version", "result": "$.result", "detail": "$.detail", "reported": "$.reported"}
CABINETS: dict[str, Any] = {
    "name": "duisburg-street",
    "title": {"de": "Straßenschrank (Demo)", "en": "Street cabinet (demo)"},
    "description": {
        "de": "Ein Schrank spricht für die Leuchten und Zählstellen seiner Straße. Was von ihm gewünscht wird, tut "
        'eine Monteurin: {"lamp": 7, "fault": "dark"} (stuck, cycling, undimmed; none: repariert), '
        '{"feeder": "A", "supply": "off"} (on), {"repair": "all"}.',
        "en": "A cabinet speaks for the lamp posts and detectors of its street. What is wanted of it a technician "
        'does: {"lamp": 7, "fault": "dark"} (stuck, cycling, undimmed; none: repaired), '
        '{"feeder": "A", "supply": "off"} (on), {"repair": "all"}.',
    },
    "topics": [f"{_ROOT}/{{device}}/{{type}}/{{part}}"],
    "format": "attributes",
    "entity": {"id": "urn:ngsi-ld:{type}:{part}", "type": "{type}"},
    "command_topic": f"{_ROOT}/{{device}}/command",
    "confirm": [{"topics": [f"{_ROOT}/{{device}}/confirm"], **_CONFIRM}],
}
_LAMP = f"{_ROOT}/{{cabinet}}/Streetlight/{{device}}"
LAMPS: dict[str, Any] = {
    "name": "duisburg-lamp",
    "title": {"de": "Leuchte an einem Straßenschrank (Demo)", "en": "Lamp of a street cabinet (demo)"},
    "description": {
        "de": 'Ihr Schrank spricht für sie. Gewünscht wird {"illuminanceLevel": 0.4}: 0 bis 1.',
        "en": 'Its cabinet speaks for it. What can be wanted is {"illuminanceLevel": 0.4}: 0 to 1.',
    },
    "topics": [_LAMP],
    "format": "attributes",
    "entity": {"id": "urn:ngsi-ld:Streetlight:{device}", "type": "Streetlight"},
    "command_topic": f"{_LAMP}/command",
    "confirm": [{"topics": [f"{_LAMP}/confirm"], **_CONFIRM}],
}


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of a lamp (its local id), or of the cabinet itself (no `lamp`)."""

    cabinet: str
    lamp: str
    version: int
    wanted: dict[str, Any]


class FleetError(Exception):
    """The city does not take the demo's devices; the text says why."""


def cabinet(street: Street) -> str:
    """The id of the device that speaks for a street."""
    return f"{_ROOT}-schrank-{street.key}"


def devices(streets: list[Street]) -> list[dict[str, Any]]:
    """All devices that sign in, as the management API takes them."""
    cabinets = [
        {
            "id": cabinet(street),
            "type": "StreetCabinet",
            "profile": CABINETS["name"],
            "name": f"Schrank {street.name}",
            "publish": [
                f"{_ROOT}/{cabinet(street)}/+/+",
                f"{_ROOT}/{cabinet(street)}/Streetlight/+/confirm",
            ],
            "subscribe": [f"{_ROOT}/{cabinet(street)}/Streetlight/+/command"],
        }
        for street in streets
    ]
    stations = [{"id": one.key, "type": one.kind, "name": one.name} for one in STATIONS]
    return cabinets + stations


def lamps(streets: list[Street]) -> list[dict[str, Any]]:
    """The devices that cabinets speak for."""
    return [
        {
            "id": street.lamp_key(index),
            "type": "Streetlight",
            "profile": LAMPS["name"],
            "name": f"{street.name} {index + 1}",
            "detail": {"levels": {"cabinet": cabinet(street)}},
        }
        for street in streets
        for index in range(len(street.lamps))
    ]


def order(topic: str, payload: bytes) -> Order | None:
    """What a message of the city asks for; None if it is no such message."""
    try:
        match topic.split("/"), json.loads(payload):
            case [_, cabinet, "command"], {"version": int(version), "set": dict(wanted)}:
                return Order(cabinet, "", version, wanted)
            case [_, cabinet, _, lamp, "command"], {"version": int(version), "set": dict(wanted)}:
                return Order(cabinet, lamp, version, wanted)
    except ValueError:
        pass
    return None


class Fleet:
    """The running devices. Use as `async with Fleet(...)`, once they were `add`ed."""

    def __init__(self, http: httpx.AsyncClient, host: str, port: int, streets: list[Street]) -> None:
        self._http = http
        self._where = (host, port)
        self._devices = devices(streets)
        self._lamps = lamps(streets)
        self._hearing = {cabinet(street): f"{_ROOT}/{cabinet(street)}" for street in streets}
        # Who speaks for a part, by type and local id.
        self._cabinets = {
            key: cabinet(street)
            for street in streets
            for key in (
                *(street.lamp_key(index) for index in range(len(street.lamps))),
                *(f"duisburg-{street.key}-{direction}" for direction in (0, 1)),
            )
        }
        self._secrets: dict[str, str] = {}
        self._publishers: dict[str, Publisher] = {}
        self._stack = AsyncExitStack()
        self._pushing: asyncio.Task[None] | None = None
        self.orders: asyncio.Queue[Order] = asyncio.Queue()
        self.pushed = 0
        self.refused = ""

    async def add(self) -> None:
        """Make the profiles and the devices known, and get a secret for each that signs in: new ones, for an earlier
        run kept none. Raises FleetError, httpx.TransportError."""
        for profile in (CABINETS, LAMPS):
            await self._ask("PUT", f"/profiles/{profile['name']}", 200, json=profile)
        told = await self._import(self._devices, secrets=True)
        self._secrets = dict(told["secrets"] or {})
        for device in told["existing"]:
            await self._ask("DELETE", f"/devices/{device}/secrets", 204)
            issued = await self._ask("POST", f"/devices/{device}/secrets", 201, json={"note": "demo"})
            self._secrets[device] = issued["secret"]
        for start in range(0, len(self._lamps), _LAMPS_AT_ONCE):
            await self._import(self._lamps[start : start + _LAMPS_AT_ONCE], secrets=False)

    async def _import(self, devices: Iterable[dict[str, Any]], *, secrets: bool) -> Any:
        path = f"/devices/import?secrets={str(secrets).lower()}"
        told = await self._ask("POST", path, 200, json=list(devices))
        if told["problems"]:
            raise FleetError(f"The city does not take a device of the demo: {told['problems'][0]['detail']}")
        return told

    async def _ask(self, method: str, path: str, expected: int, **options: Any) -> Any:
        answer = await self._http.request(method, API + path, **options)
        if answer.status_code != expected:
            raise FleetError(f"{method} {API}{path} is answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    async def __aenter__(self) -> Fleet:
        host, port = self._where
        for device, secret in self._secrets.items():
            if device != PUSHES:
                root = self._hearing.get(device)
                hears = [] if root is None else [f"{root}/command", f"{root}/Streetlight/+/command"]
                publisher = Publisher(
                    *(host, port, device),
                    login=(device, secret),
                    window=_WINDOW,
                    hears=hears,
                    heard=self._heard,
                )
                self._publishers[device] = await self._stack.enter_async_context(publisher)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        if self._pushing is not None:
            await asyncio.wait([self._pushing], timeout=5)

    async def report(self, report: Report, observed_at: str) -> None:
        """Let the device that is meant say it; waits while too much of it is not acknowledged."""
        kind, key, attributes = report
        body = json.dumps({"observedAt": observed_at, **attributes}, separators=(",", ":")).encode()
        speaker = self._cabinets.get(key)
        if speaker is not None:
            await self._publishers[speaker].publish(f"{_ROOT}/{speaker}/{kind}/{key}", body)
        elif key == PUSHES:
            if self._pushing is None or self._pushing.done():  # what is not taken now is old a moment later
                self._pushing = asyncio.create_task(self._push(key, body))
        else:
            await self._publishers[key].publish(f"json/{kind}/{key}", body)

    def _heard(self, topic: str, payload: bytes) -> None:
        if (one := order(topic, payload)) is not None:
            self.orders.put_nowait(one)

    async def confirm(self, one: Order, *, failed: str = "") -> None:
        """Say what became of an order; `failed` says why it was not carried out."""
        said = {"version": one.version, "result": "failed", "detail": failed}
        if not failed:
            said = {"version": one.version, "result": "done", "reported": one.wanted}
        part = f"/Streetlight/{one.lamp}" if one.lamp else ""
        topic = f"{_ROOT}/{one.cabinet}{part}/confirm"
        await self._publishers[one.cabinet].publish(topic, json.dumps(said).encode())

    async def _push(self, device: str, body: bytes) -> None:
        try:
            answer = await self._http.post(
                f"{API}/devices/{device}/messages",
                content=body,
                headers={"Authorization": f"Bearer {self._secrets[device]}"},
            )
        except httpx.TransportError as error:
            self.refused = str(error) or type(error).__name__
            return
        if answer.status_code == 204:
            self.pushed += 1
            self.refused = ""
        else:
            self.refused = f"{answer.status_code} {answer.text[:200]}"

    def __len__(self) -> int:
        """Devices that connect by MQTT."""
        return len(self._publishers)

    @property
    def acknowledged(self) -> int:
        """Messages that the city has."""
        return self.pushed + sum(publisher.acknowledged for publisher in self._publishers.values())

    @property
    def connections(self) -> int:
        """How often devices have connected."""
        return sum(publisher.connections for publisher in self._publishers.values())

    @property
    def problems(self) -> list[str]:
        """Why devices are not connected, each reason once."""
        away = {one.problem for one in self._publishers.values() if not one.connected and one.problem}
        return sorted(away | ({self.refused} if self.refused else set()))

    async def settled(self) -> None:
        """Wait until everything is acknowledged."""
        await asyncio.gather(*(publisher.settled() for publisher in self._publishers.values()))
