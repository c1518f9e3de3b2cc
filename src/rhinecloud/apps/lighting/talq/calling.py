"""How this city calls gateways: with which certificate, under which address."""

from __future__ import annotations

from uuid import UUID

import httpx

from rhinecloud.city import City

from . import client
from .client import GatewayClient
from .gateways import Gateway


def own_http(city: City) -> httpx.AsyncClient:
    """A client for calls to gateways: `async with own_http(city) as http`."""
    settings = city.settings
    return city.client(client.tls(settings.talq_certificate, settings.talq_key, settings.talq_authority))


def gateway_client(http: httpx.AsyncClient, gateway: Gateway, own: UUID) -> GatewayClient:
    """The client of one gateway, which has said where it is."""
    assert gateway.uri is not None
    return GatewayClient(http, gateway.uri, own)
