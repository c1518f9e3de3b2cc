"""Devices with credentials at a whole city: with its own server over TLS, and at a NATS that the city runs itself."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest
import trustme

from rhinecloud.engines import binaries
from rhinecloud.engines.checks import Finding
from rhinecloud.engines.postgresql import free_port
from rhinecloud.gateways.devices.checking import check_door
from rhinecloud.nkeys import KeyPair
from rhinecloud.settings import Settings

from ...conftest import EXTERNAL_NATS, Serve, Server, new_folder

pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of a NATS of its own")
PATIENCE = 30.0


async def add(client: httpx.AsyncClient, device: str) -> str:
    """A device and its secret."""
    added = await client.post("/api/v1/devices", json={"id": device, "type": "Lamp"})
    assert added.status_code == 201, added.text
    issued = await client.post(f"/api/v1/devices/{device}/secrets", json={})
    return str(issued.json()["secret"])


async def comes_in(make: Callable[[], aiomqtt.Client]) -> bool:
    try:
        async with make():
            return True
    except aiomqtt.MqttError:
        return False


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
        return found


async def publishes_and_is_cut_off(client: httpx.AsyncClient, device: Callable[..., aiomqtt.Client]) -> None:
    """A lamp says what it is, is heard, says what it is not, is told of, and loses its secret."""
    secret = await add(client, "lamp-1")
    await add(client, "lamp-2")

    def lamp() -> aiomqtt.Client:
        return device(identifier="lamp-1", username="lamp-1", password=secret, timeout=10)

    async def power(name: str) -> Any:
        answer = await client.get(f"/ngsi-ld/v1/entities/urn:ngsi-ld:Lamp:{name}?options=keyValues")
        return answer.json().get("power") if answer.status_code == 200 else None

    with pytest.raises(aiomqtt.MqttError):
        async with lamp() as connected:
            await connected.publish("json/Lamp/lamp-1", json.dumps({"power": 38.5}), qos=1)
            await until(lambda: power("lamp-1"))
            await connected.publish("json/Lamp/lamp-2", json.dumps({"power": 1}), qos=1)
            assert (await client.delete("/api/v1/devices/lamp-1/secrets")).status_code == 204
            async with asyncio.timeout(PATIENCE):
                async for _ in connected.messages:
                    pass
    assert await power("lamp-1") == 38.5
    assert await power("lamp-2") is None
    assert not await comes_in(lamp)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[trustme.CA, Path, Path]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    return authority, chain, key


async def test_a_city_with_tls_and_two_workers(
    serve: Serve, certificate: tuple[trustme.CA, Path, Path]
) -> None:
    authority, chain, key = certificate
    server = await asyncio.to_thread(serve, "--workers=2", f"--tls-cert={chain}", f"--tls-key={key}")
    assert f"mqtts://127.0.0.1:{server.mqtt_port}" in server.output
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with httpx.AsyncClient(base_url=server.base_url, verify=trusting, timeout=20) as client:

        def device(**options: Any) -> aiomqtt.Client:
            return aiomqtt.Client("127.0.0.1", server.mqtt_port, tls_context=trusting, **options)

        await publishes_and_is_cut_off(client, device)
        listed = await until(lambda: _forbidden(client))
        assert [(one["device"], one["detail"]["topic"]) for one in listed] == [("lamp-1", "json/Lamp/lamp-2")]


async def _forbidden(client: httpx.AsyncClient) -> Any:
    listed = (await client.get("/api/v1/alarms")).json()["items"]
    return [one for one in listed if one["kind"] == "forbidden_topic"]


async def test_one_of_two_workers_is_killed_and_devices_sign_in(serve: Serve) -> None:
    server = await asyncio.to_thread(serve, "--workers=2")
    async with httpx.AsyncClient(base_url=server.base_url, timeout=20) as client:
        secret = await add(client, "lamp-1")

        def lamp() -> aiomqtt.Client:
            return aiomqtt.Client(
                "127.0.0.1",
                server.mqtt_port,
                identifier="lamp-1",
                username="lamp-1",
                password=secret,
                timeout=15,
            )

        for _ in range(2):
            os.kill(_workers(server)[0], signal.SIGKILL)
            async with asyncio.timeout(PATIENCE):
                while not await comes_in(lamp):
                    pass


def _workers(server: Server) -> list[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"rhinecloud.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


# A NATS that the city runs itself, as docs/reference/mqtt.md says


class OwnNats:
    """Started with a configuration; `restart` with another."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port("127.0.0.1")
        self.mqtt_port = free_port("127.0.0.1")
        self.issuer = KeyPair.new()
        self.seed = folder / "issuer"
        self.seed.write_text(self.issuer.seed + "\n")

    def url(self, user: str, password: str) -> str:
        return f"nats://{user}:{password}@127.0.0.1:{self.port}"

    def start(self, *, authorization: dict[str, Any] | None = None) -> None:
        self.stop()
        asking = {
            "issuer": self.issuer.public,
            "account": "CITY",
            "auth_users": ["rhinecloud", "system"],
        }
        configuration = {
            "server_name": "own",
            "host": "127.0.0.1",
            "port": self.port,
            "jetstream": {"store_dir": str(self.folder / "store")},
            "mqtt": {"host": "127.0.0.1", "port": self.mqtt_port},
            "accounts": {
                "CITY": {"jetstream": "enabled", "users": [{"user": "rhinecloud", "password": "one"}]},
                "SYSTEM": {"users": [{"user": "system", "password": "two"}]},
            },
            "system_account": "SYSTEM",
            "authorization": {"timeout": 10, "auth_callout": asking} | (authorization or {}),
        }
        if authorization == {}:
            configuration.pop("authorization")
        file = self.folder / "nats.conf"
        file.write_text(json.dumps(configuration))
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", file], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


@pytest.fixture
def own_nats(programs: Path) -> Iterator[OwnNats]:
    folder = new_folder()
    server = OwnNats(folder, binaries.nats(programs).bin / "nats-server")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def findings(**settings: Any) -> list[Finding]:
    return [finding async for finding in check_door(Settings(**settings))]


async def reachable(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return


async def test_check_of_a_citys_own_nats(own_nats: OwnNats) -> None:
    own_nats.start()
    await reachable(own_nats.port)
    url, system = own_nats.url("rhinecloud", "one"), own_nats.url("system", "two")
    assert await findings() == []  # the embedded one is ours to set up
    (told,) = await findings(nats_url=url)
    assert (told.level, "auth call-out" in told.text) == ("note", True)
    told, cutting = await findings(nats_url=url, nats_auth_issuer=own_nats.seed)
    assert (told.level, cutting.level) == ("good", "note")
    told, mqtt = await findings(nats_url=url, nats_auth_issuer=own_nats.seed, nats_system_url=system)
    assert (told.level, mqtt.level) == ("good", "note")
    assert "without TLS" in mqtt.text
    _, other = await findings(nats_url=url, nats_auth_issuer=own_nats.seed, nats_system_url=url)
    assert (other.level, "tells this user nothing" in other.text) == ("wrong", True)
    another = own_nats.folder / "another"
    another.write_text(KeyPair.new().seed)
    told, _ = await findings(nats_url=url, nats_auth_issuer=another)
    assert told.level == "wrong"
    assert own_nats.issuer.public in told.text
    another.write_text("no seed")
    (told,) = await findings(nats_url=url, nats_auth_issuer=another)
    assert told.level == "wrong"


async def test_check_of_a_nats_that_does_not_ask(own_nats: OwnNats) -> None:
    own_nats.start(authorization={})
    await reachable(own_nats.port)
    told, _ = await findings(nats_url=own_nats.url("rhinecloud", "one"), nats_auth_issuer=own_nats.seed)
    assert (told.level, "asks nobody" in told.text) == ("wrong", True)


async def test_a_city_with_its_own_nats(serve: Serve, own_nats: OwnNats) -> None:
    own_nats.start()
    await reachable(own_nats.port)
    server = await asyncio.to_thread(
        serve,
        f"--nats-url={own_nats.url('rhinecloud', 'one')}",
        f"--nats-auth-issuer={own_nats.seed}",
        "--nats-auth-account=CITY",
        f"--nats-system-url={own_nats.url('system', 'two')}",
    )
    async with httpx.AsyncClient(base_url=server.base_url, timeout=20) as client:

        def device(**options: Any) -> aiomqtt.Client:
            return aiomqtt.Client("127.0.0.1", own_nats.mqtt_port, **options)

        await publishes_and_is_cut_off(client, device)
        # Here nobody comes in without a name, and what is said inside is not heard.
        assert not await comes_in(lambda: device(identifier="", timeout=10))
