"""Tenants in a whole installation: one backup holds them all, and `check` says what a city's own PostgreSQL lacks."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from rhinecloud.store import Database, Registry

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, NatsServer, Serve
from .test_backup import rhinecloud

LAMP = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "power": {"type": "Property", "value": 1}}


@pytest.mark.skipif(bool(EXTERNAL_DATABASE), reason="two installations on the database of one")
async def test_one_backup_holds_all_tenants(serve: Serve, data_folder: Path) -> None:
    source = serve()
    rhinecloud("tenant", "add", "port", "--data", source.data)
    everyone = (({}, 1), ({"NGSILD-Tenant": "port"}, 2))
    async with httpx.AsyncClient(timeout=20) as client:
        for headers, power in everyone:
            url = f"{source.base_url.rstrip('/')}/ngsi-ld/v1/entities"
            answer = await client.post(url, json=LAMP | {"power": power}, headers=headers)
            assert answer.status_code == 201, answer.text
    file = data_folder.parent / "backup.tar"
    rhinecloud("backup", file, "--data", source.data)
    source.stop()

    target = serve()
    printed = rhinecloud("restore", file, "--data", target.data)
    assert "Restored the state of" in printed
    target.stop()
    target = serve(data=target.data)
    url = f"{target.base_url.rstrip('/')}/ngsi-ld/v1/entities/{LAMP['id']}"
    async with httpx.AsyncClient(timeout=20) as client:
        for headers, power in everyone:
            answer = await client.get(url, params={"options": "keyValues"}, headers=headers)
            assert answer.json()["power"] == power
            merged = await client.patch(url, json={"power": 3}, headers=headers)
            assert merged.status_code == 204
    registry = Registry(target.database_url)
    city, its_port = await registry.every()
    assert (city.name, its_port.name) == ("city", "port")
    database = await Database.open(target.database_url, "port", size=1, migrate=False)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.fetch("SELECT * FROM tenant_city.entity")
    assert await database.epoch() > 1_000_000_000
    await database.close()


@pytest.mark.skipif(bool(EXTERNAL_NATS), reason="the one above tells it")
async def test_check_says_what_the_tenants_lack(engines: object, database_url: str, nats: NatsServer) -> None:
    where = ("check", "--port=0", "--database-url", database_url, "--nats-url", nats.url)
    tenant = await Registry(database_url).prepare("port")
    printed = rhinecloud(*where)
    assert f"The tenant port signs in as {tenant.role}" in printed
    application = await asyncpg.connect(database_url)
    await application.execute(f"ALTER ROLE {tenant.role} NOLOGIN")
    printed = rhinecloud(*where, code=1)
    assert f"The role {tenant.role} of the tenant port cannot sign in: pg_hba.conf" in printed
    name = urlsplit(database_url).path[1:]
    poor = f"poor_{name}"
    await application.execute(f"CREATE ROLE {poor} LOGIN PASSWORD 'secret'")
    try:
        url = database_url.replace("//rhinecloud@", f"//{poor}:secret@")
        if EXTERNAL_DATABASE:
            parts = urlsplit(database_url)
            url = f"postgresql://{poor}:secret@{parts.hostname}:{parts.port or 5432}{parts.path}"
        printed = rhinecloud("check", "--port=0", "--database-url", url, "--nats-url", nats.url, code=1)
        assert f"ALTER ROLE {poor} CREATEROLE;" in printed
    finally:
        await application.execute(f"DROP ROLE {poor}")
        await application.close()
