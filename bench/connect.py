"""Devices that all come back at the same time: with credentials, which a worker checks, against none at all."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import asyncpg

from .connect_load import device_name, device_secret
from .figures import Comparison, compared
from .jobs import ConnectJob

if TYPE_CHECKING:
    from .broker import Bench

_DEVICES = """
INSERT INTO tenant_city.device (id, profile, type, entity_id)
SELECT id, 'plain-json', 'Streetlight', 'urn:ngsi-ld:Streetlight:' || id FROM unnest($1::text[]) AS id
ON CONFLICT DO NOTHING
"""
_SECRETS = """
INSERT INTO tenant_city.device_secret (device, hash)
SELECT * FROM unnest($1::text[], $2::bytea[])
"""


def devices_come_back(bench: Bench) -> Comparison:
    """Each connection asks a worker, who asks PostgreSQL; the raw limit is the same server without asking."""
    plan = bench.plan
    asyncio.run(_register(bench.installed.url, plan.devices))
    port = bench.installed.mqtt_port

    def job(named: bool) -> ConnectJob:
        return ConnectJob(port=port, devices=plan.devices, named=named, seed=bench.next_seed())

    product, raw = bench.in_turns(
        plan.few_rounds, [lambda: bench.take(job(True)), lambda: bench.take(job(False))]
    )
    return compared("devices come back", "sign-ins/s", plan.devices, product, raw, "MQTT without credentials")


async def _register(url: str, number: int) -> None:
    """What `rhinecloud device import` leaves."""
    names = [device_name(place) for place in range(number)]
    hashes = [hashlib.sha256(device_secret(place).encode()).digest() for place in range(number)]
    connection = await asyncpg.connect(url)
    await connection.execute(_DEVICES, names)
    await connection.execute(_SECRETS, names, hashes)
    await connection.close()
