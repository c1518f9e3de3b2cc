"""How network servers are asked to send: the calls that their interfaces document, and what is not called at all."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import httpx
import pytest

from rhinecloud.apps.lighting.lorawan.networks import Away, Declined, Network, multicast, read, unicast
from rhinecloud.broker.outbound import Allowed, client

CHIRPSTACK = Network(kind="chirpstack-v4", url="https://lora.city.example/", token="secret")
THINGS = Network(
    kind="tts-v3",
    url="https://eu1.things.example",
    token="secret",
    application="lamps",
    gateways=("gtw1", "gtw2"),
)
FRAMES = [b"\x11one", b"\x11two"]


class Server:
    """Answers with a status and remembers what it was asked."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.asked: list[tuple[str, str, dict[str, object]]] = []
        self.headers: list[httpx.Headers] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        self.asked.append((request.method, str(request.url), body))
        self.headers.append(request.headers)
        return httpx.Response(self.status, text="no", headers={"location": "https://elsewhere.example/"})

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer), follow_redirects=True)


def text(frame: bytes) -> str:
    return base64.b64encode(frame).decode()


async def test_chirpstack_is_asked_frame_by_frame_in_place_of_what_waits() -> None:
    server = Server()
    async with server.client() as http:
        await multicast(http, CHIRPSTACK, "b3f6c2f6", 10, FRAMES)
        await unicast(http, CHIRPSTACK, "70b3d57ed0000001", 10, FRAMES[:1])
    queue = "https://lora.city.example/api/multicast-groups/b3f6c2f6/queue"
    assert server.asked[0] == ("DELETE", queue, {})
    assert server.asked[1:3] == [
        ("POST", queue, {"queueItem": {"multicastGroupId": "b3f6c2f6", "fPort": 10, "data": text(frame)}})
        for frame in FRAMES
    ]
    own = "https://lora.city.example/api/devices/70b3d57ed0000001/queue"
    item = {"devEui": "70b3d57ed0000001", "confirmed": False, "fPort": 10, "data": text(FRAMES[0])}
    assert server.asked[3:] == [("DELETE", own, {}), ("POST", own, {"queueItem": item})]
    assert {one["grpc-metadata-authorization"] for one in server.headers} == {"Bearer secret"}


async def test_the_things_stack_is_told_which_gateways_send() -> None:
    server = Server()
    async with server.client() as http:
        await multicast(http, THINGS, "all-lamps", 10, FRAMES)
        await unicast(http, THINGS, "lamp-1", 10, FRAMES[:1])
    (_, url, sent), (_, own, alone) = server.asked
    base = "https://eu1.things.example/api/v3/as/applications/lamps/devices"
    assert (url, own) == (f"{base}/all-lamps/down/replace", f"{base}/lamp-1/down/replace")
    gateways = [{"gateway_ids": {"gateway_id": one}} for one in ("gtw1", "gtw2")]
    assert sent == {
        "downlinks": [
            {
                "f_port": 10,
                "frm_payload": text(frame),
                "priority": "NORMAL",
                "class_b_c": {"gateways": gateways},
            }
            for frame in FRAMES
        ]
    }
    assert alone == {"downlinks": [{"f_port": 10, "frm_payload": text(FRAMES[0]), "priority": "NORMAL"}]}
    assert {one["authorization"] for one in server.headers} == {"Bearer secret"}


@pytest.mark.parametrize(("status", "error"), [(503, Away), (429, Away), (401, Declined), (307, Declined)])
async def test_what_a_network_server_does_not_do(status: int, error: type[Exception]) -> None:
    server = Server(status)
    async with server.client() as http:
        with pytest.raises(error):
            await multicast(http, CHIRPSTACK, "b3f6c2f6", 10, FRAMES)
    assert len(server.asked) == 1  # a token goes to nobody else, and nothing is sent after a failure


async def test_a_private_network_is_not_called_unless_it_is_listed() -> None:
    private = Network(kind="chirpstack-v4", url="http://127.0.0.1:9", token="secret")
    async with client(Allowed()) as http:
        with pytest.raises(Away, match="outbound_allow"):
            await multicast(http, private, "b3f6c2f6", 10, FRAMES)


def test_the_file_of_network_servers(tmp_path: Path) -> None:
    file = tmp_path / "networks.toml"
    file.write_text('[a]\nkind = "chirpstack-v4"\nurl = "https://a.example"\ntoken = "secret"\n')
    (found,) = read(str(file)).values()
    assert found.url == "https://a.example"
    assert "secret" not in repr(found)
    assert read(None) == {}
    for wrong in (
        "[a",
        '[a]\nkind = "other"\nurl = "https://a.example"\ntoken = "t"\n',
        '[a]\nkind = "chirpstack-v4"\nurl = "file:///etc"\ntoken = "t"\n',
        '[a]\nkind = "tts-v3"\nurl = "https://a.example"\ntoken = "t"\n',
        '[a]\nkind = "chirpstack-v4"\nurl = "https://a.example"\ntoken = "t"\nport = 1\n',
    ):
        file.write_text(wrong)
        with pytest.raises(ValueError, match=r"networks\.toml"):
            read(str(file))
