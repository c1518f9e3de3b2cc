"""Simulated sensors: each says whether somebody is there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from .. import functions
from ..functions import BASIC, PRESENCE
from ..messages import AttributeDesc, Device, DeviceClass, EventDesc, FunctionDesc

CLASS: Final = "PresenceSensor"
FUNCTION: Final = "presence"


def device_class() -> DeviceClass:
    """The class of the sensors."""
    basic = [AttributeDesc(name=name) for name in ("displayName", "assetId", "serial")]
    status = [AttributeDesc(name="presenceStatus", read_only=True)]
    changed = [EventDesc(type="presenceStatusChanged")]
    return DeviceClass(
        name=CLASS,
        functions=[
            FunctionDesc(function_id="basic", type=BASIC, attributes=basic),
            FunctionDesc(function_id=FUNCTION, type=PRESENCE, attributes=status, events=changed),
        ],
    )


class Sensor:
    """One of them; `asset` is the customer's name of the detector."""

    def __init__(self, address: UUID, asset: str) -> None:
        self.address = address
        self.asset = asset
        self.present = False
        self._lowered: datetime | None = None

    def sense(self, present: bool, now: datetime) -> None:
        """Somebody is there, or nobody any more."""
        if self.present and not present:
            self._lowered = now
        self.present = present

    def holds(self, seconds: float, now: datetime) -> bool:
        """Whether it is active, or was so many seconds ago or less."""
        return self.present or (
            self._lowered is not None and now - self._lowered < timedelta(seconds=seconds)
        )

    def device(self, now: datetime) -> Device:
        """The whole of it."""
        said = {"displayName": f"Sensor {self.asset}", "assetId": self.asset, "serial": self.address.hex[:12]}
        return Device(
            address=self.address,
            name=f"Sensor {self.asset}",
            class_=CLASS,
            functions=[
                {
                    "id": "basic",
                    "type": BASIC,
                    **{name: functions.document(BASIC, name, value, now) for name, value in said.items()},
                },
                {
                    "id": FUNCTION,
                    "type": PRESENCE,
                    "presenceStatus": functions.document(PRESENCE, "presenceStatus", self.present, now),
                },
            ],
        )
