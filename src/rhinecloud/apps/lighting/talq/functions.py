"""Functions of devices: which attributes those of the lighting profile have, and whether a device's are well formed.

The tables are read from the data model 2.7.1 (a test compares them). A function of another type, and an attribute
that a table does not name, is a vendor's or another profile's: it is kept and not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from .base import Command, Document, Level, LevelState, Message

BASIC: Final = "BasicFunction"
GATEWAY: Final = "GatewayFunction"
COMMUNICATION: Final = "CommunicationFunction"
TIME: Final = "TimeFunction"
ACTUATOR: Final = "LampActuatorFunction"
MONITOR: Final = "LampMonitorFunction"
METER: Final = "ElectricalMeterFunction"
PRESENCE: Final = "PresenceSensorFunction"
BINARY: Final = "BinarySensorFunction"
SENSORS: Final = (PRESENCE, BINARY)  # that may raise lamps: they are active or not


class Location(Message, frozen=True):
    """WGS 84 degrees, metres above the sea."""

    latitude: float
    longitude: float
    altitude: float | None = None


# The types of attributes, and what their values are.
_VALUES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "AttributeBinary": Literal["ON", "OFF"],
        "AttributeBoolean": bool,
        "AttributeCommand": Command,
        "AttributeDateTime": datetime,
        "AttributeFactorSense": Literal["lead", "lag"],
        "AttributeFloat": float,
        "AttributeInteger": int,
        "AttributeLevelState": LevelState,
        "AttributeLocation": Location,
        "AttributePercent": Level,
        "AttributeString": str,
        "AttributeStringArray": list[str],
        "AttributeSupplyType": Literal["AC", "DC"],
        "AttributeUri": str,
    }
)

# Of each function its attributes, by their types.
_BY_TYPE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        BASIC: {
            "AttributeString": "displayName assetId serial hwType hwVersion swType swVersion timeZone",
            "AttributeDateTime": "installationDate currentTime",
            "AttributeLocation": "location",
            "AttributeBoolean": (
                "deviceReset softwareUpdating hardwareUpdating hardwareUpdated batteryMode installationMode "
                "maintenanceMode cabinetDoorOpen batteryShutdown locationUpdated commandConfirmation reboot "
                "factoryReset configurationReset"
            ),
            "AttributeStringArray": "ntpServers",
            "AttributeInteger": "ntpSynchPeriod operatingHours",
        },
        GATEWAY: {
            "AttributeUri": "cmsUri gatewayUri crlUrn pkgUrl",
            "AttributeString": "cmsAddress gatewayAddress vendor currentReleaseId",
            "AttributeFloat": "retryPeriod gatewayRetryPeriod cmsRetryPeriod",
            "AttributeInteger": "gatewayNumberOfRetries cmsNumberOfRetries",
            "AttributeBoolean": "newCmsAttached",
        },
        COMMUNICATION: {
            "AttributeString": (
                "communicationType logicalAddress altLogicalAddress physicalAddress parentAddress "
                "applicationType"
            ),
            "AttributeInteger": "timeToLive numberOfHops",
            "AttributeBoolean": "repeatingEnabled communicationFailure",
            "AttributeFloat": "transmitPower communicationQuality",
        },
        TIME: {
            "AttributeString": "timeZone",
            "AttributeStringArray": "ntpServers",
            "AttributeInteger": "ntpSynchPeriod",
            "AttributeDateTime": "currentTime lastTimeSync",
            "AttributeBoolean": "lastSyncError",
        },
        ACTUATOR: {
            "AttributeString": "lampTypeId outputPort calendarID applicationType",
            "AttributeBinary": "standbyMode",
            "AttributeBoolean": (
                "cloEnabled maintenanceFactorEnabled invalidCalendar invalidProgram lightStateChange "
                "targetLightCommandChange programChange calendarChange invalidLampType"
            ),
            "AttributeLevelState": "defaultLightState actualLightState",
            "AttributeCommand": "targetLightCommand feedbackLightCommand",
            "AttributeInteger": "maintenancePeriod",
            "AttributePercent": "maintenanceFactor",
            "AttributeDateTime": "lastMaintenanceDate",
        },
        MONITOR: {
            "AttributeSupplyType": "supplyType",
            "AttributeString": "lampTypeId monitoringReference actuatorReference applicationType",
            "AttributeInteger": "numberOfLamps switchOnCounter supplyLossCount",
            "AttributeFloat": (
                "operatingHours temperature supplyVoltage supplyCurrent activePower reactivePower "
                "apparentPower powerFactor activeEnergy highSupplyVoltageThreshold "
                "lowSupplyVoltageThreshold"
            ),
            "AttributeFactorSense": "powerFactorSense",
            "AttributeBoolean": (
                "lampPowerTooHigh lampPowerTooLow lampVoltageTooHigh lampVoltageTooLow lampFailure "
                "dimmingFailure currentTooHigh currentTooLow powerFactorTooLow highTemperature relayFailure "
                "absolutLampPowerTooHigh absolutLampPowerTooLow absoluteLampPowerTooHigh "
                "absoluteLampPowerTooLow controlGearCommFailure cyclingFailure supplyLoss contactorError "
                "lampUnexpectedOn leakageDetected invalidLampType supplyVoltageTooHigh supplyVoltageTooLow"
            ),
        },
        PRESENCE: {
            "AttributeBoolean": "presenceStatus presenceStatusChanged",
            "AttributeString": "applicationType",
        },
        BINARY: {
            "AttributeBinary": "level",
            "AttributeBoolean": "sensorOutputOn",
            "AttributeString": "applicationType",
        },
        METER: {
            "AttributeFloat": (
                "totalPowerHighThreshold totalPowerLowThreshold powerfactorThreshold "
                "phase1PowerfactorLowThreshold phase2PowerfactorLowThreshold phase3PowerfactorLowThreshold "
                "supplyVoltageHighThreshold supplyVoltageLowThreshold phase1VoltageHighThreshold "
                "phase1VoltageLowThreshold phase2VoltageHighThreshold phase2VoltageLowThreshold "
                "phase3VoltageHighThreshold phase3VoltageLowThreshold totalCurrentHighThreshold "
                "totalCurrentLowThreshold neutralCurrentHighThreshold phase1CurrentHighThreshold "
                "phase1CurrentLowThreshold phase2CurrentHighThreshold phase2CurrentLowThreshold "
                "phase3CurrentHighThreshold phase3CurrentLowThreshold phase1ActivePowerHighThreshold "
                "phase1ActivePowerLowThreshold phase2ActivePowerHighThreshold phase2ActivePowerLowThreshold "
                "phase3ActivePowerHighThreshold phase3ActivePowerLowThreshold totalPower totalVA totalVAR "
                "maxDemandPower totalActiveEnergy totalReactiveEnergy totalApparentEnergy frequency "
                "totalPowerFactor phase1PowerFactor phase2PowerFactor phase3PowerFactor supplyVoltage "
                "phase1Voltage phase2Voltage phase3Voltage voltagePhase1Phase2 voltagePhase2Phase3 "
                "voltagePhase3Phase1 totalCurrent averageCurrent neutralCurrent phase1Current phase2Current "
                "phase3Current phase1ActivePower phase2ActivePower phase3ActivePower phase1ApparentPower "
                "phase2ApparentPower phase3ApparentPower phase1ReactivePower phase2ReactivePower "
                "phase3ReactivePower phase1ActiveEnergy phase2ActiveEnergy phase3ActiveEnergy "
                "worstCurrentTHD phase1CurrentTHD phase2CurrentTHD phase3CurrentTHD worstVoltageTHD "
                "averageVoltageTHD phase1VoltageTHD phase2VoltageTHD phase3VoltageTHD phase1_2VoltageTHD "
                "phase2_3VoltageTHD phase3_1VoltageTHD"
            ),
            "AttributeFactorSense": (
                "totalPowerFactorSense phase1PowerFactorSense phase2PowerFactorSense phase3PowerFactorSense"
            ),
            "AttributeInteger": (
                "supplyLossCount phase1SupplyLossCount phase2SupplyLossCount phase3SupplyLossCount"
            ),
            "AttributeBoolean": (
                "totalPowerTooHigh totalPowerTooLow powerfactorTooLow phase1PowerfactorTooLow "
                "phase2PowerfactorTooLow phase3PowerfactorTooLow supplyVoltageTooHigh supplyVoltageTooLow "
                "phase1VoltageTooHigh phase1VoltageTooLow phase2VoltageTooHigh phase2VoltageTooLow "
                "phase3VoltageTooHigh phase3VoltageTooLow totalCurrentTooHigh totalCurrentTooLow "
                "neutralCurrentTooHigh phase1CurrentTooHigh phase1CurrentTooLow phase2CurrentTooHigh "
                "phase2CurrentTooLow phase3CurrentTooHigh phase3CurrentTooLow phase1ActivePowerTooHigh "
                "phase1ActivePowerTooLow phase2ActivePowerTooHigh phase2ActivePowerTooLow "
                "phase3ActivePowerTooHigh phase3ActivePowerTooLow supplyLoss"
            ),
            "AttributeString": "applicationType actuatorReference",
        },
    }
)

ATTRIBUTES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        function: MappingProxyType({name: kind for kind, names in by_type.items() for name in names.split()})
        for function, by_type in _BY_TYPE.items()
    }
)
"""function type → attribute → type of the attribute."""

_RESERVED: Final = frozenset({"id", "type"})


class Attribute(Message, frozen=True):
    """A value of a function, with the moment it is of."""

    type: str
    value: Any
    timestamp: datetime | None = None


def attribute(function_type: str, name: str, document: Any) -> Attribute:
    """Read an attribute; its type may be left out where the table knows it. Raises ValueError in words."""
    kind = ATTRIBUTES.get(function_type, {}).get(name)
    if not isinstance(document, dict) or "value" not in document:
        raise ValueError(f"{name} is an object with a value")
    said = document.get("type", kind)
    if not isinstance(said, str) or (kind is not None and said != kind):
        raise ValueError(f"{name} is of the type {kind}, not {said!r}")
    try:
        value = document["value"]
        if said in _VALUES:
            value = msgspec.convert(value, _VALUES[said])
        when = msgspec.convert(document.get("timestamp"), datetime | None)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}") from None
    if when is not None and when.tzinfo is None:
        raise ValueError(f"{name}: a timestamp has a time zone")
    return Attribute(type=said, value=value, timestamp=when)


def attributes_of(function: Document) -> Iterator[tuple[str, Attribute]]:
    """The attributes that the tables know, read. Raises ValueError in words."""
    known = ATTRIBUTES.get(function.get("type", ""), {})
    for name, document in function.items():
        if name in known:
            yield name, attribute(function["type"], name, document)


def problems(functions: Iterable[Document]) -> Iterator[str]:
    """What is wrong with the functions of a device, in words."""
    seen: set[str] = set()
    for function in functions:
        identity, kind = function.get("id"), function.get("type")
        if not isinstance(identity, str) or not identity or not isinstance(kind, str):
            yield "a function has an id and a type"
            continue
        if identity in seen:
            yield f"the function {identity} is there twice"
        seen.add(identity)
        try:
            for _ in attributes_of(function):
                pass
        except ValueError as error:
            yield f"{identity}: {error}"


# What follows who passes: of sensors always, of lamps and meters where sensors raise the lamp.
_SENSED: Final = {PRESENCE: {"presenceStatus", "presenceStatusChanged"}, BINARY: {"level", "sensorOutputOn"}}
_FOLLOWING: Final = {
    ACTUATOR: {"actualLightState", "targetLightCommand", "feedbackLightCommand", "lightStateChange"},
    MONITOR: {
        *("operatingHours", "supplyCurrent", "activePower", "reactivePower", "apparentPower", "powerFactor"),
        *("powerFactorSense", "activeEnergy", "switchOnCounter", "temperature"),
    },
    METER: set(ATTRIBUTES[METER])
    - {"supplyVoltageHighThreshold", "supplyVoltageLowThreshold", "supplyVoltage", "applicationType"},
}


def is_trace(function_type: str, name: str) -> bool:
    """Whether an attribute of a lamp that sensors raise, or of a sensor, tells who passed."""
    return name in _FOLLOWING.get(function_type, ()) or name in _SENSED.get(function_type, ())


def untraced(functions: Iterable[Document], *, everything: bool) -> list[Document]:
    """Functions without what sensors sensed, and (`everything`) what the light of a lamp says of who passed."""
    return [
        {
            name: value
            for name, value in one.items()
            if not (name in _SENSED.get(one["type"], ()) or (everything and is_trace(one["type"], name)))
        }
        for one in functions
    ]


def of_type(functions: Iterable[Document], kind: str) -> Document | None:
    """The first function of a type."""
    return next((function for function in functions if function.get("type") == kind), None)


def value_of(functions: Iterable[Document], kind: str, name: str) -> Any:
    """The value of an attribute of the first function of a type, or None."""
    found = (of_type(functions, kind) or {}).get(name)
    return found.get("value") if isinstance(found, dict) else None


def merged(functions: list[Document], patch: Iterable[Document]) -> list[Document]:
    """Functions after a PATCH: matched by id, attributes replaced one by one, new functions added (3.4)."""
    by_id = {function["id"]: function for function in functions}
    for function in patch:
        by_id[function["id"]] = {**by_id.get(function["id"], {}), **function}
    return list(by_id.values())


def document(kind: str, name: str, value: Any, timestamp: datetime | None = None) -> Document:
    """An attribute as it is written."""
    written: Document = {"type": ATTRIBUTES[kind][name], "value": msgspec.to_builtins(value)}
    if timestamp is not None:
        written["timestamp"] = msgspec.to_builtins(timestamp)
    return written
