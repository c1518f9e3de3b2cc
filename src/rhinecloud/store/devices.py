"""Devices and their secrets: rows. Nothing here opens a transaction: the caller decides what commits together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import msgspec

Connection: TypeAlias = "asyncpg.Connection | asyncpg.Pool"


class Device(msgspec.Struct, frozen=True):
    """What has an id, credentials and topics of its own.

    `profile` names how its messages become measurements, `type` and `entity_id` whom they speak of. `publish` and
    `subscribe` are MQTT topic filters besides those that the profile gives. `seen_at` is exact to some seconds.
    """

    id: str
    name: str
    profile: str
    type: str
    entity_id: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    enabled: bool
    created_at: datetime
    modified_at: datetime
    seen_at: datetime | None
    detail: dict[str, Any]


class Wanted(msgspec.Struct, frozen=True):
    """Which devices; what is empty leaves none out. `search` is a part of id, name or entity; `silent`: those that may
    speak and have not been heard of for longer; `unheard`: those that never were."""

    search: str = ""
    type: str | None = None
    profile: str | None = None
    silent: timedelta | None = None
    unheard: bool = False


class Secret(msgspec.Struct, frozen=True):
    """A secret of a device, without itself: only its hash is kept. `id` names it for revoking."""

    id: int
    device: str
    note: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


_DEVICE = "id, name, profile, type, entity_id, publish, subscribe, enabled, created_at, modified_at, seen_at, detail"
_SECRET = "id, device, note, created_at, expires_at, last_used_at"

_INSERT = f"""
INSERT INTO device (id, name, profile, type, entity_id, publish, subscribe, enabled, detail)
SELECT id, name, profile, type, entity_id,
       ARRAY(SELECT jsonb_array_elements_text(publish)), ARRAY(SELECT jsonb_array_elements_text(subscribe)),
       enabled, detail
  FROM jsonb_to_recordset($1::jsonb) AS new (id text, name text, profile text, type text, entity_id text,
       publish jsonb, subscribe jsonb, enabled boolean, detail jsonb)
ON CONFLICT (id) DO NOTHING RETURNING {_DEVICE}
"""

# As `attention.silent_devices` counts them: who is blocked may not speak, who never spoke has not fallen silent.
_WANTED = """
       ($1 = '' OR id ILIKE $1 OR name ILIKE $1 OR entity_id ILIKE $1)
   AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR profile = $3)
   AND ($4::interval IS NULL OR (enabled AND seen_at < now() - $4::interval))
   AND ($5::boolean IS NOT TRUE OR seen_at IS NULL)
"""
_PAGE = f"SELECT {_DEVICE} FROM device WHERE {_WANTED} AND id > $6 ORDER BY id LIMIT $7"
_COUNT = f"SELECT count(*) FROM device WHERE {_WANTED}"


async def insert(connection: Connection, devices: Sequence[Mapping[str, Any]]) -> list[Device]:
    """Write new devices; those whose id is there are left out of the answer and as they are."""
    ordered = sorted(devices, key=lambda device: str(device["id"]))
    return [_device(row) for row in await connection.fetch(_INSERT, _json(ordered))]


async def read(connection: Connection, device: str) -> Device | None:
    """A device, or None."""
    row = await connection.fetchrow(f"SELECT {_DEVICE} FROM device WHERE id = $1", device)
    return None if row is None else _device(row)


async def lock(connection: asyncpg.Connection, device: str) -> Device | None:
    """A device, which nobody else changes until this transaction ends."""
    row = await connection.fetchrow(f"SELECT {_DEVICE} FROM device WHERE id = $1 FOR UPDATE", device)
    return None if row is None else _device(row)


async def of_entity(connection: Connection, entity_id: str) -> list[Device]:
    """The devices that speak of an entity."""
    rows = await connection.fetch(f"SELECT {_DEVICE} FROM device WHERE entity_id = $1 ORDER BY id", entity_id)
    return [_device(row) for row in rows]


async def directory(connection: Connection) -> dict[str, tuple[str, str]]:
    """Id and type of the entity that each device speaks of."""
    rows = await connection.fetch("SELECT id, entity_id, type FROM device")
    return {row[0]: (row[1], row[2]) for row in rows}


async def page(connection: Connection, wanted: Wanted, after: str, limit: int) -> list[Device]:
    """Devices in the order of their ids, those after one of them."""
    rows = await connection.fetch(_PAGE, *_values(wanted), after, limit)
    return [_device(row) for row in rows]


async def count(connection: Connection, wanted: Wanted) -> int:
    """How many devices there are of these."""
    found: int = await connection.fetchval(_COUNT, *_values(wanted))
    return found


async def names(connection: Connection, devices: Collection[str]) -> dict[str, str]:
    """What devices are called, as far as they are there; "" for one without a name."""
    if not devices:
        return {}
    rows = await connection.fetch("SELECT id, name FROM device WHERE id = ANY($1::text[])", sorted(devices))
    return {row[0]: row[1] for row in rows}


async def kinds(connection: Connection, devices: Collection[str]) -> dict[str, tuple[str, str]]:
    """Profile and type of devices, as far as they are there and may speak."""
    rows = await connection.fetch(
        "SELECT id, profile, type FROM device WHERE id = ANY($1::text[]) AND enabled", sorted(devices)
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def called(connection: Connection, part: str, most: int = 50) -> list[str]:
    """Devices whose name has this part, at most so many."""
    rows = await connection.fetch(
        "SELECT id FROM device WHERE name ILIKE $1 ORDER BY id LIMIT $2", _like(part), most
    )
    return [row[0] for row in rows]


async def update(connection: Connection, device: Mapping[str, Any]) -> Device:
    """Write every member of a device that is there and locked."""
    row = await connection.fetchrow(
        f"""
        UPDATE device SET name = $2, profile = $3, type = $4, entity_id = $5, publish = $6, subscribe = $7,
               enabled = $8, detail = $9::jsonb, modified_at = now() WHERE id = $1 RETURNING {_DEVICE}
        """,
        device["id"],
        device["name"],
        device["profile"],
        device["type"],
        device["entity_id"],
        list(device["publish"]),
        list(device["subscribe"]),
        device["enabled"],
        _json(device["detail"]),
    )
    return _device(row)


async def delete(connection: Connection, device: str) -> bool:
    """Forget a device with its secrets and wanted states; false if there is none."""
    return await connection.fetchval("DELETE FROM device WHERE id = $1 RETURNING id", device) is not None


async def using(connection: Connection, profile: str) -> int:
    """How many devices use a profile."""
    found: int = await connection.fetchval("SELECT count(*) FROM device WHERE profile = $1", profile)
    return found


async def seen(connection: Connection, devices: Mapping[str, datetime]) -> None:
    """Note when devices were last heard of; times never go back."""
    names = sorted(devices)
    await connection.execute(
        """
        WITH locked AS (  -- in the order of their ids, as every worker does
            SELECT device.id, new.at FROM device JOIN unnest($1::text[], $2::timestamptz[]) AS new (id, at)
                ON device.id = new.id AND (device.seen_at IS NULL OR device.seen_at < new.at)
             ORDER BY device.id FOR NO KEY UPDATE OF device
        )
        UPDATE device SET seen_at = locked.at FROM locked WHERE device.id = locked.id
        """,
        names,
        [devices[name] for name in names],
    )


# Secrets ---------------------------------------------------------------------------------------------------


async def add_secret(
    connection: Connection, device: str, digest: bytes, note: str, expires_at: datetime | None
) -> Secret:
    """Write a secret of a device that is there."""
    row = await connection.fetchrow(
        f"INSERT INTO device_secret (device, hash, note, expires_at) VALUES ($1, $2, $3, $4) RETURNING {_SECRET}",
        device,
        digest,
        note,
        expires_at,
    )
    return Secret(*row)


async def add_secrets(connection: Connection, devices: Sequence[str], digests: Sequence[bytes]) -> None:
    """A secret for each of many devices."""
    await connection.execute(
        "INSERT INTO device_secret (device, hash) SELECT * FROM unnest($1::text[], $2::bytea[])",
        list(devices),
        list(digests),
    )


async def secrets(connection: Connection, device: str) -> list[Secret]:
    """The secrets of a device, newest first, with those that expired."""
    rows = await connection.fetch(
        f"SELECT {_SECRET} FROM device_secret WHERE device = $1 ORDER BY id DESC", device
    )
    return [Secret(*row) for row in rows]


async def delete_secrets(connection: Connection, device: str, numbers: Sequence[int] | None) -> list[int]:
    """Forget some secrets of a device, or all (None); returns those that were there."""
    rows = await connection.fetch(
        "DELETE FROM device_secret WHERE device = $1 AND ($2::bigint[] IS NULL OR id = ANY($2)) RETURNING id",
        device,
        None if numbers is None else list(numbers),
    )
    return sorted(row[0] for row in rows)


async def hashes(connection: Connection, device: str) -> list[tuple[int, bytes, datetime | None]]:
    """Number, hash and end of the secrets of a device."""
    rows = await connection.fetch("SELECT id, hash, expires_at FROM device_secret WHERE device = $1", device)
    return [(row[0], row[1], row[2]) for row in rows]


async def used(connection: Connection, secrets: Mapping[int, datetime]) -> None:
    """Note when secrets were last used."""
    numbers = sorted(secrets)
    await connection.execute(
        """
        WITH locked AS (
            SELECT secret.id, new.at FROM device_secret AS secret
              JOIN unnest($1::bigint[], $2::timestamptz[]) AS new (id, at) ON secret.id = new.id
             ORDER BY secret.id FOR NO KEY UPDATE OF secret
        )
        UPDATE device_secret SET last_used_at = locked.at FROM locked WHERE device_secret.id = locked.id
        """,
        numbers,
        [secrets[number] for number in numbers],
    )


async def forget_expired(connection: Connection, *, days: int) -> None:
    """Forget secrets that have been expired for so many days."""
    await connection.execute(
        "DELETE FROM device_secret WHERE expires_at < now() - make_interval(days => $1)", days
    )


def _device(row: asyncpg.Record | Iterable[Any]) -> Device:
    values = list(row)
    values[5], values[6] = tuple(values[5]), tuple(values[6])
    values[11] = msgspec.json.decode(values[11])
    return Device(*values)


def _values(wanted: Wanted) -> tuple[Any, ...]:
    return _like(wanted.search), wanted.type, wanted.profile, wanted.silent, wanted.unheard


def _like(search: str) -> str:
    if not search:
        return ""
    return "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
