"""How this city calls gateways: with which certificate, under which address."""

from __future__ import annotations

import ssl
from uuid import UUID

import httpx

from rhinecloud.city import City

from . import client
from .client import GatewayClient
from .gateways import Gateway


def own_tls(city: City) -> ssl.SSLContext | None:
    """With which certificate, and whom we trust; None: as everybody does. Raises OSError, ssl.SSLError."""
    settings = city.settings
    return client.tls(settings.talq_certificate, settings.talq_key, settings.talq_authority)


def own_http(city: City) -> httpx.AsyncClient:
    """A client for calls to gateways: `async with own_http(city) as http`."""
    return city.client(own_tls(city))


def gateway_client(http: httpx.AsyncClient, gateway: Gateway, own: UUID) -> GatewayClient:
    """The client of one gateway, which has said where it is."""
    assert gateway.uri is not None
    return GatewayClient(http, gateway.uri, own)
