"""What a gateway keeps, in memory: its luminaires, what the CMS gave it, and what is to be reported."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4, uuid5
from zoneinfo import ZoneInfo

import msgspec

from .. import functions
from ..base import NIL, Group, ResourceReference
from ..functions import COMMUNICATION, GATEWAY
from ..messages import (
    AttributeDesc,
    AttributeLogData,
    Device,
    DeviceClass,
    EventLogData,
    EventRecordingMode,
    FunctionDesc,
    LogEntry,
    LoggerConfig,
    LogReport,
    Service,
    VendorRecordingMode,
)
from ..schedules import Calendar, ControlProgramOne
from . import sensors as sensing
from .following import level_at
from .luminaires import GATEWAY_CLASS, Luminaire, device_class
from .sensors import Sensor

_SPACE: Final = UUID("6f1c0d0a-90a3-4f0f-9d6c-1f6f6a3f0f11")
_MOST_KEPT: Final = 100_000  # entries that wait to be reported; the oldest go first
MOST_CALENDARS: Final = 100
MOST_PROGRAMS: Final = 300
_RECORDED: Final = tuple(
    (identifier, kind, name)
    for identifier, kind, names in (
        (
            "lamp",
            functions.ACTUATOR,
            (
                "actualLightState",
                "feedbackLightCommand",
                "targetLightCommand",
                "calendarID",
                "defaultLightState",
            ),
        ),
        (
            "monitor",
            functions.MONITOR,
            ("activePower", "activeEnergy", "operatingHours", "supplyVoltage", "temperature", "lampFailure"),
        ),
        ("communication", COMMUNICATION, ("communicationFailure",)),
    )
    for name in names
)


class Lamp(msgspec.Struct, frozen=True):
    """A lamp that a luminaire is in: its name in the city, where it is, and its watts."""

    asset: str
    lon: float
    lat: float
    rated: float = 60.0


class Holdings:
    """One gateway. `sensors`: the assets of those it has; `now` is its clock (UTC); `shift` is what its schedules run
    ahead of it."""

    def __init__(
        self,
        name: str,
        lamps: Iterable[Lamp],
        *,
        sensors: Iterable[str] = (),
        zone: str = "Europe/Berlin",
        grouping: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        shift: timedelta = timedelta(0),
    ) -> None:
        self.name = name
        self.zone = ZoneInfo(zone)
        self.now = now
        self.shift = shift
        self.grouping = grouping
        self.address = NIL
        self.cms = NIL
        self.cms_uri = ""
        self.uri = ""
        self.luminaires = {
            one.address: one
            for number, lamp in enumerate(lamps)
            for one in [
                Luminaire(
                    uuid5(_SPACE, f"{name} {lamp.asset}"), lamp.asset, lamp.lon, lamp.lat, lamp.rated, number
                )
            ]
        }
        self.sensors = {
            one.address: one
            for asset in sensors
            for one in [Sensor(uuid5(_SPACE, f"{name} sensor {asset}"), asset)]
        }
        self.added: dict[UUID, Device] = {}  # made by the CMS (5.3): kept, not simulated
        self.programs: dict[str, ControlProgramOne] = {}
        self.calendars: dict[str, Calendar] = {}
        self.groups: dict[str, Group] = {}
        self.loggers: dict[str, LoggerConfig] = {}
        self.waiting: dict[str, deque[LogEntry]] = {}
        self._kept: dict[
            tuple[str, UUID, str], Any
        ] = {}  # by logger, luminaire and attribute: the last value

    # What it says of itself

    def services(self) -> list[Service]:
        """What it can do."""
        found = [
            Service(
                name="ConfigurationService",
                supported_profiles=["lighting"],
                devices_pagination_supported=True,
                commissioning_supported=True,
            ),
            Service(
                name="ControlService",
                supported_types=[
                    *("AbsoluteActivePeriod", "AstroClockActivePeriod", "AstroClockTimeControl"),
                    *(
                        "SensorActivePeriod",
                        "AstroAndSensorActivePeriod",
                        "DynamicControl",
                        "FixedControlEffect",
                        "ccDate",
                        "ccDay",
                    ),
                ],
                maximum_calendars=MOST_CALENDARS,
                maximum_programs=MOST_PROGRAMS,
                day_offset=12,
            ),
            Service(
                name="DataCollectService",
                maximum_data_logs=10,
                supported_modes=["VendorRecordingMode", "EventRecordingMode", "ImmediateReportingMode"],
            ),
        ]
        if self.grouping:
            found.append(
                Service(name="GroupManagementService", maximum_number_of_groups=200, maximum_group_size=5000)
            )
        return found

    def gateway_class(self) -> DeviceClass:
        """The class of the gateway itself."""
        names = ("cmsUri", "cmsAddress", "gatewayUri", "gatewayAddress", "crlUrn", "vendor", "retryPeriod")
        described = [AttributeDesc(name=name) for name in names]
        return DeviceClass(
            name=GATEWAY_CLASS,
            functions=[FunctionDesc(function_id="gateway", type=GATEWAY, attributes=described)],
        )

    def classes(self) -> list[DeviceClass]:
        """All classes."""
        return [self.gateway_class(), device_class(), *([sensing.device_class()] if self.sensors else [])]

    def itself(self) -> Device:
        """The device that the gateway is."""
        said = {
            "cmsUri": self.cms_uri,
            "cmsAddress": str(self.cms),
            "gatewayUri": self.uri,
            "gatewayAddress": str(self.address),
            "crlUrn": "urn:none",
            "vendor": "Rhine Cloud reference gateway",
            "retryPeriod": 10.0,
        }
        attributes = {name: functions.document(GATEWAY, name, value) for name, value in said.items()}
        return Device(
            address=self.address,
            name=self.name,
            class_=GATEWAY_CLASS,
            functions=[{"id": "gateway", "type": GATEWAY, **attributes}],
        )

    def devices(self) -> list[Device]:
        """All devices, the gateway first, then by address."""
        moment = self.now()
        lamps = [one.device(moment, str(self.zone)) for _, one in sorted(self.luminaires.items())]
        sensors = [one.device(moment) for _, one in sorted(self.sensors.items())]
        return [self.itself(), *lamps, *sensors, *(one for _, one in sorted(self.added.items()))]

    def device(self, address: UUID) -> Device | None:
        """One device."""
        if address == self.address:
            return self.itself()
        if (found := self.luminaires.get(address)) is not None:
            return found.device(self.now(), str(self.zone))
        if (sensor := self.sensors.get(address)) is not None:
            return sensor.device(self.now())
        return self.added.get(address)

    def forget(self) -> None:
        """Everything that the CMS gave it (5.1, resynchronizing)."""
        self.address = self.cms = NIL
        for given in (
            self.programs,
            self.calendars,
            self.groups,
            self.loggers,
            self.waiting,
            self.added,
            self._kept,
        ):
            given.clear()
        for luminaire in self.luminaires.values():
            luminaire.calendar, luminaire.override = "", None

    def addressed(self, references: Iterable[ResourceReference], depth: int = 5) -> list[UUID]:
        """Devices that are meant: by themselves or as members of groups. Raises KeyError for what is not there."""
        found: dict[UUID, None] = {}
        for reference in references:
            if reference.resource.strip("/") == "groups":
                group = self.groups[reference.address]
                if depth:
                    found.update(dict.fromkeys(self.addressed(group.members, depth - 1)))
                continue
            try:
                address = UUID(reference.address.partition("/")[0])
            except ValueError:
                raise KeyError(reference.address) from None
            known = (self.luminaires, self.sensors, self.added)
            if address != self.address and not any(address in those for those in known):
                raise KeyError(str(address))
            found[address] = None
        return list(found)

    # What its lamps do

    def step(self) -> None:
        """Let the lamps follow, and note what loggers record of it."""
        now = self.now()
        levels: dict[tuple[str, float, float], tuple[int, bool]] = {}

        def sensed(addresses: Sequence[str], hold: float) -> bool:
            return any(
                one.holds(hold, now)
                for one in self.sensors.values()
                if f"{one.address}/{sensing.FUNCTION}" in addresses
            )

        changed = []
        for luminaire in self.luminaires.values():
            calendar = self.calendars.get(luminaire.calendar)
            scheduled, raised = None, False
            if calendar is not None:
                key = (calendar.id, round(luminaire.lon, 2), round(luminaire.lat, 2))
                if key not in levels:
                    moment = now + self.shift
                    asked = (calendar, self.programs, moment, key[1], key[2], self.zone)
                    plain, level = level_at(*asked), level_at(*asked, sensed)
                    levels[key] = (level, level != plain)
                scheduled, raised = levels[key]
            if luminaire.follow(scheduled, now, sensed=raised):
                changed.append(luminaire)
        self._record(changed, now)

    def record_all(self) -> None:
        """Record the state of every lamp, whether it changed or not."""
        self._record(list(self.luminaires.values()), self.now(), everything=True)

    def event(self, luminaire: Luminaire, kind: str, *, begins: bool) -> None:
        """Something began or ended."""
        self._event(luminaire.address, "monitor", kind, begins)

    def sense(self, sensor: Sensor, *, present: bool) -> None:
        """Somebody comes to a sensor, or goes."""
        if sensor.present != present:
            sensor.sense(present, self.now())
            self._event(sensor.address, sensing.FUNCTION, "presenceStatusChanged", present)
        self.step()

    def _event(self, device: UUID, function: str, kind: str, begins: bool) -> None:
        source = f"{device}/{function}"
        data = EventLogData(src_address=source, event_type=kind, timestamp=self.now(), start_end_flag=begins)
        for logger in self.loggers.values():
            mode = logger.recording_mode
            if isinstance(mode, EventRecordingMode) and self._logged(logger, device):
                names = mode.source_events
                listed = names.white_list is None or kind in names.white_list
                if listed and kind not in (names.black_list or ()):
                    self._keep(logger.address, LogEntry(data=data))

    def _record(self, luminaires: Sequence[Luminaire], now: datetime, *, everything: bool = False) -> None:
        """Keep for each logger what it wants of these: what changed since it was kept last, or all."""
        told = [(one, one.told(now)) for one in luminaires if "silent" not in one.faults]
        for logger in self.loggers.values():
            if not isinstance(logger.recording_mode, VendorRecordingMode):
                continue
            wanted = _wanted(logger.recording_mode)
            for luminaire, said in told:
                if not self._logged(logger, luminaire.address):
                    continue
                for identifier, kind, name in wanted:
                    value = said[identifier][name]
                    key = (logger.address, luminaire.address, name)
                    if everything or _differs(self._kept.get(key), value, wanted[identifier, kind, name]):
                        self._kept[key] = value
                        self._keep(logger.address, _entry(luminaire, identifier, kind, name, value, now))

    def _logged(self, logger: LoggerConfig, device: UUID) -> bool:
        source = logger.source_addresses
        if source is None or (source.white_list is None and source.black_list is None):
            return False
        black = self._members(source.black_list or ())
        white = None if source.white_list is None else self._members(source.white_list)
        return device not in black and (white is None or device in white)

    def _members(self, references: Iterable[ResourceReference]) -> set[UUID]:
        try:
            return set(self.addressed(references))
        except KeyError:
            return set()

    def _keep(self, logger: str, entry: LogEntry) -> None:
        self.waiting.setdefault(logger, deque(maxlen=_MOST_KEPT)).append(entry)

    def reports(self, most: int = 2_000) -> list[LogReport]:
        """What is to be reported, in portions."""
        return [
            LogReport(address=logger, entries=list(entries)[:most])
            for logger, entries in self.waiting.items()
            if entries
        ]

    def reported(self, report: LogReport) -> None:
        """The CMS has it."""
        entries = self.waiting.get(report.address)
        for _ in report.entries if entries else ():
            if entries:
                entries.popleft()


def _wanted(mode: VendorRecordingMode) -> dict[tuple[str, str, str], float]:
    """What a logger wants of luminaires: function's id and type, attribute → percent of change that are worth it."""
    if mode.content is None:
        return dict.fromkeys(_RECORDED, 0.0)
    thresholds = {
        (one.function.function_type, attribute.name): float(attribute.on_change_threshold or 0)
        for one in mode.content
        for attribute in one.function.attributes
    }
    return {
        (identifier, kind, name): thresholds[kind, name]
        for identifier, kind, name in _RECORDED
        if (kind, name) in thresholds
    }


def _differs(before: Any, value: Any, percent: float) -> bool:
    if before is None or not isinstance(value, float):
        return bool(before != value)
    return bool(abs(value - before) > abs(before) * percent / 100)


def _entry(
    luminaire: Luminaire, identifier: str, kind: str, name: str, value: Any, now: datetime
) -> LogEntry:
    return LogEntry(
        data=AttributeLogData(
            src_address=f"{luminaire.address}/{identifier}",
            attribute_name=name,
            attribute_value=functions.document(kind, name, value, now),
            timestamp=now,
        )
    )


def request_id() -> str:
    """A new talqRequestId."""
    return str(uuid4())
