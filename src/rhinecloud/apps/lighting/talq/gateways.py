"""Gateways: who was admitted, how far each is with introducing itself, and when it was heard last."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import msgspec

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from .messages import Service

Stage = Literal["admitted", "announced", "classed", "located", "serviced", "ready"]
"""The steps of the bootstrap (5.1): nothing yet; has its address; told the class of itself; told where it is; told its
services; told its device classes: from then on everything is allowed."""

Connection: TypeAlias = "asyncpg.Connection | asyncpg.Pool"

_FIELDS: Final = (
    "number, name, cabinet, stage, address, uri, vendor, services, read_at, heard_at, admitted_at"
)
_HEARD_EVERY = timedelta(seconds=30)  # a sign of life is not written more often


class Gateway(msgspec.Struct, frozen=True):
    """A gateway. `cabinet`: only lamps of this cabinet are believed to be behind it; `address` is its TALQ address."""

    number: int
    name: str
    cabinet: str | None
    stage: Stage
    address: UUID | None
    uri: str | None
    vendor: str | None
    services: tuple[Service, ...]
    read_at: datetime | None
    heard_at: datetime | None
    admitted_at: datetime

    @property
    def subject(self) -> str:
        """What alarms and the audit log call it."""
        return f"talq-gateway:{self.number}"

    def service(self, name: str) -> Service | None:
        """One of its services."""
        return next((service for service in self.services if service.name == name), None)


def _gateway(record: Any) -> Gateway:
    values = dict(record)
    values["services"] = msgspec.json.decode(values["services"], type=tuple[Service, ...])
    return Gateway(**values)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


async def admit(city: City, actor: Actor, name: str, cabinet: str | None = None) -> tuple[Gateway, str]:
    """Admit a gateway; its key is returned once, and kept as a hash."""
    key = secrets.token_urlsafe(24)
    async with city.transaction() as transaction:
        record = await transaction.connection.fetchrow(
            "INSERT INTO talq_gateway (name, cabinet, key_hash, admitted_by) VALUES ($1, $2, $3, $4) "
            f"RETURNING {_FIELDS}",
            name,
            cabinet,
            _hash(key),
            actor.id,
        )
        gateway = _gateway(record)
        await transaction.audit(actor.id, "lighting.gateway.admit", gateway.subject, {"name": name})
    return gateway, key


async def dismiss(city: City, actor: Actor, number: int) -> bool:
    """Remove a gateway with all that is known of it; its lamps stay."""
    async with city.transaction() as transaction:
        name = await transaction.connection.fetchval(
            "DELETE FROM talq_gateway WHERE number = $1 RETURNING name", number
        )
        if name is not None:
            subject = f"talq-gateway:{number}"
            await transaction.audit(actor.id, "lighting.gateway.dismiss", subject, {"name": name})
    return name is not None


async def own_address(connection: Connection) -> UUID:
    """The city's address as a CMS."""
    found: UUID = await connection.fetchval("SELECT address FROM talq_cms")
    return found


async def by_key(connection: Connection, key: str) -> Gateway | None:
    """Whose key this is."""
    record = await connection.fetchrow(f"SELECT {_FIELDS} FROM talq_gateway WHERE key_hash = $1", _hash(key))
    return None if record is None else _gateway(record)


async def by_number(connection: Connection, number: int) -> Gateway | None:
    """A gateway by its number."""
    record = await connection.fetchrow(f"SELECT {_FIELDS} FROM talq_gateway WHERE number = $1", number)
    return None if record is None else _gateway(record)


async def every(connection: Connection) -> list[Gateway]:
    """All gateways, by name."""
    records = await connection.fetch(f"SELECT {_FIELDS} FROM talq_gateway ORDER BY name, number")
    return [_gateway(record) for record in records]


async def locked(transaction: Transaction, number: int) -> Gateway | None:
    """A gateway whose introduction nobody else changes meanwhile."""
    record = await transaction.connection.fetchrow(
        f"SELECT {_FIELDS} FROM talq_gateway WHERE number = $1 FOR NO KEY UPDATE", number
    )
    return None if record is None else _gateway(record)


async def announce(connection: asyncpg.Connection, gateway: Gateway) -> UUID:
    """Give it an address: a new one, whatever it had, with nothing known behind it (5.1, step 1)."""
    address = uuid4()
    await forget(connection, gateway)
    await connection.execute(
        "UPDATE talq_gateway SET address = $2, stage = 'announced' WHERE number = $1", gateway.number, address
    )
    return address


async def forget(connection: asyncpg.Connection, gateway: Gateway) -> None:
    """Forget what it said of itself; what is wanted of it stays (5.1, resynchronizing)."""
    await connection.execute("DELETE FROM talq_device WHERE gateway = $1", gateway.number)
    await connection.execute("DELETE FROM talq_class WHERE gateway = $1", gateway.number)
    await connection.execute(
        "UPDATE talq_gateway SET address = NULL, uri = NULL, services = '[]', read_at = NULL, stage = 'admitted' "
        "WHERE number = $1",
        gateway.number,
    )


async def advance(connection: asyncpg.Connection, gateway: Gateway, stage: Stage, **values: Any) -> None:
    """The next step is done. `values`: columns that it brought, by their names in this module's code."""
    known: Mapping[str, str] = {"uri": "uri", "vendor": "vendor", "services": "services"}
    names = [known[name] for name in values]
    written = "".join(f", {name} = ${position}" for position, name in enumerate(names, start=3))
    await connection.execute(
        f"UPDATE talq_gateway SET stage = $2{written} WHERE number = $1",
        gateway.number,
        stage,
        *values.values(),
    )


async def heard(city: City, gateway: Gateway) -> None:
    """It gave a sign of life; if it was silent, that is over."""
    now = city.clock.now()
    if gateway.heard_at is not None and now - gateway.heard_at < _HEARD_EVERY:
        return
    await city.db.pool.execute("UPDATE talq_gateway SET heard_at = $2 WHERE number = $1", gateway.number, now)
    await city.devices.clear_alarm(gateway.subject, "gateway_silent")


async def silent(connection: Connection, since: datetime) -> list[Gateway]:
    """Those that finished their introduction and were not heard since then."""
    records = await connection.fetch(
        f"SELECT {_FIELDS} FROM talq_gateway WHERE stage = 'ready' AND coalesce(heard_at, admitted_at) < $1",
        since,
    )
    return [_gateway(record) for record in records]
