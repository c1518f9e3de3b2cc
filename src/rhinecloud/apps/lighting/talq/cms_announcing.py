"""CMS operations on device classes, services, loggers and their reports (CMS API 2.7.1)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec
from starlette.responses import Response

from . import devices, gateways, judging, plan_rows, readings
from .base import Document, TALQErrorMessage
from .cms import _METER, Call, Operation, ok
from .errors import TalqError, all_of, decoded, not_found, payload, refused
from .flood import Full, Turns
from .messages import DeviceClass, LogReport, Service
from .taking import take
from .wire import body_of

_MOST_ENTRIES: Final = 50_000  # in one report
_READING: Final = Turns(at_once=2, most_waiting=8)  # reports, in this worker
_LATER: Final = 5  # seconds, and up to twice as many


async def add_classes(call: Call) -> Response:
    """POST /device-classes: the gateway's own class, later those of its devices, which may be none (5.1)."""
    documents, given = await _classes(call)
    async with call.city.transaction() as transaction:
        gateway = await gateways.locked(transaction, call.gateway.number)
        if gateway is None or gateway.address != call.gateway.address:
            raise TalqError(409)
        known = await devices.classes(transaction.connection, gateway)
        all_of(judging.of_new_classes(given, known, most=devices.MOST_CLASSES))
        await devices.write_classes(transaction.connection, gateway, documents)
        if gateway.stage == "announced":
            await gateways.advance(transaction.connection, gateway, "classed")
        elif gateway.stage == "serviced":
            await gateways.advance(transaction.connection, gateway, "ready")
            await plan_rows.again(transaction.connection, gateway, call.city.clock.now())
            await call.city.jobs.enqueue(transaction, "talq-read", gateway.number)
    return ok(call, documents, 201)


async def update_classes(call: Call) -> Response:
    """PUT /device-classes: classes that grew."""
    documents, given = await _classes(call)
    await _grow(call, documents, given)
    return ok(call, documents)


async def update_class(call: Call) -> Response:
    """PUT /device-classes/{className}."""
    document: Document = decoded(await body_of(call.request), dict[str, Any])
    with payload():
        given = msgspec.convert(document, DeviceClass)
    if given.name != call.path("className"):
        raise refused(400, "payloadError", "the name of the class is another than the one addressed")
    await _grow(call, [document], [given])
    return ok(call, document)


async def _grow(call: Call, documents: list[Document], given: list[DeviceClass]) -> None:
    async with call.city.transaction() as transaction:
        known = await devices.classes(transaction.connection, call.gateway)
        all_of(judging.of_changed_classes(given, known))
        await devices.write_classes(transaction.connection, call.gateway, documents)


async def delete_class(call: Call) -> Response:
    """DELETE /device-classes/{className}; not while a device is of it."""
    name = call.path("className")
    async with call.city.transaction() as transaction:
        if await devices.class_in_use(transaction.connection, call.gateway, name):
            raise refused(422, "deletingResourceIsReferred", f"devices are of the class {name}")
        found = await devices.remove_class(transaction.connection, call.gateway, name)
        if found is None:
            raise not_found(f"device class {name}")
    return ok(call, found)


async def _classes(call: Call) -> tuple[list[Document], list[DeviceClass]]:
    """As they came, to be kept with what a vendor added, and read."""
    documents: list[Document] = decoded(await body_of(call.request), list[dict[str, Any]])
    with payload():
        return documents, msgspec.convert(documents, list[DeviceClass])


async def announce_services(call: Call) -> Response:
    """POST /services: what the gateway can do, and how much of it (5.1, step 2)."""
    documents: list[Document] = decoded(await body_of(call.request), list[dict[str, Any]])
    with payload():
        given = msgspec.convert(documents, list[Service])
    names = [service.name for service in given]
    if len(set(names)) < len(names):
        raise refused(400, "payloadError", "a service is there twice")
    async with call.city.transaction() as transaction:
        gateway = await gateways.locked(transaction, call.gateway.number)
        if gateway is None or gateway.address != call.gateway.address:
            raise TalqError(409)
        stage = "serviced" if gateway.stage == "located" else gateway.stage
        written = msgspec.json.encode(documents).decode()
        await gateways.advance(transaction.connection, gateway, stage, services=written)
    return ok(call, status=201)


async def take_report(call: Call) -> Response:
    """POST /log-reports: what a logger recorded. What cannot be true is set aside, the rest is taken: one lamp's
    nonsense shall not hold up what the others say, and a refused report would come again for ever.

    After a new plan all lamps of a city report. What gateways are told must not wait for that, and a gateway keeps what
    it could not report: so few are read at once, none while many gateways are being told, and who has no turn comes
    again later."""

    async def telling() -> bool:
        return await plan_rows.many_untold(call.city.db.pool, call.city.clock.now())

    try:
        async with _READING.turn(telling):
            return await _take_report(call)
    except Full:
        error = TALQErrorMessage(key="genericError", description="too many reports at once")
        raise TalqError(429, error, retry_after=_LATER + call.gateway.number % _LATER) from None


async def _take_report(call: Call) -> Response:
    report: LogReport = decoded(await body_of(call.request), LogReport)
    number = len(report.entries)
    if number > _MOST_ENTRIES:
        detail = {"name": call.gateway.name, "entries": number}
        await call.city.devices.raise_alarm(call.gateway.subject, "gateway_floods", detail)
        raise refused(400, "payloadError", f"a report has {_MOST_ENTRIES} entries at most, not {number}")
    if wait := _METER.take_entries(call.gateway.number, number):
        await call.city.devices.raise_alarm(
            call.gateway.subject, "gateway_floods", {"name": call.gateway.name}
        )
        error = TALQErrorMessage(key="genericError", description="too many entries")
        raise TalqError(429, error, retry_after=wait)
    known = await devices.functions_of(call.city.db.pool, call.gateway, _addresses(report))
    told, doubtful = readings.of_report(report.entries, known.get, call.city.clock.now())
    await take(call.city, call.gateway, told, doubtful)
    return ok(call, status=201)


def _addresses(report: LogReport) -> list[UUID]:
    found = set()
    for entry in report.entries:
        try:
            found.add(UUID(entry.data.src_address.partition("/")[0]))
        except ValueError:
            continue  # the entry is set aside with this reason
    return sorted(found)


async def get_logger(call: Call) -> Response:
    """GET /logger-configs/{loggerAddress}: what we want of this gateway."""
    plan = await plan_rows.read(call.city.db.pool, call.gateway.number)
    for logger in plan.plan.loggers if plan is not None else ():
        if logger.address == call.path("loggerAddress"):
            return ok(call, logger)
    raise not_found(f"logger {call.path('loggerAddress')}")


OPERATIONS: Final = (
    Operation("POST", "/device-classes", add_classes, ("announced", "classed", "serviced", "ready")),
    Operation("PUT", "/device-classes", update_classes),
    Operation("PUT", "/device-classes/{className}", update_class),
    Operation("DELETE", "/device-classes/{className}", delete_class),
    Operation("POST", "/services", announce_services, ("located", "serviced", "ready")),
    Operation("POST", "/log-reports", take_report),
    Operation("GET", "/logger-configs/{loggerAddress}", get_logger),
)
