"""The city as a CMS: what gateways may ask of it (CMS API 2.7.1), the 17 operations of the lighting profile.

A gateway shows its key as `Authorization: Bearer KEY`, or, where it can be told nothing but an address, in the address
(`…/talq/key/KEY/`). It may ask for what its step of the bootstrap allows, and sees nothing of other gateways.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.app import PUBLIC, Endpoint
from rhinecloud.city import City

from . import devices, gateways
from .base import TALQErrorMessage
from .errors import TalqError, too_early
from .flood import Meter
from .gateways import Gateway, Stage
from .messages import DeviceClass
from .wire import LARGEST, Asked, answer, asked, error_answer

_METER: Final = Meter()  # of this worker


class Call(msgspec.Struct, frozen=True):
    """One request of a gateway that may ask."""

    city: City
    gateway: Gateway
    asked: Asked
    request: Request

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.request.path_params[name])


Handler = Callable[[Call], Awaitable[Response]]

_ORDER: Final[tuple[Stage, ...]] = ("admitted", "announced", "classed", "located", "serviced", "ready")


class Operation(msgspec.Struct, frozen=True):
    """An operation of the CMS API. `stages`: the steps of the bootstrap at which it may be asked for."""

    method: str
    path: str
    handler: Handler
    stages: tuple[Stage, ...] = ("ready",)


def endpoints(operations: tuple[Operation, ...]) -> tuple[Endpoint, ...]:
    """The endpoints of operations, below both forms of the CMS's address."""
    return tuple(
        Endpoint(
            prefix + one.path,
            functools.partial(_answered, operation=one),
            PUBLIC.name,
            one.method,
            LARGEST + 1024,
            own_secret=True,
        )
        for one in operations
        for prefix in ("/talq", "/talq/key/{key}")
    )


async def _answered(city: City, request: Request, *, operation: Operation) -> Response:
    try:
        gateway = await _authenticated(city, request)
        wait = _METER.take(gateway.number)
        if wait:
            await city.devices.raise_alarm(gateway.subject, "gateway_floods", {"name": gateway.name})
            error = TALQErrorMessage(key="genericError", description="too many requests")
            raise TalqError(429, error, retry_after=wait)
        call = Call(city, gateway, _identified(gateway, request), request)
        await gateways.heard(city, gateway)
        if gateway.stage not in operation.stages:
            raise too_early(f"the bootstrap is at the step {gateway.stage!r}")
        return await operation.handler(call)
    except TalqError as error:
        return error_answer(request, error)


async def _authenticated(city: City, request: Request) -> Gateway:
    key = request.path_params.get("key") or _bearer(request)
    found = await gateways.by_key(city.db.pool, key) if key else None
    if found is None:
        raise TalqError(
            401, TALQErrorMessage(key="genericError", description="no key of a gateway was shown")
        )
    if city.settings.talq_client_certificates and found.name not in certified_names(request):
        raise TalqError(
            401,
            TALQErrorMessage(
                key="genericError", description=f"no client certificate of {found.name!r} was shown"
            ),
        )
    city.people.recognise(request)
    return found


def certified_names(request: Request) -> set[str]:
    """The names for which the client's certificate was made, which the city's authority signed: the common name, and
    names of hosts (RFC 5280, 4.2.1.6). Empty if none was shown."""
    chain = request.scope.get("extensions", {}).get("tls", {}).get("client_cert_chain") or ()
    if not chain:
        return set()
    certificate = x509.load_pem_x509_certificate(chain[0].encode())
    found = {str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    with suppress(x509.ExtensionNotFound):
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found |= set(alternative.get_values_for_type(x509.DNSName))
    return found


def _bearer(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key.strip() else None


def _identified(gateway: Gateway, request: Request) -> Asked:
    """Who says to ask must be who shows the key. Only the announcement comes without an address (5.1)."""
    announcing = request.method == "POST" and request.url.path.endswith("/devices")
    who = asked(request, announcing=announcing)
    if who.client is not None and who.client != gateway.address:
        error = TALQErrorMessage(
            key="parameterValueNotValid", description=f"clientAddress {who.client} is not this gateway's"
        )
        raise TalqError(400, error)
    return who


async def classes_of(call: Call) -> dict[str, DeviceClass]:
    """The classes that the gateway announced."""
    return await devices.classes(call.city.db.pool, call.gateway)


def ok(call: Call, content: object = None, status: int = 200) -> Response:
    """An answer."""
    return answer(call.request, status, content)
