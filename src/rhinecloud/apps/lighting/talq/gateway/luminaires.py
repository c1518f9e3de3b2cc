"""Simulated luminaires: what each does, uses, and how it fails."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from .. import functions
from ..base import Command, LevelState
from ..functions import ACTUATOR, BASIC, COMMUNICATION, MONITOR, TIME
from ..messages import AttributeDesc, Device, DeviceClass, EventDesc, FunctionDesc

Fault = Literal["lamp_failure", "day_burner", "dimming_failure", "silent", "liar", "deaf"]
FAULTS: Final[tuple[Fault, ...]] = (
    "lamp_failure",  # dark, and says so
    "day_burner",  # on, whatever it is told
    "dimming_failure",  # on or off, nothing between
    "silent",  # does as it is told and says nothing
    "liar",  # tells what cannot be
    "deaf",  # takes no calendar and no command, and says what it does
)
CLASS: Final = "Luminaire"
GATEWAY_CLASS: Final = "Gateway"
STANDBY: Final = 0.5  # watts

_KINDS: Final = {
    "basic": BASIC,
    "communication": COMMUNICATION,
    "time": TIME,
    "lamp": ACTUATOR,
    "monitor": MONITOR,
}
_ATTRIBUTES: Final = {
    "basic": ("displayName", "assetId", "serial", "swVersion", "deviceReset"),
    "communication": ("physicalAddress", "communicationFailure", "communicationQuality"),
    "time": ("currentTime", "timeZone"),
    "lamp": (
        *(
            "defaultLightState",
            "targetLightCommand",
            "feedbackLightCommand",
            "actualLightState",
            "calendarID",
        ),
        *("lightStateChange", "invalidCalendar"),
    ),
    "monitor": (
        "activePower",
        "activeEnergy",
        "operatingHours",
        "supplyVoltage",
        "temperature",
        "lampFailure",
    ),
}
_EVENTS: Final = {"lamp": ("lightStateChange", "invalidCalendar"), "monitor": ("lampFailure",)}


def device_class() -> DeviceClass:
    """The class of the luminaires."""
    return DeviceClass(
        name=CLASS,
        functions=[
            FunctionDesc(
                function_id=identifier,
                type=_KINDS[identifier],
                attributes=[AttributeDesc(name=name) for name in names],
                events=[EventDesc(type=name) for name in _EVENTS.get(identifier, ())],
            )
            for identifier, names in _ATTRIBUTES.items()
        ],
    )


class Luminaire:
    """One of them. `rated` in watts; `asset` is the customer's name of the lamp."""

    def __init__(self, address: UUID, asset: str, lon: float, lat: float, rated: float, seed: int) -> None:
        self.address = address
        self.name = f"Luminaire {asset.rpartition(':')[2]}"
        self.asset = asset
        self.lon = lon
        self.lat = lat
        self.rated = rated
        self.calendar = ""
        self.override: Command | None = None
        self.default_level = 100
        self.faults: set[Fault] = set()
        self.level = 0
        self.wanted = Command(state=LevelState(value=0), reason="default")
        self.energy = 0.0  # kWh
        self.hours = 0.0
        self.volts = 229.0 + random.Random(seed).random() * 4
        self.changed_at: datetime | None = None
        self._then: datetime | None = None

    def follow(self, scheduled: int | None, now: datetime, *, sensed: bool = False) -> bool:
        """Do what is wanted now: the override, else the calendar (None: there is none, the default state holds).
        `sensed`: because of a sensor. True if the light changed."""
        if self._then is not None:
            hours = max(0.0, (now - self._then).total_seconds() / 3600)
            self.energy += self.power / 1000 * hours
            self.hours += hours if self.level else 0.0
        self._then = now
        over = self.override
        if over is not None and over.expiration is not None and over.expiration <= now:
            self.override = over = None
        if over is not None and (over.start is None or over.start <= now):
            wanted = over
        elif scheduled is None:
            wanted = Command(state=LevelState(value=self.default_level), reason="default")
        else:
            wanted = Command(state=LevelState(value=scheduled), reason="sensor" if sensed else "program")
        before = (self.level, self.wanted)
        if "deaf" not in self.faults:
            self.wanted = wanted
        self.level = self._actual(self.wanted.state.value)
        changed = before != (self.level, self.wanted)
        if changed or self.changed_at is None:
            self.changed_at = now
        return changed

    def _actual(self, wanted: int) -> int:
        if "lamp_failure" in self.faults:
            return 0
        if "day_burner" in self.faults:
            return 100
        if "dimming_failure" in self.faults:
            return 100 if wanted else 0
        return wanted

    @property
    def power(self) -> float:
        """In watts: a driver loses more, relatively, when it is dimmed."""
        return (
            STANDBY if self.level == 0 else round(STANDBY + self.rated * (0.04 + 0.96 * self.level / 100), 2)
        )

    def told(self, now: datetime) -> dict[str, dict[str, Any]]:
        """function id → attribute → value, as of now."""
        power = 1e9 if "liar" in self.faults else self.power
        return {
            "lamp": {
                "actualLightState": LevelState(value=self.level),
                "feedbackLightCommand": self.wanted,
                "targetLightCommand": self.override or self.wanted,
                "calendarID": self.calendar,
                "defaultLightState": LevelState(value=self.default_level),
            },
            "monitor": {
                "activePower": power,
                "activeEnergy": round(self.energy, 6),
                "operatingHours": round(self.hours, 4),
                "supplyVoltage": round(self.volts, 1),
                "temperature": round(12.0 + 30.0 * self.level / 100, 1),
                "lampFailure": "lamp_failure" in self.faults,
            },
            "communication": {"communicationFailure": "silent" in self.faults},
            "time": {"currentTime": now},
        }

    def device(self, now: datetime, time_zone: str) -> Device:
        """The whole of it."""
        said: dict[str, dict[str, Any]] = {
            "basic": {
                "displayName": self.name,
                "assetId": self.asset,
                "serial": self.address.hex[:12],
                "swVersion": "1.0",
                "deviceReset": False,
            },
            "communication": {"physicalAddress": self.address.hex[-12:], "communicationQuality": 97.0},
            "time": {"timeZone": time_zone},
            "lamp": {"lightStateChange": False, "invalidCalendar": False},
        }
        for identifier, attributes in self.told(now).items():
            said.setdefault(identifier, {}).update(attributes)
        return Device(
            address=self.address,
            name=self.name,
            class_=CLASS,
            functions=[
                {
                    "id": identifier,
                    "type": kind,
                    **{
                        name: functions.document(kind, name, value, now)
                        for name, value in said[identifier].items()
                    },
                }
                for identifier, kind in _KINDS.items()
            ],
        )
