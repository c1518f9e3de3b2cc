"""Who may be called: the internet and what is listed, judged at the address that is connected to."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpcore
import pytest

from rhinecloud.broker.outbound import Allowed, Connections, Forbidden, client, is_public
from rhinecloud.settings import SettingsError, load

from ..receivers import eventually, http_receiver


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not is_public(address)
    assert not Allowed().address("host.example", address)
    assert Allowed("host.example").address("HOST.example.", address)
    assert not Allowed("host.example").address("other.example", address)


def test_public() -> None:
    assert all(is_public(address) for address in ("8.8.8.8", "2a00:1450:4001::1", "::ffff:8.8.8.8"))


def test_networks_that_are_listed() -> None:
    allowed = Allowed("10.1.0.0/16, 192.168.7.7 ,fd00::/8 loop.example")
    assert allowed.address("any", "10.1.2.3") and allowed.address("any", "192.168.7.7")
    assert allowed.address("any", "fd00::1") and allowed.address("any", "::ffff:10.1.2.3")
    assert not allowed.address("any", "10.2.0.1") and not allowed.address("any", "127.0.0.1")
    assert not allowed.address("any", "192.168.7.8") and allowed.address("loop.example", "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "a.localhost.", "10.0.0.7"])
def test_what_is_known_without_asking(host: str) -> None:
    with pytest.raises(Forbidden):
        Allowed().check_literal(host)
    Allowed("127.0.0.0/8, ::1, 10.0.0.7").check_literal(host)
    Allowed().check_literal("example.org")


@pytest.mark.parametrize("listed", ["10.0.0.0/33", "10.1.2", "1.2.3.4/8", "http://x/", "a b:80"])
def test_a_slip_of_the_pen_is_told_at_the_start(listed: str) -> None:
    with pytest.raises(SettingsError, match="outbound_allow"):
        load({"outbound_allow": listed}, {})
    assert load({"outbound_allow": "10.0.0.0/8, city.example,::1"}, {}).outbound_allow


async def test_rebinding_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is judged and private a moment later."""
    answers = [["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "127.0.0.1"]]
    asked: list[str] = []
    connected: list[str] = []

    async def getaddrinfo(self: Any, host: Any, port: Any, **_: Any) -> list[Any]:
        asked.append(str(host))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in answers[len(asked) - 1]]

    async def connect(self: Any, host: str, *_: Any) -> Any:
        connected.append(host)
        raise httpcore.ConnectError("nobody is asked in a test")

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("httpcore._backends.auto.AutoBackend.connect_tcp", connect)
    async with Connections(Allowed()).line("http://rebinding.example") as connections:
        with pytest.raises(httpcore.ConnectError):
            await connections.request("POST", "http://rebinding.example/")
        # The name was asked once, and what was judged is what was connected to: never the name.
        assert (asked, connected) == (["rebinding.example"], ["93.184.216.34"])
        for _ in range(2):
            with pytest.raises(Forbidden):
                await connections.request("POST", "http://rebinding.example/")
        assert connected == ["93.184.216.34"]


async def test_a_redirect_passes_the_same_door() -> None:
    async with http_receiver() as receiver:
        receiver.status, receiver.location = 302, f"http://127.0.0.2:{receiver.port}/inside"
        async with client(Allowed("127.0.0.1")) as http:
            with pytest.raises(Forbidden, match="127.0.0.2"):
                await http.get(receiver.url)
        assert receiver.connections == 1
        async with client(Allowed("10.0.0.0/8")) as http:
            with pytest.raises(Forbidden):
                await http.get(receiver.url)
        assert receiver.connections == 1


async def test_connections_are_kept_shared_and_let_go() -> None:
    async with http_receiver() as receiver:
        connections = Connections(Allowed("127.0.0.1"), keep_alive=0.4, most_idle=4)

        async def post() -> None:
            async with connections.line("o") as line:
                assert (await line.request("POST", receiver.url, content=b'{"data": []}')).status == 200

        for _ in range(5):
            await post()
        assert receiver.connections == 1
        receiver.delay = 0.05
        await asyncio.gather(*(post() for _ in range(8)))
        assert receiver.connections == 8
        await post()
        await eventually(lambda: len(receiver.writers) <= 5)
        await asyncio.sleep(0.6)
        await post()
        await eventually(lambda: len(receiver.writers) <= 1)
        await connections.close()
        await eventually(lambda: not receiver.writers)
