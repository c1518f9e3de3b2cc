"""Network servers: where each is, and how it is asked to send. The facts of their interfaces are of
chirpstack/chirpstack (api/proto/api/multicast_group.proto, device.proto; 4.x) and of The Things Stack's documentation
(POST …/as/applications/{application}/devices/{device}/down/push; multicast groups are devices there)."""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import httpx
import msgspec

from rhinecloud.city import Forbidden

_TOLD: Final = 200  # letters of an answer that are kept
_TIMEOUT: Final = 15.0  # seconds


class Away(Exception):  # noqa: N818  # says what became of the call
    """The network server did not answer, or not yet."""


class Declined(Exception):  # noqa: N818  # says what became of the call
    """The network server answered that it will not."""


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network server: `kind`, `url` of its HTTP interface, `token` of its API. The Things Stack: the `application`
    that the lamps are in, and the `gateways` that send multicasts. Nothing prints the token."""

    kind: Literal["chirpstack-v4", "tts-v3"]
    url: str
    token: str
    application: str = ""
    gateways: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Network({self.kind}, {self.url})"


def read(path: str | None) -> dict[str, Network]:
    """The network servers that a file (TOML) lists, by the names that it gives them. Raises ValueError, OSError."""
    if path is None:
        return {}
    try:
        found = msgspec.convert(tomllib.loads(Path(path).read_text()), dict[str, Network])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    for name, one in found.items():
        if not one.url.startswith(("https://", "http://")):
            raise ValueError(f"{path}: the url of {name} begins with https:// or http://")
        if one.kind == "tts-v3" and not (one.application and one.gateways):
            raise ValueError(f"{path}: {name} needs its application and its gateways")
    return found


async def multicast(
    http: httpx.AsyncClient, network: Network, group: str, port: int, frames: Sequence[bytes]
) -> None:
    """Send frames to a multicast group in this order, in place of what still waits there. Raises Away, Declined."""
    if network.kind == "chirpstack-v4":
        queue = f"/api/multicast-groups/{quote(group, safe='')}/queue"
        await _call(http, network, "DELETE", queue)
        for frame in frames:
            item = {"multicastGroupId": group, "fPort": port, "data": _text(frame)}
            await _call(http, network, "POST", queue, {"queueItem": item})
        return
    sending = {"gateways": [{"gateway_ids": {"gateway_id": one}} for one in network.gateways]}
    await _replace(http, network, group, port, frames, {"class_b_c": sending})


async def unicast(
    http: httpx.AsyncClient, network: Network, device: str, port: int, frames: Sequence[bytes]
) -> None:
    """Send frames to one lamp, in place of what still waits for it. Raises Away, Declined."""
    if network.kind == "chirpstack-v4":
        queue = f"/api/devices/{quote(device, safe='')}/queue"
        await _call(http, network, "DELETE", queue)
        for frame in frames:
            item = {"devEui": device, "confirmed": False, "fPort": port, "data": _text(frame)}
            await _call(http, network, "POST", queue, {"queueItem": item})
        return
    await _replace(http, network, device, port, frames, {})


async def _replace(
    http: httpx.AsyncClient,
    network: Network,
    device: str,
    port: int,
    frames: Sequence[bytes],
    more: Mapping[str, Any],
) -> None:
    application, name = quote(network.application, safe=""), quote(device, safe="")
    downlinks = [
        {"f_port": port, "frm_payload": _text(frame), "priority": "NORMAL", **more} for frame in frames
    ]
    path = f"/api/v3/as/applications/{application}/devices/{name}/down/replace"
    await _call(http, network, "POST", path, {"downlinks": downlinks})


def _text(frame: bytes) -> str:
    return base64.b64encode(frame).decode()


async def _call(
    http: httpx.AsyncClient, network: Network, method: str, path: str, content: Any = None
) -> None:
    header = "grpc-metadata-authorization" if network.kind == "chirpstack-v4" else "authorization"
    headers = {header: f"Bearer {network.token}", "accept": "application/json"}
    try:
        answer = await http.request(
            method,
            network.url.rstrip("/") + path,
            content=None if content is None else msgspec.json.encode(content),
            headers=headers | ({} if content is None else {"content-type": "application/json"}),
            timeout=_TIMEOUT,
            follow_redirects=False,  # a token goes to nobody else
        )
    except (httpx.HTTPError, httpx.InvalidURL, Forbidden, OSError) as error:
        raise Away(f"{type(error).__name__}: {error}"[:_TOLD]) from None
    if answer.status_code >= 500 or answer.status_code == 429:
        raise Away(f"{answer.status_code}: {answer.text[:_TOLD]}")
    if not 200 <= answer.status_code < 300:
        raise Declined(f"{answer.status_code}: {answer.text[:_TOLD]}")
