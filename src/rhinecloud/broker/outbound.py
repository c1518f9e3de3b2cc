"""Calls that leave the house: never to private networks unless the operator lists them.

The address is resolved here, judged, and that very address is connected to, so that a name which resolves
differently a moment later (DNS rebinding) gains nothing. Redirects pass the same door.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpcore
import httpx
from httpcore._backends.auto import AutoBackend


class Forbidden(Exception):
    """The address called for is in a network that may not be called."""


def is_public(address: str) -> bool:
    """Whether an IP address is reachable on the internet and nothing else: not private, loopback, link-local,
    multicast, reserved, nor an IPv6 form of such an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if embedded is None and ip in _NAT64:
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if embedded is not None:
            return embedded.is_global and not embedded.is_multicast
    return ip.is_global and not ip.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class _GuardedBackend(AutoBackend):
    def __init__(self, *, allow_private: bool) -> None:
        super().__init__()
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise Forbidden(f"{host} is in a network that may not be called")
        last: Exception | None = None
        for address in addresses:
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Forbidden("sockets of this machine may not be called")


def client(*, allow_private: bool) -> httpx.AsyncClient:
    """An HTTP client whose connections are guarded; ten seconds, three redirects, no proxies from the environment."""
    transport = httpx.AsyncHTTPTransport(retries=0)
    transport._pool._network_backend = _GuardedBackend(allow_private=allow_private)
    return httpx.AsyncClient(
        transport=transport, timeout=10.0, follow_redirects=True, max_redirects=3, trust_env=False
    )
