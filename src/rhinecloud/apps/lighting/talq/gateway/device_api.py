"""Devices, their classes, services, loggers and reports (gateway API 2.7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from starlette.responses import Response

from .. import functions
from ..base import NIL, Document, LevelState
from ..errors import all_of, not_found, refused
from ..functions import ACTUATOR, GATEWAY
from ..judging import of_devices, patched
from ..messages import Device, DevicePatch, LoggerConfig, LogReport
from ..wire import answer, classes_of, page_of
from .answering import Call, Operation
from .holdings import Holdings
from .luminaires import Luminaire


async def list_devices(call: Call) -> Response:
    """GET /devices: with pages (5.10)."""
    wanted = classes_of(call.request)
    found = [one for one in call.holdings.devices() if not wanted or one.class_ in wanted]
    if "offset" not in call.request.query_params and "limit" not in call.request.query_params:
        return call.ok(found)
    offset, limit = page_of(call.request)
    page = found[offset : offset + (20 if limit is None else limit)]
    headers = {
        "pagination-offset": str(offset),
        "pagination-defaultLimit": "20",
        "pagination-count": str(len(page)),
        "pagination-totalCount": str(len(found)),
    }
    return answer(call.request, 200, page, headers)


async def count_devices(call: Call) -> Response:
    """GET /devices/count."""
    wanted = classes_of(call.request)
    return call.ok(sum(not wanted or one.class_ in wanted for one in call.holdings.devices()))


async def add_devices(call: Call) -> Response:
    """POST /devices: devices that the CMS makes; NIL is given an address (5.3)."""
    given: list[Device] = await call.body(list[Device])
    made = [
        Device(
            address=uuid4() if one.address == NIL else one.address,
            name=one.name,
            class_=one.class_,
            functions=one.functions,
        )
        for one in given
    ]
    _judge(call, made)
    for one in made:
        if call.holdings.device(one.address) is not None:
            raise refused(409, "resourceConflict", f"there is a device {one.address}")
    call.holdings.added.update({one.address: one for one in made})
    return call.ok(made, 201)


async def update_devices(call: Call) -> Response:
    """PUT /devices."""
    given: list[Device] = await call.body(list[Device])
    for one in given:
        _found(call.holdings, one.address)
    _judge(call, given)
    for one in given:
        _apply(call.holdings, one)
    call.holdings.step()
    return call.ok([call.holdings.device(one.address) for one in given])


async def patch_devices(call: Call) -> Response:
    """PATCH /devices."""
    patches: list[DevicePatch] = await call.body(list[DevicePatch])
    return _patch(call, patches)


async def patch_device(call: Call) -> Response:
    """PATCH /devices/{deviceAddress}."""
    patch: DevicePatch = await call.body(DevicePatch)
    if patch.address != _address(call):
        raise refused(400, "payloadError", "the address of the device is another than the one addressed")
    return _patch(call, [patch])


async def patch_function(call: Call) -> Response:
    """PATCH /devices/{deviceAddress}/{functionId}."""
    document: Document = await call.body(dict[str, Any])
    if document.get("id") != call.path("functionId"):
        raise refused(400, "payloadError", "the id of the function is another than the one addressed")
    _function(call)
    return _patch(call, [DevicePatch(address=_address(call), functions=[document])])


async def patch_attribute(call: Call) -> Response:
    """PATCH /devices/{deviceAddress}/{functionId}/{attributeName}."""
    document: Document = await call.body(dict[str, Any])
    function = _function(call)
    if call.path("attributeName") not in function:
        raise not_found(f"attribute {call.path('attributeName')}")
    change = {"id": function["id"], "type": function["type"], call.path("attributeName"): document}
    return _patch(call, [DevicePatch(address=_address(call), functions=[change])])


async def get_device(call: Call) -> Response:
    """GET /devices/{deviceAddress}."""
    return call.ok(_found(call.holdings, _address(call)))


async def get_function(call: Call) -> Response:
    """GET /devices/{deviceAddress}/{functionId}."""
    return call.ok(_function(call))


async def get_attribute(call: Call) -> Response:
    """GET /devices/{deviceAddress}/{functionId}/{attributeName}."""
    found = _function(call).get(call.path("attributeName"))
    if not isinstance(found, dict):
        raise not_found(f"attribute {call.path('attributeName')}")
    return call.ok(found)


async def delete_device(call: Call) -> Response:
    """DELETE /devices/{deviceAddress}; of the gateway itself: it forgets the CMS and begins anew (5.1)."""
    found = _found(call.holdings, _address(call))
    if found.address == call.holdings.address:
        call.holdings.forget()
    elif found.address in call.holdings.added:
        del call.holdings.added[found.address]
    else:
        raise refused(422, "resourceConflict", "a luminaire is removed where it hangs")
    return call.ok(found)


def _patch(call: Call, patches: Sequence[DevicePatch]) -> Response:
    after = [patched(_found(call.holdings, patch.address), patch) for patch in patches]
    _judge(call, after)
    for one in after:
        _apply(call.holdings, one)
    call.holdings.step()
    return call.ok()


def _judge(call: Call, given: Sequence[Device]) -> None:
    all_of(of_devices(given, {one.name: one for one in call.holdings.classes()}))


def _apply(holdings: Holdings, device: Device) -> None:
    """What a CMS may set: its address, and the calendar, the command and the default state of a lamp."""
    if device.address == holdings.address:
        cms = functions.value_of(device.functions, GATEWAY, "cmsAddress")
        holdings.cms = UUID(cms) if cms else NIL
    elif (luminaire := holdings.luminaires.get(device.address)) is not None:
        _set(luminaire, device)
    else:
        holdings.added[device.address] = device


def _set(luminaire: Luminaire, device: Device) -> None:
    function = functions.of_type(device.functions, ACTUATOR) or {}
    for name, one in functions.attributes_of(function):
        if name == "calendarID":
            luminaire.calendar = one.value
        elif name == "defaultLightState" and isinstance(one.value, LevelState):
            luminaire.default_level = one.value.value
        elif name == "targetLightCommand" and one.value.reason == "override":
            luminaire.override = one.value


def _found(holdings: Holdings, address: UUID) -> Device:
    found = holdings.device(address)
    if found is None:
        raise not_found(f"device {address}")
    return found


def _function(call: Call) -> Document:
    for function in _found(call.holdings, _address(call)).functions:
        if function["id"] == call.path("functionId"):
            return function
    raise not_found(f"function {call.path('functionId')}")


def _address(call: Call) -> UUID:
    try:
        return UUID(call.path("deviceAddress"))
    except ValueError:
        raise refused(400, "parameterValueNotValid", "deviceAddress is no UUID") from None


# Classes, services


async def list_classes(call: Call) -> Response:
    """GET /device-classes."""
    return call.ok(call.holdings.classes())


async def count_classes(call: Call) -> Response:
    """GET /device-classes/count."""
    return call.ok(len(call.holdings.classes()))


async def get_class(call: Call) -> Response:
    """GET /device-classes/{className}."""
    for one in call.holdings.classes():
        if one.name == call.path("className"):
            return call.ok(one)
    raise not_found(f"device class {call.path('className')}")


async def list_services(call: Call) -> Response:
    """GET /services."""
    return call.ok(call.holdings.services())


async def get_service(call: Call) -> Response:
    """GET /services/{serviceName}."""
    for one in call.holdings.services():
        if one.name == call.path("serviceName"):
            return call.ok(one)
    raise not_found(f"service {call.path('serviceName')}")


# Loggers and their reports


async def add_logger(call: Call) -> Response:
    """POST /logger-configs: one (the API has no list of them)."""
    given: LoggerConfig = await call.body(LoggerConfig)
    if given.address in call.holdings.loggers:
        raise refused(409, "resourceConflict", f"there is a logger {given.address}")
    call.holdings.loggers[given.address] = given
    call.holdings.record_all()
    return call.ok(status=201)


async def update_logger(call: Call) -> Response:
    """PUT /logger-configs/{loggerAddress}."""
    given: LoggerConfig = await call.body(LoggerConfig)
    if given.address != call.path("loggerAddress"):
        raise refused(400, "payloadError", "the address of the logger is another than the one addressed")
    _logger(call)
    call.holdings.loggers[given.address] = given
    return call.ok()


async def get_logger(call: Call) -> Response:
    """GET /logger-configs/{loggerAddress}."""
    return call.ok(_logger(call))


async def delete_logger(call: Call) -> Response:
    """DELETE /logger-configs/{loggerAddress}: what it recorded and did not report goes with it."""
    found = _logger(call)
    del call.holdings.loggers[found.address]
    call.holdings.waiting.pop(found.address, None)
    return call.ok(found)


async def count_reports(call: Call) -> Response:
    """GET /log-reports/count: loggers with something to report."""
    return call.ok(sum(bool(entries) for entries in call.holdings.waiting.values()))


async def get_report(call: Call) -> Response:
    """GET /log-reports/{loggerAddress}: what waits now; it is reported all the same."""
    found = _logger(call)
    return call.ok(
        LogReport(address=found.address, entries=list(call.holdings.waiting.get(found.address, ())))
    )


def _logger(call: Call) -> LoggerConfig:
    found = call.holdings.loggers.get(call.path("loggerAddress"))
    if found is None:
        raise not_found(f"logger {call.path('loggerAddress')}")
    return found


_DEVICE: Final = "/devices/{deviceAddress}"
_FUNCTION: Final = f"{_DEVICE}/{{functionId}}"
_ATTRIBUTE: Final = f"{_FUNCTION}/{{attributeName}}"
_LOGGER: Final = "/logger-configs/{loggerAddress}"

OPERATIONS: Final = (
    Operation("GET", "/device-classes", list_classes),
    Operation("GET", "/device-classes/count", count_classes),
    Operation("GET", "/device-classes/{className}", get_class),
    Operation("GET", "/devices", list_devices),
    Operation("POST", "/devices", add_devices),
    Operation("PUT", "/devices", update_devices),
    Operation("PATCH", "/devices", patch_devices),
    Operation("GET", "/devices/count", count_devices),
    Operation("GET", _DEVICE, get_device),
    Operation("PATCH", _DEVICE, patch_device),
    Operation("DELETE", _DEVICE, delete_device),
    Operation("GET", _FUNCTION, get_function),
    Operation("PATCH", _FUNCTION, patch_function),
    Operation("GET", _ATTRIBUTE, get_attribute),
    Operation("PATCH", _ATTRIBUTE, patch_attribute),
    Operation("GET", "/log-reports/count", count_reports),
    Operation("GET", "/log-reports/{loggerAddress}", get_report),
    Operation("POST", "/logger-configs", add_logger),
    Operation("GET", _LOGGER, get_logger),
    Operation("PUT", _LOGGER, update_logger),
    Operation("DELETE", _LOGGER, delete_logger),
    Operation("GET", "/services", list_services),
    Operation("GET", "/services/{serviceName}", get_service),
)
