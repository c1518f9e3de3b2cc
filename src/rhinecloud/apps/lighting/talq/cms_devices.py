"""CMS operations on devices (CMS API 2.7.1, tag devices), and the announcement of a gateway (5.1, step 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
from starlette.responses import Response

from rhinecloud.city import Transaction

from . import devices, functions, gateways, judging, readings
from .base import NIL
from .cms import Call, Operation, ok
from .errors import TalqError, all_of, decoded, not_found, refused, too_early
from .gateways import Gateway
from .messages import Device, DevicePatch
from .taking import take
from .wire import body_of, classes_of, page_of

_ALL: Final = ("admitted", "announced", "classed", "located", "serviced", "ready")
_LOCATING: Final = ("classed", "located", "serviced", "ready")


async def add_devices(call: Call) -> Response:
    """POST /devices: devices of the gateway, or, without an address of its own yet, the gateway itself."""
    given: list[Device] = decoded(await body_of(call.request), list[Device])
    if call.asked.client is None:
        return await _announce(call, given)
    _must_be_ready(call)
    return await _write(call, given, new=True)


async def update_devices(call: Call) -> Response:
    """PUT /devices: devices as a whole."""
    given: list[Device] = decoded(await body_of(call.request), list[Device])
    return await _write(call, given, new=False)


async def update_device(call: Call) -> Response:
    """PUT /devices/{deviceAddress}."""
    given: Device = decoded(await body_of(call.request), Device)
    if given.address != _address(call):
        raise refused(400, "payloadError", "the address of the device is another than the one addressed")
    return await _write(call, [given], new=False, alone=True)


async def patch_devices(call: Call) -> Response:
    """PATCH /devices: parts of devices."""
    patches: list[DevicePatch] = decoded(await body_of(call.request), list[DevicePatch])
    return await _patch(call, patches)


async def patch_device(call: Call) -> Response:
    """PATCH /devices/{deviceAddress}: also where a gateway says its own address (5.1, step 1)."""
    patch: DevicePatch = decoded(await body_of(call.request), DevicePatch)
    if patch.address != _address(call):
        raise refused(400, "payloadError", "the address of the device is another than the one addressed")
    return await _patch(call, [patch])


async def list_devices(call: Call) -> Response:
    """GET /devices: those of the gateway that asks."""
    offset, limit = page_of(call.request)
    found = await devices.listed(call.city.db.pool, call.gateway, classes_of(call.request), offset, limit)
    return ok(call, found)


async def get_device(call: Call) -> Response:
    """GET /devices/{deviceAddress}."""
    return ok(call, await _own(call))


async def get_function(call: Call) -> Response:
    """GET /devices/{deviceAddress}/{functionId}. `attributeScope` narrows nothing: all is answered."""
    return ok(call, await _function(call))


async def get_attribute(call: Call) -> Response:
    """GET /devices/{deviceAddress}/{functionId}/{attributeName}."""
    found = (await _function(call)).get(call.path("attributeName"))
    if not isinstance(found, dict):
        raise not_found(f"attribute {call.path('attributeName')}")
    return ok(call, found)


async def delete_device(call: Call) -> Response:
    """DELETE /devices/{deviceAddress}; of its own: the gateway begins anew (5.1)."""
    found = await _own(call)
    async with call.city.transaction() as transaction:
        if found.address == call.gateway.address:
            await gateways.forget(transaction.connection, call.gateway)
            subject = call.gateway.subject
            await transaction.audit(subject, "lighting.gateway.reset", subject)
        else:
            await devices.remove(transaction.connection, found.address)
    return ok(call, found)


async def _announce(call: Call, given: Sequence[Device]) -> Response:
    if len(given) != 1 or functions.of_type(given[0].functions, functions.GATEWAY) is None:
        raise refused(400, "payloadError", "a gateway announces one device, with a GatewayFunction")
    said = given[0]
    if said.address != NIL:
        raise refused(
            400, "payloadError", "the address of a gateway is given by the CMS; it announces itself with NIL"
        )
    all_of((400, "payloadError", problem) for problem in functions.problems(said.functions))
    async with call.city.transaction() as transaction:
        gateway = await _locked(transaction, call)
        address = await gateways.announce(transaction.connection, gateway)
        cms = await gateways.own_address(transaction.connection)
        device = _with_addresses(said, address, cms)
        await devices.write(transaction.connection, gateway, [device])
        await transaction.audit(
            gateway.subject, "lighting.gateway.announce", gateway.subject, {"address": str(address)}
        )
    return ok(call, [device], 201)


def _with_addresses(said: Device, address: UUID, cms: UUID) -> Device:
    patch = {
        "id": (functions.of_type(said.functions, functions.GATEWAY) or {})["id"],
        "gatewayAddress": functions.document(functions.GATEWAY, "gatewayAddress", str(address)),
        "cmsAddress": functions.document(functions.GATEWAY, "cmsAddress", str(cms)),
    }
    return msgspec.structs.replace(said, address=address, functions=functions.merged(said.functions, [patch]))


async def _write(call: Call, given: Sequence[Device], *, new: bool, alone: bool = False) -> Response:
    pool = call.city.db.pool
    all_of(judging.of_devices(given, await devices.classes(pool, call.gateway)))
    addresses = [one.address for one in given]
    async with call.city.transaction() as transaction:
        gateway = await _locked(transaction, call)
        known = await devices.of_addresses(transaction.connection, addresses)
        await _refuse_foreign(call, addresses, known)
        all_of(judging.of_owners(gateway, addresses, known, new=new))
        more = len(set(addresses) - known.keys())
        if new and await devices.count(transaction.connection, gateway) + more > devices.MOST:
            raise refused(422, "serviceConstraintExceeded", f"a gateway has {devices.MOST} devices at most")
        try:
            await devices.write(transaction.connection, gateway, given)
        except asyncpg.UniqueViolationError:
            raise refused(409, "resourceConflict", "a device is in a lamp that another one is in") from None
        # Without a key: what runs already has read which devices there are.
        await call.city.jobs.enqueue(transaction, "talq-match", gateway.number)
    await _take(call, given)
    return ok(call, given[0] if alone else list(given), 201 if new else 200)


async def _patch(call: Call, patches: Sequence[DevicePatch]) -> Response:
    addresses = [patch.address for patch in patches]
    if len(set(addresses)) < len(addresses):
        raise refused(400, "payloadError", "a device is there twice")
    if call.gateway.stage != "ready" and addresses != [call.gateway.address]:
        raise too_early("until the bootstrap is over a gateway speaks of itself only")
    for patch in patches:
        all_of(
            (400, "payloadError", f"{patch.address}: {text}") for text in functions.problems(patch.functions)
        )
    classes = await devices.classes(call.city.db.pool, call.gateway)
    async with call.city.transaction() as transaction:
        gateway = await _locked(transaction, call)
        known = await devices.of_addresses(transaction.connection, addresses)
        await _refuse_foreign(call, addresses, known)
        all_of(judging.of_owners(gateway, addresses, known, new=False))
        after = [judging.patched(known[patch.address][1], patch) for patch in patches]
        all_of(judging.of_devices(after, classes))
        await devices.write(transaction.connection, gateway, after)
        if gateway.address in addresses:
            await _locate(call, transaction, gateway, after[addresses.index(gateway.address)])
    await _take(call, [DevicePatch(address=one.address, functions=one.functions) for one in patches])
    return ok(call)


async def _locate(call: Call, transaction: Transaction, gateway: Gateway, itself: Device) -> None:
    """The gateway says where it is."""
    uri = functions.value_of(itself.functions, functions.GATEWAY, "gatewayUri")
    if not isinstance(uri, str) or not uri.startswith(("http://", "https://")):
        raise refused(400, "payloadError", "gatewayUri is an absolute address, http or https")
    stage = "located" if gateway.stage == "classed" else gateway.stage
    vendor = functions.value_of(itself.functions, functions.GATEWAY, "vendor")
    await gateways.advance(
        transaction.connection, gateway, stage, uri=uri, vendor=vendor if isinstance(vendor, str) else None
    )
    if gateway.stage == "classed" or uri != gateway.uri:
        await call.city.jobs.enqueue(transaction, "talq-greet", gateway.number)


async def _take(call: Call, told: Sequence[Device | DevicePatch]) -> None:
    now = call.city.clock.now()
    found = [reading for one in told for reading in readings.of_functions(one.address, one.functions, now)]
    await take(call.city, call.gateway, found)


async def _locked(transaction: Transaction, call: Call) -> Gateway:
    gateway = await gateways.locked(transaction, call.gateway.number)
    if gateway is None or gateway.address != call.gateway.address:
        raise TalqError(409)  # dismissed, or announced anew, in this very moment
    return gateway


async def _refuse_foreign(
    call: Call, addresses: Sequence[UUID], known: dict[UUID, tuple[int, Device]]
) -> None:
    """Somebody speaks of another's devices: that is told to people, whatever the answer is."""
    foreign = [str(one) for one in addresses if one in known and known[one][0] != call.gateway.number]
    if foreign:
        await call.city.devices.raise_alarm(
            call.gateway.subject,
            "gateway_foreign_device",
            {"name": call.gateway.name, "devices": foreign[:20], "number": len(foreign)},
        )


async def _own(call: Call) -> Device:
    address = _address(call)
    known = await devices.of_addresses(call.city.db.pool, [address])
    await _refuse_foreign(call, [address], known)
    if address not in known or known[address][0] != call.gateway.number:
        raise not_found(f"device {address}")
    return known[address][1]


async def _function(call: Call) -> dict[str, object]:
    found = await _own(call)
    wanted = call.path("functionId")
    for function in found.functions:
        if function.get("id") == wanted:
            return function
    raise not_found(f"function {wanted}")


def _address(call: Call) -> UUID:
    try:
        return UUID(call.path("deviceAddress"))
    except ValueError:
        raise refused(400, "parameterValueNotValid", "deviceAddress is no UUID") from None


def _must_be_ready(call: Call) -> None:
    if call.gateway.stage != "ready":
        raise too_early(f"the bootstrap is at the step {call.gateway.stage!r}")


OPERATIONS: Final = (
    Operation("GET", "/devices", list_devices),
    Operation("POST", "/devices", add_devices, _ALL),
    Operation("PUT", "/devices", update_devices),
    Operation("PATCH", "/devices", patch_devices, _LOCATING),
    Operation("GET", "/devices/{deviceAddress}", get_device),
    Operation("PUT", "/devices/{deviceAddress}", update_device),
    Operation("PATCH", "/devices/{deviceAddress}", patch_device, _LOCATING),
    Operation("DELETE", "/devices/{deviceAddress}", delete_device, _LOCATING),
    Operation("GET", "/devices/{deviceAddress}/{functionId}", get_function),
    Operation("GET", "/devices/{deviceAddress}/{functionId}/{attributeName}", get_attribute),
)
