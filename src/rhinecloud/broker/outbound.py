"""Calls that leave the house: never to private networks unless the operator lists them.

The address is resolved here, judged, and that very address is connected to, so that a name which resolves
differently a moment later (DNS rebinding) gains nothing. Redirects pass the same door.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpcore
import httpx
from httpcore._backends.auto import AutoBackend


class Forbidden(Exception):
    """The address called for is in a network that may not be called."""


def is_public(address: str) -> bool:
    """Whether an IP address is reachable on the internet and nothing else: not private, loopback, link-local,
    multicast, reserved, nor an IPv6 form of such an IPv4 address."""
    ip = _embedded(ipaddress.ip_address(address.partition("%")[0]))
    return ip.is_global and not ip.is_multicast


def _embedded(ip: _Address) -> _Address:
    """The IPv4 address that an IPv6 one stands for, or the address itself."""
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if embedded is None and ip in _NAT64:
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if embedded is not None:
            return embedded
    return ip


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Allowed:
    """Who may be called: the internet, and what the operator lists (hosts by name, addresses, networks as CIDR)."""

    def __init__(self, listed: str = "") -> None:
        """Read a list separated by commas or blanks; what is no network is a host's name."""
        self._hosts: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in listed.replace(",", " ").split():
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError:
                self._hosts.add(entry.lower().rstrip("."))

    def address(self, host: str, address: str) -> bool:
        """Whether this host may be called at this address."""
        if is_public(address) or host.lower().rstrip(".") in self._hosts:
            return True
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(
            one.version == network.version and one in network
            for one in {ip, _embedded(ip)}
            for network in self._networks
        )

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of which may be called. Raises Forbidden, OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        # One forbidden address among public ones is how rebinding begins: then none is called.
        if not all(self.address(host, address) for address in addresses):
            raise Forbidden(f"{host} is in a network that may not be called unless outbound_allow lists it")
        return addresses

    def check_literal(self, host: str) -> None:
        """Raise Forbidden for what is known without asking anybody: addresses, and names of this machine."""
        try:
            ipaddress.ip_address(host.partition("%")[0])
            address = host
        except ValueError:
            if host.lower().rstrip(".").rpartition(".")[2] != "localhost":
                return
            address = "127.0.0.1"
        if not self.address(host, address):
            raise Forbidden(f"{host} is in a network that may not be called unless outbound_allow lists it")


class _GuardedBackend(AutoBackend):
    def __init__(self, allowed: Allowed) -> None:
        super().__init__()
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._allowed.resolve(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from None
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from None
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


def client(allowed: Allowed, tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """An HTTP client whose connections are guarded; ten seconds, three redirects, no proxies from the environment.

    `tls` says who is trusted and what certificate is shown, where that is not the usual.
    """
    transport = httpx.AsyncHTTPTransport(
        retries=0, verify=_usual_tls() if tls is None else tls, trust_env=False
    )
    transport._pool._network_backend = _GuardedBackend(allowed)
    return httpx.AsyncClient(
        transport=transport, timeout=10.0, follow_redirects=True, max_redirects=3, trust_env=False
    )


@functools.cache
def _usual_tls() -> ssl.SSLContext:
    """Whom everybody trusts; reading that takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


class Connections:
    """Guarded connections for many small requests, kept for a while for whoever calls the same origin next.

    The library's own pool looks at each of its connections for each request: at sixty that took 7 ms. So each line is
    a pool of one connection, and who needs one takes the one that was used last.
    """

    def __init__(self, allowed: Allowed, *, keep_alive: float = 60.0, most_idle: int = 200) -> None:
        self._backend = _GuardedBackend(allowed)
        self._tls = _usual_tls()
        self._keep_alive = keep_alive
        self._most_idle = most_idle
        self._idle: dict[str, list[tuple[float, httpcore.AsyncConnectionPool]]] = {}
        self._number = 0
        self._swept = 0.0

    @asynccontextmanager
    async def line(self, origin: str) -> AsyncIterator[httpcore.AsyncConnectionPool]:
        """One connection to an origin, opened at the first request. No redirects are followed."""
        await self._sweep()
        idle = self._idle.get(origin)
        if idle:
            _, taken = idle.pop()
            self._number -= 1
        else:
            taken = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=1,
                keepalive_expiry=self._keep_alive,
                network_backend=self._backend,
            )
        try:
            yield taken
        finally:
            self._idle.setdefault(origin, []).append((time.monotonic(), taken))
            self._number += 1

    async def close(self) -> None:
        """Close what is idle."""
        await self._close_before(float("inf"))

    async def _sweep(self) -> None:
        now = time.monotonic()
        if self._number > self._most_idle:
            ages = sorted(at for idle in self._idle.values() for at, _ in idle)
            await self._close_before(ages[len(ages) // 2])
        elif now - self._swept > self._keep_alive / 4:
            self._swept = now
            await self._close_before(now - self._keep_alive)

    async def _close_before(self, moment: float) -> None:
        old = []
        for origin, idle in list(self._idle.items()):
            old += [line for at, line in idle if at <= moment]
            left = [(at, line) for at, line in idle if at > moment]
            if left:
                self._idle[origin] = left
            else:
                del self._idle[origin]
        self._number -= len(old)
        for line in old:
            await line.aclose()
