"""Light on demand as TALQ says it: dynamic controls in the programs of lamps that sensors of their gateway raise
(DynamicControl, FixedControlEffect, data model 2.7.1).

What TALQ has no words for is lost: which way, how fast and of what kind somebody is, and that lamps far ahead rise
later. A lamp rises at once for whoever passes, for as long as the slowest of them may need, whichever way.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from rhinecloud.app import Text
from rhinecloud.city import City

from ..control.programs import Dynamic, Program
from ..demand import store
from ..demand.neighbours import Kind, Table, alone
from ..demand.reacting import Detection, expected
from . import functions
from .base import Document
from .gateways import Connection, Gateway
from .plans import Wanted

_PREFIX: Final = store.detector_urn("")
Effects = Mapping[UUID, tuple[Dynamic, ...]]  # device → what raises it, the highest level first

NO_DYNAMIC: Final[Text] = (
    "Das Gateway kann keine Sensorsteuerung (DynamicControl).",
    "The gateway has no control by sensors (DynamicControl).",
)
NO_SENSOR: Final[Text] = (
    "Keiner der Detektoren ist ein Sensor dieses Gateways: TALQ kennt nur dessen eigene.",
    "None of the detectors is a sensor of this gateway: TALQ knows only its own.",
)
TOO_MANY: Final[Text] = (
    "Das Gateway fasst nicht so viele Programme und Kalender, wie Leuchten und Sensoren zusammenkommen.",
    "The gateway does not hold as many programs and calendars as there are combinations of lamps and sensors.",
)


class Carried(msgspec.Struct, frozen=True):
    """What a gateway can carry. `sensors` of its own are among the `detectors` that raise its lamps."""

    effects: Effects
    sensors: int
    detectors: int
    trouble: Text | None = None


async def of_gateway(connection: Connection, gateway: Gateway, devices: Mapping[str, UUID]) -> Carried | None:
    """What light on demand asks of a gateway; None for nothing. `devices`: of its lamps (urn → device)."""
    table = await store.of_talq_gateway(connection, gateway.number)
    if table is None:
        return None
    sensors = await _sensors(connection, gateway)
    kinds = {name: one.kinds for name, one in (await store.detectors(connection)).items()}
    control = gateway.service("ControlService")
    trouble = None
    if control is None or "DynamicControl" not in control.supported_types:
        trouble = NO_DYNAMIC
    elif not sensors.keys() & table.detectors.keys():
        trouble = NO_SENSOR
    effects = {} if trouble else effects_of(table, sensors, kinds, devices)
    here = len(sensors.keys() & table.detectors.keys())
    return Carried(effects, here, len(table.detectors), trouble)


async def _sensors(connection: Connection, gateway: Gateway) -> dict[str, str]:
    """Detectors that are sensors of this gateway → their TALQ address, DEVICE/FUNCTION. A sensor is the detector that
    `BasicFunction.assetId` names."""
    records = await connection.fetch(
        "SELECT address, asset, functions FROM talq_device WHERE gateway = $1 AND asset IS NOT NULL "
        "AND jsonb_path_query_array(functions, '$[*].type') ?| $2::text[] ORDER BY address",
        gateway.number,
        list(functions.SENSORS),
    )
    found: dict[str, str] = {}
    for address, asset, text in records:
        those: list[Document] = msgspec.json.decode(text)
        sensor = next(one for one in those if one.get("type") in functions.SENSORS)
        found.setdefault(asset.removeprefix(_PREFIX), f"{address}/{sensor['id']}")
    return found


def effects_of(
    table: Table,
    sensors: Mapping[str, str],
    kinds: Mapping[str, Collection[Kind]],
    devices: Mapping[str, UUID],
) -> dict[UUID, tuple[Dynamic, ...]]:
    """What raises each device: of each sensor its level, and the longest time that any of its lamps with that level
    needs, so that lamps share programs."""
    raised: dict[UUID, set[tuple[str, int]]] = {}
    holds: dict[tuple[str, int], float] = {}
    for name in sorted(table.detectors.keys() & sensors.keys()):
        one = alone(table, name)
        for kind in kinds.get(name, ()):
            for lamp, _, until, level in expected(one, Detection(name, 0.0, kind)):
                device = devices.get(one.lamps[lamp])
                if device is not None and level > 0:
                    effect = (sensors[name], math.ceil(level))
                    raised.setdefault(device, set()).add(effect)
                    holds[effect] = max(holds.get(effect, 0.0), until)
    return {
        device: tuple(
            Dynamic(
                sensor=(sensor,), operation="max", level=level, hold=float(math.ceil(holds[sensor, level]))
            )
            for sensor, level in sorted(those, key=lambda effect: (-effect[1], effect[0]))
        )
        for device, those in raised.items()
    }


def with_effects(wanted: Wanted, effects: Effects) -> Wanted:
    """The same with a calendar and programs of their own for lamps that sensors raise. What a program has of its own
    sensors goes before."""
    programs, calendars, assigned = dict(wanted.programs), dict(wanted.calendars), dict(wanted.assigned)
    for device, calendar_id in wanted.assigned.items():
        those = effects.get(device)
        if not those or calendar_id not in wanted.calendars:
            continue
        mark = hashlib.sha256(msgspec.json.encode(those)).hexdigest()[:8]
        assigned[device] = f"{calendar_id}~{mark}"
        if assigned[device] in calendars:
            continue
        calendar = wanted.calendars[calendar_id]
        rules = tuple(
            msgspec.structs.replace(rule, program=_raised(programs, rule.program, those, mark))
            for rule in calendar.rules
        )
        default = None if calendar.default is None else _raised(programs, calendar.default, those, mark)
        calendars[assigned[device]] = msgspec.structs.replace(
            calendar, id=assigned[device], rules=rules, default=default
        )
    return msgspec.structs.replace(wanted, programs=programs, calendars=calendars, assigned=assigned)


def _raised(programs: dict[str, Program], name: str, those: tuple[Dynamic, ...], mark: str) -> str:
    if name not in programs:
        return name
    made = f"{name}~{mark}"
    before = programs[name]
    programs[made] = msgspec.structs.replace(before, id=made, dynamic=(*before.dynamic, *those))
    return made


async def note(city: City, connection: asyncpg.Connection, carried: Mapping[int, Carried | None]) -> None:
    """Write what each gateway carries, and of which devices nothing is recorded that follows who passes."""
    for number, one in sorted(carried.items()):
        await connection.execute("DELETE FROM talq_quiet WHERE gateway = $1", number)
        if one is None:
            await connection.execute("DELETE FROM demand_talq WHERE gateway = $1", number)
            continue
        await connection.executemany(
            "INSERT INTO talq_quiet (device, gateway) VALUES ($1, $2) "
            "ON CONFLICT (device) DO UPDATE SET gateway = excluded.gateway",
            [(device, number) for device in sorted(one.effects)],
        )
        await connection.execute(
            "INSERT INTO demand_talq (gateway, sensors, detectors, lamps, trouble, told_at) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (gateway) DO UPDATE SET sensors = excluded.sensors, "
            "detectors = excluded.detectors, lamps = excluded.lamps, trouble = excluded.trouble, "
            "told_at = excluded.told_at",
            number,
            one.sensors,
            one.detectors,
            len(one.effects),
            None if one.trouble is None else msgspec.json.encode(one.trouble).decode(),
            city.clock.now(),
        )
