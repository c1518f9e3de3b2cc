"""What follows when a gateway has introduced itself: its configuration, its devices, and the lamps that they are in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import msgspec

from rhinecloud.app import Attempt
from rhinecloud.city import EVERYTHING, City, Query, Transaction
from rhinecloud.model import CORE

from . import devices, functions, gateways, judging, plan_rows, readings, sync
from .base import Document
from .calling import gateway_client, own_http
from .client import Declined
from .gateways import Gateway
from .messages import Device, DeviceClass, DevicePatch, Service
from .taking import take

_PREFIX: Final = "urn:ngsi-ld:Streetlight:"
_PORTION: Final = 500
_CABINET: Final = CORE.expand_term("refStreetlightControlCabinet")


async def greet(city: City, number: int, attempt: Attempt) -> None:
    """Tell a gateway our address: the last action of the first step of its bootstrap (5.1). Raises Away, to be tried
    again."""
    gateway = await gateways.by_number(city.db.pool, number)
    if gateway is None or gateway.address is None or gateway.uri is None:
        return
    own = await gateways.own_address(city.db.pool)
    itself = (await devices.of_addresses(city.db.pool, [gateway.address])).get(gateway.address)
    function = None if itself is None else functions.of_type(itself[1].functions, functions.GATEWAY)
    if function is None:
        return
    address = functions.document(functions.GATEWAY, "cmsAddress", str(own), city.clock.now())
    required: Document = {
        name: function[name] for name in ("cmsUri", "gatewayUri", "gatewayAddress") if name in function
    }
    change: Document = {"id": function["id"], "type": functions.GATEWAY, **required, "cmsAddress": address}
    patch = DevicePatch(
        address=gateway.address,
        name=itself[1].name if itself else None,
        class_=itself[1].class_ if itself else None,
        functions=[change],
    )
    async with own_http(city) as http:
        client = gateway_client(http, gateway, own)
        try:
            await client.send("PATCH", f"devices/{gateway.address}", patch)
        except Declined as error:
            await _declined(city, gateway, error)


async def read(city: City, number: int, attempt: Attempt) -> None:
    """Read what a gateway has: services, classes, devices. Raises Away, to be tried again."""
    gateway = await gateways.by_number(city.db.pool, number)
    if gateway is None or gateway.uri is None or gateway.stage != "ready":
        return
    own = await gateways.own_address(city.db.pool)
    async with own_http(city) as http:
        client = gateway_client(http, gateway, own)
        try:
            services: list[Service] = await client.get("services", list[Service])
            documents = await client.get("device-classes", list[dict[str, object]])
            present = await sync.devices_of(client, _named(services, "ConfigurationService"))
        except Declined as error:
            await _declined(city, gateway, error)
            return
    try:
        classes = msgspec.convert(documents, list[DeviceClass])
    except msgspec.ValidationError as error:
        await _declined(city, gateway, Declined(200, f"device classes: {error}"))
        return
    theirs = [device for device in present if device.address != gateway.address]
    problems = list(judging.of_devices(theirs, {one.name: one for one in classes}))
    if problems or len(theirs) > devices.MOST:
        await _declined(city, gateway, Declined(200, problems[0][2] if problems else "too many devices"))
        return
    async with city.transaction() as transaction:
        locked = await gateways.locked(transaction, number)
        if locked is None or locked.address != gateway.address:
            return
        await devices.write_classes(transaction.connection, gateway, documents)
        await _write(city, transaction, gateway, theirs)
        await transaction.connection.execute(
            "UPDATE talq_gateway SET read_at = $2 WHERE number = $1", number, city.clock.now()
        )
        await city.jobs.enqueue(transaction, "talq-match", number)
    now = city.clock.now()
    told = [one for device in theirs for one in readings.of_functions(device.address, device.functions, now)]
    await take(city, gateway, told)


def _named(services: Iterable[Service], name: str) -> Service | None:
    return next((service for service in services if service.name == name), None)


async def _write(city: City, transaction: Transaction, gateway: Gateway, theirs: Sequence[Device]) -> None:
    known = await devices.of_addresses(transaction.connection, [one.address for one in theirs])
    foreign = [one for one in theirs if known.get(one.address, (gateway.number,))[0] != gateway.number]
    await devices.write(transaction.connection, gateway, [one for one in theirs if one not in foreign])
    if foreign:
        detail = {"name": gateway.name, "devices": [str(one.address) for one in foreign[:20]]}
        await city.devices.raise_alarm(gateway.subject, "gateway_foreign_device", detail)


async def match(city: City, number: int, attempt: Attempt) -> None:
    """Find the lamps that devices are in: `assetId` is the lamp's id, or what stands in it after its type."""
    gateway = await gateways.by_number(city.db.pool, number)
    if gateway is None:
        return
    waiting = {
        address: asset if asset.startswith("urn:") else _PREFIX + asset
        for address, asset in await devices.without_lamp(city.db.pool, gateway)
    }
    present = await _lamps(city, gateway, sorted(set(waiting.values())))
    found: dict[UUID, str] = {}
    doubled = []
    for address, lamp in sorted(waiting.items()):
        if lamp in present and lamp not in found.values():
            found[address] = lamp
        elif lamp in present:
            doubled.append(lamp)
    async with city.transaction() as transaction:
        doubled += await devices.put_into(transaction.connection, gateway, found)
        if found:
            await plan_rows.again(transaction.connection, gateway, city.clock.now())
    if found:  # what these devices said before anybody knew where they are
        stored = await devices.of_addresses(city.db.pool, list(found))
        now = city.clock.now()
        said = [
            one
            for _, device in stored.values()
            for one in readings.of_functions(device.address, device.functions, now)
        ]
        await take(city, gateway, said)
    if doubled:
        detail = {"name": gateway.name, "lamps": doubled[:20], "number": len(doubled)}
        await city.devices.raise_alarm(gateway.subject, "gateway_claims_lamp", detail)
    await city.bus.tell(plan_rows.WAKE)


async def _lamps(city: City, gateway: Gateway, wanted: Sequence[str]) -> set[str]:
    """Which of these lamps there are, behind the gateway's cabinet if it has one."""
    found = set()
    for start in range(0, len(wanted), _PORTION):
        some = tuple(wanted[start : start + _PORTION])
        page = await city.broker.query(Query(ids=some, limit=_PORTION), sight=EVERYTHING)
        for entity in page.entities:
            cabinets = {one.get("object") or one.get("value") for one in entity.attributes.get(_CABINET, [])}
            if gateway.cabinet is None or not cabinets or gateway.cabinet in cabinets:
                found.add(entity.id)
    return found


async def _declined(city: City, gateway: Gateway, error: Declined) -> None:
    detail = {"name": gateway.name, "trouble": str(error)[:500]}
    await city.devices.raise_alarm(gateway.subject, "gateway_declines", detail)
