"""Rows of light on demand: roads, detectors, profiles, field gateways, and what was computed of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import msgspec

from rhinecloud.app import Text
from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from .lighting_up import Lamp
from .neighbours import PROFILES, Kind, Profile, Table, decode
from .passing import Placed
from .roads import Way
from .zones import Planned

Connection: TypeAlias = asyncpg.Connection | asyncpg.Pool
PLATFORM: Final = "platform"
COMPUTE: Final = "demand-compute"
_KEPT: Final = 5  # networks of roads, and versions of the table


class Network(msgspec.Struct, frozen=True):
    """Roads that were taken in. `metres`: their length together."""

    version: int
    name: str
    number: int
    metres: float
    taken_at: datetime
    taken_by: str


class FieldGateway(msgspec.Struct, frozen=True):
    """A gateway in a cabinet that speaks MQTT as `device` and runs light on demand for the lamps of the cabinet.
    `revision`: of the table that it was asked to take last."""

    device: str
    cabinet: str
    added_at: datetime
    added_by: str
    revision: str | None
    asked_at: datetime | None
    trouble: str | None


class Computed(msgspec.Struct, frozen=True):
    """A version of the table. `lamps` stand ahead of a detector, `placed` of all `known` ones at a road."""

    version: int
    mark: int
    revision: str
    lamps: int
    placed: int
    known: int
    detectors: int
    seconds: float
    computed_at: datetime


class Part(msgspec.Struct, frozen=True):
    """What one gateway, or the platform, runs: `body` is the table as it is sent."""

    runs: str
    version: int
    revision: str
    lamps: int
    body: bytes


T = TypeVar("T")


async def _all(connection: Connection, kind: type[T], table: str, order: str) -> list[T]:
    names = ", ".join(kind.__struct_fields__)  # type: ignore[attr-defined]
    # Names of tables and of their columns are this module's own, never anybody's input.
    return [kind(*record) for record in await connection.fetch(f"SELECT {names} FROM {table} {order}")]


async def _put(
    city: City,
    transaction: Transaction,
    table: str,
    key: str,
    body: msgspec.Struct,
    actor: Actor,
    *,
    column: str = "id",
) -> None:
    """Write a row of what engineers set up, in place of that with the same key."""
    await transaction.connection.execute(
        f"INSERT INTO {table} ({column}, body, changed_at, changed_by) VALUES ($1, $2, $3, $4) "
        f"ON CONFLICT ({column}) DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at, "
        "changed_by = excluded.changed_by",
        key,
        msgspec.json.encode(body).decode(),
        city.clock.now(),
        actor.id,
    )


# What it is set up with ------------------------------------------------------------------------------------


async def changed(city: City, transaction: Transaction) -> None:
    """Note that tables follow from something else now, and compute them when this has committed."""
    now = await transaction.connection.fetchval(
        "UPDATE demand_mark SET revision = revision + 1 RETURNING revision"
    )
    # A job for each change: one that is about to end would not see it, and none would be queued beside it.
    await city.jobs.enqueue(transaction, COMPUTE, key=str(now))


async def mark(connection: Connection) -> int:
    """How often what tables follow from has changed."""
    found: int = await connection.fetchval("SELECT revision FROM demand_mark")
    return found


async def put_roads(city: City, actor: str, name: str, ways: list[Way], metres: float) -> None:
    """Take roads in place of those before."""
    body = zlib.compress(msgspec.json.encode(ways))
    async with city.transaction() as transaction:
        await transaction.connection.execute(
            "INSERT INTO demand_roads (name, ways, number, metres, taken_at, taken_by) VALUES ($1, $2, $3, $4, $5, $6)",
            name,
            body,
            len(ways),
            metres,
            city.clock.now(),
            actor,
        )
        await transaction.connection.execute(
            "DELETE FROM demand_roads WHERE version NOT IN "
            "(SELECT version FROM demand_roads ORDER BY version DESC LIMIT $1)",
            _KEPT,
        )
        await transaction.audit(actor, "lighting.demand.roads", name, {"ways": len(ways)})
        await changed(city, transaction)


async def network(connection: Connection) -> Network | None:
    """The roads that count."""
    found = await _all(connection, Network, "demand_roads", "ORDER BY version DESC LIMIT 1")
    return found[0] if found else None


async def ways(connection: Connection) -> bytes | None:
    """Their ways, as `unpack` reads them."""
    found: bytes | None = await connection.fetchval(
        "SELECT ways FROM demand_roads ORDER BY version DESC LIMIT 1"
    )
    return found


def unpack(body: bytes) -> list[Way]:
    """Ways of a row."""
    return msgspec.json.decode(zlib.decompress(body), type=list[Way])


async def detectors(connection: Connection) -> dict[str, Placed]:
    """All, by their ids, in the order of these."""
    records = await connection.fetch("SELECT id, body FROM demand_detector ORDER BY id")
    return {record[0]: msgspec.json.decode(record[1], type=Placed) for record in records}


async def put_detectors(city: City, actor: Actor, placed: Iterable[Placed]) -> None:
    """Write detectors, in place of those with the same ids; each is an object of the graph (a Device) as well."""
    those = list(placed)
    async with city.transaction() as transaction:
        for one in those:
            await _put(city, transaction, "demand_detector", one.id, one, actor)
            await transaction.audit(actor.id, "lighting.demand.detector", one.id, msgspec.to_builtins(one))
        await transaction.upsert(*(detector_document(one) for one in those))
        await changed(city, transaction)


async def remove_detector(city: City, actor: Actor, one: str) -> None:
    """Forget a detector; its device stays."""
    async with city.transaction() as transaction:
        await transaction.connection.execute("DELETE FROM demand_detector WHERE id = $1", one)
        await transaction.delete(detector_urn(one))
        await transaction.audit(actor.id, "lighting.demand.detector.remove", one)
        await changed(city, transaction)


def detector_urn(one: str) -> str:
    """The object of a detector. It is not that of its device, which tells of batteries."""
    return f"urn:ngsi-ld:Device:detector:{one}"


def detector_document(one: Placed) -> dict[str, Any]:
    """A detector as an object of the Smart Data Models (Device); `bearing` and `street` are extensions."""
    document: dict[str, Any] = {
        "id": detector_urn(one.id),
        "type": "Device",
        "name": {"type": "Property", "value": one.name},
        "category": {"type": "Property", "value": ["sensor"]},
        "controlledProperty": {"type": "Property", "value": [f"passing_{kind}" for kind in one.kinds]},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [one.lon, one.lat]}},
    }
    if one.bearing is not None:
        document["direction"] = {"type": "Property", "value": one.bearing, "unitCode": "DD"}
    if one.street:
        document["street"] = {"type": "Property", "value": one.street}
    return document


async def profiles(connection: Connection) -> dict[Kind, Profile]:
    """How lamps react to each kind of traveller: what was set, else what the program came with."""
    records = await connection.fetch("SELECT kind, body FROM demand_profile")
    return {**PROFILES, **{one[0]: msgspec.json.decode(one[1], type=Profile) for one in records}}


async def put_profile(city: City, actor: Actor, kind: Kind, profile: Profile) -> None:
    """Set one."""
    async with city.transaction() as transaction:
        await _put(city, transaction, "demand_profile", kind, profile, actor, column="kind")
        await transaction.audit(actor.id, "lighting.demand.profile", kind, msgspec.to_builtins(profile))
        await changed(city, transaction)


async def zones(connection: Connection) -> dict[str, Planned]:
    """All zones, by their ids."""
    records = await connection.fetch("SELECT id, body FROM demand_zone ORDER BY id")
    return {record[0]: msgspec.json.decode(record[1], type=Planned) for record in records}


async def put_zones(city: City, actor: Actor, zones: Iterable[Planned]) -> None:
    """Write zones, in place of those with the same ids."""
    async with city.transaction() as transaction:
        for zone in zones:
            await _put(city, transaction, "demand_zone", zone.id, zone, actor)
            await transaction.audit(actor.id, "lighting.demand.zone", zone.id, msgspec.to_builtins(zone))
        await changed(city, transaction)


async def remove_zone(city: City, actor: Actor, zone: str) -> None:
    """Its lamps no longer react together."""
    async with city.transaction() as transaction:
        await transaction.connection.execute("DELETE FROM demand_zone WHERE id = $1", zone)
        await transaction.audit(actor.id, "lighting.demand.zone.remove", zone)
        await changed(city, transaction)


async def gateways(connection: Connection) -> list[FieldGateway]:
    """The field gateways, by their devices."""
    return await _all(connection, FieldGateway, "demand_gateway", "ORDER BY device")


async def put_gateway(city: City, actor: Actor, device: str, cabinet: str) -> bool:
    """Say that a device runs light on demand for a cabinet; false if another one does."""
    async with city.transaction() as transaction:
        try:
            await transaction.connection.execute(
                "INSERT INTO demand_gateway (device, cabinet, added_at, added_by) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (device) DO UPDATE SET cabinet = excluded.cabinet, revision = NULL",
                device,
                cabinet,
                city.clock.now(),
                actor.id,
            )
        except asyncpg.UniqueViolationError:
            return False
        await transaction.audit(actor.id, "lighting.demand.gateway", device, {"cabinet": cabinet})
        await changed(city, transaction)
    return True


async def remove_gateway(city: City, actor: Actor, device: str) -> None:
    """Its lamps are the platform's again."""
    async with city.transaction() as transaction:
        await transaction.connection.execute("DELETE FROM demand_gateway WHERE device = $1", device)
        await transaction.audit(actor.id, "lighting.demand.gateway.remove", device)
        await changed(city, transaction)


# What was computed -----------------------------------------------------------------------------------------


async def computed(connection: Connection) -> Computed | None:
    """The newest version of the table."""
    found = await _all(connection, Computed, "demand_table", "ORDER BY version DESC LIMIT 1")
    return found[0] if found else None


async def put_table(
    city: City,
    one: Mapping[str, Any],
    parts: Mapping[str, tuple[str, int, bytes]],
    lamps: Mapping[str, Lamp],
    reaches: Mapping[str, tuple[int, bytes]],
) -> bool:
    """Write a version: its parts take the place of those before. False, and nothing is written, where one of a later
    mark is there."""
    async with city.db.transaction() as connection:
        await connection.execute("SELECT FROM demand_mark FOR UPDATE")
        if await connection.fetchval("SELECT true FROM demand_table WHERE mark > $1 LIMIT 1", one["mark"]):
            return False
        version = await connection.fetchval(
            "INSERT INTO demand_table (mark, revision, lamps, placed, known, detectors, seconds, computed_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING version",
            *(one[name] for name in ("mark", "revision", "lamps", "placed", "known", "detectors", "seconds")),
            city.clock.now(),
        )
        await connection.execute("DELETE FROM demand_part")
        await connection.executemany(
            "INSERT INTO demand_part (runs, version, revision, lamps, body) VALUES ($1, $2, $3, $4, $5)",
            [(runs, version, *part) for runs, part in sorted(parts.items())],
        )
        await connection.execute("DELETE FROM demand_reach")
        await connection.copy_records_to_table(
            "demand_reach",
            records=[(name, version, number, body) for name, (number, body) in sorted(reaches.items())],
            columns=("detector", "version", "lamps", "body"),
        )
        await connection.execute("DELETE FROM demand_lamp")
        await connection.copy_records_to_table(
            "demand_lamp",
            records=[(lamp, one.device, one.street) for lamp, one in sorted(lamps.items())],
            columns=("lamp", "device", "street"),
        )
        await connection.execute("DELETE FROM demand_table WHERE version <= $1", version - _KEPT)
    return True


async def part(connection: Connection, runs: str) -> Part | None:
    """The newest part of whoever runs it: PLATFORM, `field:` and the device, `talq:` and the number of the gateway."""
    record = await connection.fetchrow(
        "SELECT runs, version, revision, lamps, body FROM demand_part WHERE runs = $1", runs
    )
    return None if record is None else Part(*record)


async def version_of(connection: Connection, runs: str) -> int:
    """The version of a part; 0 if there is none."""
    found = await connection.fetchval("SELECT version FROM demand_part WHERE runs = $1", runs)
    return found or 0


async def parts(connection: Connection) -> list[Part]:
    """All, without their bodies."""
    records = await connection.fetch("SELECT runs, version, revision, lamps FROM demand_part ORDER BY runs")
    return [Part(one[0], one[1], one[2], one[3], b"") for one in records]


async def reach(connection: Connection, detector: str) -> Table | None:
    """What a detector raises in the whole city: a table of it alone; None if that is nothing."""
    body: bytes | None = await connection.fetchval(
        "SELECT body FROM demand_reach WHERE detector = $1", detector
    )
    return None if body is None else decode(zlib.decompress(body))


async def reaches(connection: Connection) -> dict[str, int]:
    """How many lamps each detector raises."""
    return dict(await connection.fetch("SELECT detector, lamps FROM demand_reach"))


async def of_talq_gateway(connection: Connection, number: int) -> Table | None:
    """The table for the lamps behind a TALQ gateway, of which talq.on_demand sends what TALQ has words for; None where
    no detector raises one of them."""
    found = await part(connection, f"talq:{number}")
    return None if found is None else decode(found.body)


class Carried(msgspec.Struct, frozen=True):
    """What a TALQ gateway was asked to do of light on demand: `sensors` of its own, of the `detectors` that raise its
    lamps; `lamps` that these sensors raise; `trouble` says why it is not sent."""

    gateway: int
    name: str
    sensors: int
    detectors: int
    lamps: int
    trouble: Text | None


async def carried(connection: Connection) -> list[Carried]:
    """Of all TALQ gateways whose lamps a detector raises, by name."""
    records = await connection.fetch(
        "SELECT gateway, name, sensors, detectors, lamps, trouble FROM demand_talq "
        "JOIN talq_gateway ON number = gateway ORDER BY name, number"
    )
    found = []
    for number, name, sensors, heard, lamps, trouble in records:
        said = None if trouble is None else msgspec.json.decode(trouble, type=Text)
        found.append(Carried(number, name, sensors, heard, lamps, said))
    return found


async def lamps_of_platform(connection: Connection) -> dict[str, Lamp]:
    """The lamps that the platform tells."""
    records = await connection.fetch("SELECT lamp, device, street FROM demand_lamp")
    return {record[0]: Lamp(record[1], record[2]) for record in records}


async def base(connection: Connection) -> dict[str, float]:
    """Their levels by their programs, in percent, as far as they are known."""
    records = await connection.fetch(
        "SELECT lamp, level FROM target JOIN demand_lamp USING (lamp) WHERE level IS NOT NULL"
    )
    return {record[0]: record[1] for record in records}
