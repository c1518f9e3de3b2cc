"""Devices behind gateways, their classes, and in which lamp each is: rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from . import functions
from .base import Document
from .gateways import Connection, Gateway
from .messages import Device, DeviceClass

MOST: Final = 5_000  # devices behind one gateway
MOST_CLASSES: Final = 200
_FIELDS = "address, name, class, functions"


def _device(record: Any) -> Device:
    return Device(
        address=record["address"],
        name=record["name"],
        class_=record["class"],
        functions=msgspec.json.decode(record["functions"]),
    )


async def listed(
    connection: Connection,
    gateway: Gateway,
    classes: Iterable[str] = (),
    offset: int = 0,
    limit: int | None = None,
) -> list[Device]:
    """The devices of a gateway, by address; of these classes, if any are named."""
    records = await connection.fetch(
        f"SELECT {_FIELDS} FROM talq_device WHERE gateway = $1 AND (cardinality($2::text[]) = 0 OR class = ANY($2)) "
        "ORDER BY address OFFSET $3 LIMIT $4",
        gateway.number,
        list(classes),
        offset,
        limit,
    )
    return [_device(record) for record in records]


async def count(connection: Connection, gateway: Gateway) -> int:
    """How many devices it has."""
    return int(
        await connection.fetchval("SELECT count(*) FROM talq_device WHERE gateway = $1", gateway.number)
    )


async def lamps_behind(connection: Connection) -> dict[int, int]:
    """How many lamps are behind each gateway that has any."""
    records = await connection.fetch(
        "SELECT gateway, count(*) FROM talq_device WHERE lamp IS NOT NULL GROUP BY gateway"
    )
    return {record[0]: record[1] for record in records}


async def of_addresses(connection: Connection, addresses: Sequence[UUID]) -> dict[UUID, tuple[int, Device]]:
    """Devices with the numbers of their gateways, whosever they are."""
    records = await connection.fetch(
        f"SELECT gateway, {_FIELDS} FROM talq_device WHERE address = ANY($1::uuid[])", list(addresses)
    )
    return {record["address"]: (record["gateway"], _device(record)) for record in records}


async def functions_of(
    connection: Connection, gateway: Gateway, addresses: Sequence[UUID]
) -> dict[UUID, Mapping[str, str]]:
    """id → type of the functions of those of these devices that this gateway has."""
    records = await connection.fetch(
        "SELECT address, jsonb_path_query_array(functions, '$[*].id')::text, "
        "jsonb_path_query_array(functions, '$[*].type')::text "
        "FROM talq_device WHERE gateway = $1 AND address = ANY($2::uuid[])",
        gateway.number,
        list(addresses),
    )
    decode = msgspec.json.decode
    return {record[0]: dict(zip(decode(record[1]), decode(record[2]), strict=True)) for record in records}


async def write(connection: asyncpg.Connection, gateway: Gateway, devices: Sequence[Device]) -> None:
    """Make devices, or replace them; the lamp that one is in stays. What would tell who passed is not kept."""
    silent = await quiet(connection, [one.address for one in devices])
    rows = [
        (
            one.address,
            gateway.number,
            one.name,
            one.class_,
            msgspec.json.encode(functions.untraced(one.functions, everything=one.address in silent)).decode(),
            functions.value_of(one.functions, functions.BASIC, "assetId"),
            functions.value_of(one.functions, functions.ACTUATOR, "calendarID"),
        )
        for one in devices
    ]
    await connection.executemany(
        "INSERT INTO talq_device (address, gateway, name, class, functions, asset, calendar) "
        "VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7) ON CONFLICT (address) DO UPDATE SET "
        "name = excluded.name, class = excluded.class, functions = excluded.functions, "
        "lamp = CASE WHEN talq_device.asset IS NOT DISTINCT FROM excluded.asset THEN talq_device.lamp END, "
        "asset = excluded.asset, calendar = coalesce(excluded.calendar, talq_device.calendar) "
        "WHERE talq_device.gateway = excluded.gateway",
        rows,
    )


async def quiet(connection: Connection, addresses: Sequence[UUID]) -> set[UUID]:
    """Those of these devices whose light follows who passes: what they say of it is not recorded."""
    records = await connection.fetch(
        "SELECT device FROM talq_quiet WHERE device = ANY($1::uuid[])", list(addresses)
    )
    return {record[0] for record in records}


async def remove(connection: asyncpg.Connection, address: UUID) -> None:
    """Forget a device."""
    await connection.execute("DELETE FROM talq_device WHERE address = $1", address)


async def told_calendars(connection: Connection, calendars: Mapping[UUID, str]) -> None:
    """What devices say which calendar they have."""
    await connection.execute(
        "UPDATE talq_device SET calendar = told.calendar "
        "FROM unnest($1::uuid[], $2::text[]) AS told (address, calendar) "
        "WHERE talq_device.address = told.address AND talq_device.calendar IS DISTINCT FROM told.calendar",
        list(calendars),
        list(calendars.values()),
    )


async def calendars(connection: Connection, gateway: Gateway) -> dict[UUID, str]:
    """Which calendar the devices of a gateway said last that they have."""
    records = await connection.fetch(
        "SELECT address, coalesce(calendar, '') FROM talq_device WHERE gateway = $1 AND address <> $2",
        gateway.number,
        gateway.address,
    )
    return {record[0]: record[1] for record in records}


async def lamps_of(connection: Connection, addresses: Sequence[UUID]) -> dict[UUID, str]:
    """In which lamps these devices are."""
    records = await connection.fetch(
        "SELECT address, lamp FROM talq_device WHERE address = ANY($1::uuid[]) AND lamp IS NOT NULL",
        list(addresses),
    )
    return {record[0]: record[1] for record in records}


async def by_lamp(connection: Connection, lamps: Sequence[str]) -> dict[str, tuple[int, UUID]]:
    """Gateway and device of those of these lamps that are behind one."""
    records = await connection.fetch(
        "SELECT lamp, gateway, address FROM talq_device WHERE lamp = ANY($1::text[])", list(lamps)
    )
    return {record[0]: (record[1], record[2]) for record in records}


async def of_lamps(connection: Connection) -> dict[str, tuple[int, UUID]]:
    """Gateway and device of every lamp that is behind one."""
    records = await connection.fetch("SELECT lamp, gateway, address FROM talq_device WHERE lamp IS NOT NULL")
    return {record[0]: (record[1], record[2]) for record in records}


async def without_lamp(connection: Connection, gateway: Gateway) -> list[tuple[UUID, str]]:
    """Devices that name an asset and are in no lamp that we know: (address, asset)."""
    records = await connection.fetch(
        "SELECT address, asset FROM talq_device WHERE gateway = $1 AND lamp IS NULL AND asset IS NOT NULL",
        gateway.number,
    )
    return [(record[0], record[1]) for record in records]


async def put_into(connection: asyncpg.Connection, gateway: Gateway, lamps: Mapping[UUID, str]) -> list[str]:
    """Note in which lamps devices are, each in another; returns the lamps that another device is in already, which
    it stays."""
    records = await connection.fetch(
        "WITH held AS MATERIALIZED (SELECT address FROM talq_device WHERE address = ANY($1::uuid[]) AND gateway = $3 "
        "ORDER BY address FOR UPDATE) UPDATE talq_device AS device SET lamp = found.lamp "
        "FROM held JOIN unnest($1::uuid[], $2::text[]) AS found (address, lamp) USING (address) "
        "WHERE device.address = held.address AND NOT EXISTS (SELECT FROM talq_device AS other "
        "WHERE other.lamp = found.lamp AND other.address <> held.address) RETURNING found.lamp",
        list(lamps),
        list(lamps.values()),
        gateway.number,
    )
    return sorted(set(lamps.values()) - {record[0] for record in records})


# Classes


async def classes(connection: Connection, gateway: Gateway) -> dict[str, DeviceClass]:
    """The device classes that a gateway announced."""
    records = await connection.fetch(
        "SELECT name, document FROM talq_class WHERE gateway = $1", gateway.number
    )
    return {record[0]: msgspec.json.decode(record[1], type=DeviceClass) for record in records}


async def write_classes(connection: asyncpg.Connection, gateway: Gateway, given: Sequence[Document]) -> None:
    """Keep classes as they came, with what a vendor added."""
    await connection.executemany(
        "INSERT INTO talq_class (gateway, name, document) VALUES ($1, $2, $3::text::jsonb) "
        "ON CONFLICT (gateway, name) DO UPDATE SET document = excluded.document",
        [(gateway.number, one["name"], msgspec.json.encode(one).decode()) for one in given],
    )


async def remove_class(connection: asyncpg.Connection, gateway: Gateway, name: str) -> Document | None:
    """Remove a class; None if there is none."""
    found = await connection.fetchval(
        "DELETE FROM talq_class WHERE gateway = $1 AND name = $2 RETURNING document::text",
        gateway.number,
        name,
    )
    return None if found is None else dict(msgspec.json.decode(found))


async def class_in_use(connection: Connection, gateway: Gateway, name: str) -> bool:
    """Whether a device is of this class."""
    found = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM talq_device WHERE gateway = $1 AND class = $2)", gateway.number, name
    )
    return bool(found)
