"""Devices, their secrets, what is wanted of them, their alarms, and their own messages."""

from __future__ import annotations

import msgspec

from rhinecloud.gateways.devices.push import MAX_PAYLOAD, Forbidden, TooMuch
from rhinecloud.gateways.devices.registry import ID, Changes, NewDevice
from rhinecloud.gateways.profiles import Unmappable
from rhinecloud.model import BadRequestData
from rhinecloud.people.permissions import COMMAND_DEVICES, MANAGE_DEVICES, SEE_DEVICES

from . import views
from .exchange import CSV, JSON, ROOT, Answer, ApiError, Request
from .listing import read_devices
from .route import (
    BY_DEVICE,
    NEWEST_FIRST,
    PAGING,
    Parameter,
    Route,
    Services,
)
from .views import view_device, view_wanted

_RETRY_AFTER = 5  # seconds


async def list_devices(services: Services, request: Request) -> Answer:
    """GET /devices."""
    registry = services.devices.registry
    page = await registry.list(
        after=request.text("after"),
        limit=request.limit(),
        search=request.text("search"),
        type=request.optional("type"),
        profile=request.optional("profile"),
        count=request.flag("count"),
    )
    items = [view_device(device, registry) for device in page.devices]
    return Answer(200, views.DeviceViews(items, page.next, page.count))


async def add_device(services: Services, request: Request) -> Answer:
    """POST /devices."""
    registry = services.devices.registry
    device = await registry.add(request.document(NewDevice), request.actor)
    location = f"{ROOT}/devices/{device.id}".encode()
    return Answer(201, view_device(device, registry), ((b"location", location),))


async def import_devices(services: Services, request: Request) -> Answer:
    """POST /devices/import."""
    listed = read_devices(request)
    outcome = await services.devices.registry.add_many(
        [device for _, device in listed.devices], request.actor
    )
    problems = [views.ImportProblem(line, detail) for line, detail in listed.problems]
    problems += [
        views.ImportProblem(listed.devices[index][0], detail) for index, detail in outcome.problems.items()
    ]
    secrets = None
    if request.flag("secrets"):
        added = [device.id for device in outcome.added]
        secrets = await services.devices.credentials.issue_many(added, request.actor) if added else {}
    problems.sort(key=lambda problem: problem.line)
    return Answer(200, views.Imported(len(outcome.added), outcome.existing, problems, secrets))


async def get_device(services: Services, request: Request) -> Answer:
    """GET /devices/{device}."""
    registry = services.devices.registry
    return Answer(200, view_device(await registry.get(request.arguments["device"]), registry))


async def change_device(services: Services, request: Request) -> Answer:
    """PATCH /devices/{device}."""
    registry = services.devices.registry
    changed = await registry.change(request.arguments["device"], request.document(Changes), request.actor)
    return Answer(200, view_device(changed, registry))


async def remove_device(services: Services, request: Request) -> Answer:
    """DELETE /devices/{device}."""
    await services.devices.registry.remove(request.arguments["device"], request.actor)
    return Answer(204)


# Secrets


async def list_secrets(services: Services, request: Request) -> Answer:
    """GET /devices/{device}/secrets."""
    found = await services.devices.credentials.list(request.arguments["device"])
    items = [views.SecretView(**msgspec.structs.asdict(secret)) for secret in found]
    return Answer(200, views.SecretViews(items))


async def issue_secret(services: Services, request: Request) -> Answer:
    """POST /devices/{device}/secrets."""
    asked = request.document(views.NewSecret) if request.body else views.NewSecret()
    if asked.expires_at is not None and asked.expires_at.tzinfo is None:
        raise BadRequestData("a time has a zone, as in 2026-12-31T12:00:00Z", field="/expires_at")
    issued = await services.devices.credentials.issue(
        request.arguments["device"], request.actor, note=asked.note, expires_at=asked.expires_at
    )
    return Answer(201, views.IssuedView(**msgspec.structs.asdict(issued)), ((b"cache-control", b"no-store"),))


async def revoke_secrets(services: Services, request: Request) -> Answer:
    """DELETE /devices/{device}/secrets."""
    await services.devices.credentials.revoke(request.arguments["device"], request.actor)
    return Answer(204)


async def revoke_secret(services: Services, request: Request) -> Answer:
    """DELETE /devices/{device}/secrets/{secret}."""
    text = request.arguments["secret"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ApiError(404, "Not found", f"there is no secret {text:.40}")
    await services.devices.credentials.revoke(request.arguments["device"], request.actor, int(text))
    return Answer(204)


# What is wanted


async def list_wanted(services: Services, request: Request) -> Answer:
    """GET /devices/{device}/wanted."""
    limit = request.limit()
    found = await services.devices.commands.history(
        request.arguments["device"], before=request.number("before", None), limit=limit + 1
    )
    items = [view_wanted(one) for one in found[:limit]]
    return Answer(200, views.WantedViews(items, items[-1].version if len(found) > limit else None))


async def want(services: Services, request: Request) -> Answer:
    """POST /devices/{device}/wanted."""
    asked = request.document(views.Want)
    one = await services.devices.commands.want(
        request.arguments["device"], asked.set, timeout_seconds=asked.timeout_seconds, actor=request.actor
    )
    location = f"{ROOT}/devices/{one.device}/wanted/{one.version}".encode()
    return Answer(201, view_wanted(one), ((b"location", location),))


async def get_wanted(services: Services, request: Request) -> Answer:
    """GET /devices/{device}/wanted/{version}."""
    text = request.arguments["version"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ApiError(404, "Not found", f"there is no version {text:.40}")
    return Answer(
        200, view_wanted(await services.devices.commands.get(request.arguments["device"], int(text)))
    )


# Alarms


async def list_alarms(services: Services, request: Request) -> Answer:
    """GET /alarms."""
    limit = request.limit()
    found = await services.devices.alarms.list(
        device=request.optional("device"),
        kind=request.optional("kind"),
        acknowledged=request.flag("acknowledged"),
        before=request.number("before", None),
        limit=limit + 1,
    )
    items = [views.AlarmView(**msgspec.structs.asdict(alarm)) for alarm in found[:limit]]
    return Answer(200, views.AlarmViews(items, items[-1].id if len(found) > limit else None))


async def acknowledge_alarm(services: Services, request: Request) -> Answer:
    """POST /alarms/{alarm}/acknowledge."""
    text = request.arguments["alarm"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ApiError(404, "Not found", f"there is no alarm {text:.40}")
    closed = await services.devices.alarms.acknowledge(int(text), request.actor)
    return Answer(200, views.AlarmView(**msgspec.structs.asdict(closed)))


# Messages of the device itself


async def push_message(services: Services, request: Request) -> Answer:
    """POST /devices/{device}/messages."""
    name, secret = request.arguments["device"], _bearer(request)
    device = await services.devices.credentials.check(name, secret)
    if device is None:
        if secret and ID.fullmatch(name):
            await services.devices.alarms.raise_(
                name, "sign_in", {"name": name, "by": "HTTP"}, known_only=True
            )
        raise ApiError(
            401,
            "Unauthorized",
            "there is no such device, it is blocked, or this is none of its secrets"
            if secret
            else "a device sends its secret: Authorization: Bearer <secret>",
            headers=((b"www-authenticate", b'Bearer realm="devices"'),),
        )
    key = request.headers.get(b"idempotency-key")
    try:
        await services.push.take(
            device, request.optional("topic"), request.body, None if key is None else key.decode("latin-1")
        )
    except Forbidden as error:
        raise ApiError(403, "Forbidden", str(error)) from None
    except TooMuch as error:
        wait = str(_RETRY_AFTER).encode()
        raise ApiError(429, "Too many requests", str(error), headers=((b"retry-after", wait),)) from None
    except Unmappable as error:
        raise ApiError(422, "Not mapped", str(error), kind=error.kind) from None
    return Answer(204)


def _bearer(request: Request) -> str:
    scheme, _, secret = request.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


_FIND = (
    *PAGING,
    Parameter("search", "Part of the id, the name or the entity's id."),
    Parameter("type", "Entity type."),
    Parameter("profile", "Name of a profile."),
    Parameter("count", "true: the answer says how many there are in all.", "boolean"),
)
_ALARMS = (
    *NEWEST_FIRST,
    Parameter("device", "Of one device."),
    Parameter("kind", "Of one kind."),
    Parameter("acknowledged", "true: those that were acknowledged, too.", "boolean"),
)
_DEVICE = "/devices/{device}"

ROUTES = (
    Route(
        "GET", "/devices", SEE_DEVICES, list_devices, "Devices in the order of their ids", answer=views.DeviceViews,
        query=_FIND, errors=(400,),
    ),
    Route(
        "POST", "/devices", MANAGE_DEVICES, add_device, "Add a device", body=NewDevice, status=201,
        answer=views.DeviceView, errors=(400, 409, 415),
    ),
    Route(
        "POST", "/devices/import", MANAGE_DEVICES, import_devices,
        "Add many devices from a list, JSON or CSV; what cannot be added is told line by line", body=list[NewDevice],
        body_media_types=(JSON, CSV), answer=views.Imported, largest_body=16 * 2**20,
        query=(Parameter("secrets", "true: issue a secret for each, and answer them.", "boolean"),),
        errors=(400, 413, 415),
    ),
    Route("GET", _DEVICE, SEE_DEVICES, get_device, "A device", answer=views.DeviceView, errors=(404,)),
    Route(
        "PATCH", _DEVICE, MANAGE_DEVICES, change_device,
        "Change a device; members that are not given stay. A change of its rights ends its connections",
        body=Changes, answer=views.DeviceView, errors=(400, 404, 415),
    ),
    Route(
        "DELETE", _DEVICE, MANAGE_DEVICES, remove_device,
        "Forget a device, its secrets and what is wanted of it; its entity stays", status=204, errors=(404,),
    ),
    Route(
        "POST", f"{_DEVICE}/messages", BY_DEVICE, push_message,
        "A message of the device, mapped as if it came by MQTT; answered after the commit", body=bytes,
        body_media_types=("application/octet-stream",), status=204, largest_body=MAX_PAYLOAD,
        query=(Parameter("topic", "A topic of the device; by default the one that its profile gives it."),),
        errors=(400, 401, 403, 413, 422, 429),
    ),
    Route(
        "GET", f"{_DEVICE}/secrets", SEE_DEVICES, list_secrets, "The secrets of a device, without themselves",
        answer=views.SecretViews, errors=(404,),
    ),
    Route(
        "POST", f"{_DEVICE}/secrets", MANAGE_DEVICES, issue_secret,
        "A new secret beside those that the device has; it is shown this once", body=views.NewSecret, status=201,
        answer=views.IssuedView, errors=(400, 404, 415),
    ),
    Route(
        "DELETE", f"{_DEVICE}/secrets", MANAGE_DEVICES, revoke_secrets,
        "Revoke all secrets of a device and end its connections", status=204, errors=(404,),
    ),
    Route(
        "DELETE", f"{_DEVICE}/secrets/{{secret}}", MANAGE_DEVICES, revoke_secret,
        "Revoke one secret; the device's connections end, whichever secret they began with", status=204,
        errors=(404,),
    ),
    Route(
        "GET", f"{_DEVICE}/wanted", SEE_DEVICES, list_wanted, "What was and is wanted of a device, newest first",
        answer=views.WantedViews, query=NEWEST_FIRST, errors=(400, 404),
    ),
    Route(
        "POST", f"{_DEVICE}/wanted", COMMAND_DEVICES, want,
        "Want a state of a device, in place of what was wanted before", body=views.Want, status=201,
        answer=views.WantedView, errors=(400, 404, 415),
    ),
    Route(
        "GET", f"{_DEVICE}/wanted/{{version}}", SEE_DEVICES, get_wanted, "What became of one version",
        answer=views.WantedView, errors=(404,),
    ),
    Route(
        "GET", "/alarms", SEE_DEVICES, list_alarms, "What is wrong with devices, newest first",
        answer=views.AlarmViews, query=_ALARMS, errors=(400,),
    ),
    Route(
        "POST", "/alarms/{alarm}/acknowledge", MANAGE_DEVICES, acknowledge_alarm,
        "An alarm was seen; raised again it is a new one", answer=views.AlarmView, errors=(404,),
    ),
)  # fmt: skip
