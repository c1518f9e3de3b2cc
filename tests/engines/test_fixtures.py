"""The engines that all other tests stand on."""

from __future__ import annotations

import asyncpg
import httpx
import nats as nats_client

from tests.conftest import EXTERNAL_NATS, NatsServer, Server


async def test_a_database_per_test_has_the_fixed_collation(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        row = await connection.fetchrow(
            "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database "
            "WHERE datname = current_database()"
        )
        assert tuple(row) == (b"b", "C.UTF-8", "UTF8")
        assert not await connection.fetchval("SELECT usesuper FROM pg_user WHERE usename = current_user")
    finally:
        await connection.close()


async def test_a_nats_per_test_has_streams(nats: NatsServer) -> None:
    client = await nats_client.connect(nats.url, **nats.credentials.options())
    try:
        await client.jetstream().add_stream(name="CHANGES", subjects=["changes.>"])
        acknowledged = await client.jetstream().publish("changes.city", b"{}")
        assert acknowledged.seq == 1
    finally:
        await client.close()


def test_a_server_answers(server: Server) -> None:
    assert httpx.get(f"{server.base_url}/ngsi-ld/v1/entities?type=Lamp").status_code == 200
    assert server.mqtt_port > 0 or EXTERNAL_NATS
