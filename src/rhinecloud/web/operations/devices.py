"""The list of devices, and the forms that add one, many, or change one."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.gateways.devices.registry import Changes, NewDevice
from rhinecloud.model import AlreadyExists, BadRequestData, NgsiLdError
from rhinecloud.store.devices import Device

from ..forms import fields, upload
from ..shell import Shell
from ..sight import PermittedRoute, actor_of
from .pages import PAGE, done, form_number, printable, segment, to

PATH = "/devices"
MOST_IMPORTED = 20_000
SILENCE = timedelta(days=1)  # after which a device is called silent
SILENCES = ("1h", "1d", "7d", "30d")
NEVER = "never"
_SPAN = re.compile(r"([1-9][0-9]{0,3})([hd])")
_COLUMNS = ("id", "type", "profile", "name", "entity_id", "publish", "subscribe")


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a field of a form; `line` where the field holds one thing a line."""

    field: str
    text: str
    line: int | None = None


def problem(error: NgsiLdError) -> Problem:
    """The field of an error: `/publish/1` is the second line of publish."""
    name, _, index = (error.field or "").strip("/").partition("/")
    return Problem(name, error.detail, int(index) + 1 if index.isdigit() else None)


def routes(shell: Shell) -> list[BaseRoute]:
    """`/devices` and its forms."""

    async def index(request: Request) -> Response:
        return shell.renderer.page(request, "operations/devices.html", **await _listing(shell, request))

    async def listing(request: Request) -> Response:
        values = await _listing(shell, request)
        return shell.renderer.page(request, "operations/parts/devices.html", **values)

    async def acknowledge(request: Request) -> Response:
        """An alarm that names no device was seen: no other page has it."""
        given = await fields(request)
        if given.get("action") != "acknowledge":
            raise HTTPException(400)
        await shell.devices.alarms.acknowledge(form_number(given.get("alarm")), actor_of(request).id)
        return to(PATH, done="acknowledge")

    async def blank(request: Request) -> Response:
        values = {"profile": request.query_params.get("profile", "plain-json"), "enabled": "on"}
        return _form(shell, request, values)

    async def add(request: Request) -> Response:
        given = await fields(request)
        try:
            device = await shell.devices.registry.add(_new(given), actor_of(request).id)
        except (BadRequestData, AlreadyExists) as error:
            return _form(shell, request, given, problem(error))
        return to(f"{PATH}/{segment(device.id)}", done="add")

    async def edit(request: Request) -> Response:
        device = await shell.devices.registry.get(printable(request))
        return _form(shell, request, _values(device), device=device)

    async def change(request: Request) -> Response:
        device = await shell.devices.registry.get(printable(request))
        given = {**await fields(request), "id": device.id}
        new = _new(given)
        changes = Changes(
            name=new.name,
            type=new.type,
            profile=new.profile,
            entity_id=new.entity_id,
            publish=new.publish,
            subscribe=new.subscribe,
        )
        try:
            await shell.devices.registry.change(device.id, changes, actor_of(request).id)
        except BadRequestData as error:
            return _form(shell, request, given, problem(error), device)
        return to(f"{PATH}/{segment(device.id)}", done="change")

    async def many(request: Request) -> Response:
        return shell.renderer.page(
            request, "operations/device_import.html", outcome=None, text="", problem=None
        )

    async def take_many(request: Request) -> Response:
        form, content = await upload(request, "file")
        try:
            text = content.decode("utf-8-sig") if content else str(form.get("text") or "")
            devices = read_table(text)
        except (UnicodeDecodeError, ValueError) as error:
            shown = "" if content else str(form.get("text") or "")
            return shell.renderer.page(
                request, "operations/device_import.html", 422, outcome=None, text=shown, problem=str(error)
            )
        actor = actor_of(request).id
        outcome = await shell.devices.registry.add_many(devices, actor)
        issued: dict[str, str] = {}
        if form.get("secrets") and outcome.added:
            issued = await shell.devices.credentials.issue_many([one.id for one in outcome.added], actor)
        return shell.renderer.page(
            request, "operations/device_import.html", outcome=outcome, secrets=issued, text="", problem=None
        )

    return [
        PermittedRoute(PATH, index, "devices.see"),
        PermittedRoute(PATH, acknowledge, "devices.manage", method="POST"),
        PermittedRoute(f"{PATH}/~list", listing, "devices.see"),
        PermittedRoute(f"{PATH}/~new", blank, "devices.manage"),
        PermittedRoute(f"{PATH}/~new", add, "devices.manage", method="POST"),
        PermittedRoute(f"{PATH}/~import", many, "devices.manage"),
        PermittedRoute(f"{PATH}/~import", take_many, "devices.manage", method="POST"),
        PermittedRoute(f"{PATH}/{{id}}/edit", edit, "devices.manage"),
        PermittedRoute(f"{PATH}/{{id}}/edit", change, "devices.manage", method="POST"),
    ]


async def _listing(shell: Shell, request: Request) -> dict[str, Any]:
    params = request.query_params
    search, profile, after = (_text(params.get(name)) for name in ("search", "profile", "after"))
    silent, silence = _silence(params.get("silent"))
    page = await shell.devices.registry.list(
        after=after,
        limit=PAGE,
        search=search,
        profile=profile or None,
        silent=silence,
        unheard=silent == NEVER,
        count=True,
    )
    given = (("search", search), ("profile", profile), ("silent", silent))
    kept = {name: value for name, value in given if value}
    quiet = datetime.now(UTC) - SILENCE
    return {
        "devices": page.devices,
        "count": page.count,
        "search": search,
        "wanted": profile,
        "silent": silent,
        "silences": [*SILENCES, *([silent] if silent not in (*SILENCES, "", NEVER) else [])],
        "profiles": [(one.name, one.name) for one in shell.profiles.all()],
        "alarmed": await shell.devices.alarms.counts_of([device.id for device in page.devices]),
        "quiet": {one.id for one in page.devices if one.seen_at is not None and one.seen_at < quiet},
        "alarms": await shell.devices.alarms.counts(),
        "nobodys": await shell.devices.alarms.list(nobodys=True),
        "first": f"{PATH}?{urlencode(kept)}" if after else None,
        "after": f"{PATH}?{urlencode({**kept, 'after': page.next})}" if page.next else None,
        "filtered": bool(kept),
        "done": done(request),
    }


def _silence(text: str | None) -> tuple[str, timedelta | None]:
    """How long nothing was heard, as an address says it (`12h`, `7d`, `never`); what is nothing of the kind is left
    aside."""
    if text == NEVER:
        return NEVER, None
    found = _SPAN.fullmatch(text or "")
    if found is None:
        return "", None
    number = int(found[1])
    return found[0], timedelta(days=number) if found[2] == "d" else timedelta(hours=number)


def _form(
    shell: Shell,
    request: Request,
    values: dict[str, str],
    wrong: Problem | None = None,
    device: Device | None = None,
) -> Response:
    code = shell.renderer.of(request).code
    profiles = [(one.name, one.title.get(code) or one.name) for one in shell.profiles.all()]
    return shell.renderer.page(
        request,
        "operations/device_form.html",
        422 if wrong else 200,
        values=values,
        wrong=wrong,
        device=device,
        profiles=profiles,
    )


def _new(given: dict[str, str]) -> NewDevice:
    return NewDevice(
        id=given.get("id", "").strip(),
        type=given.get("type", "").strip(),
        profile=given.get("profile", "").strip(),
        name=given.get("name", "").strip(),
        entity_id=given.get("entity_id", "").strip() or None,
        publish=_lines(given.get("publish", "")),
        subscribe=_lines(given.get("subscribe", "")),
    )


def _values(device: Device) -> dict[str, str]:
    return {
        "id": device.id,
        "type": device.type,
        "profile": device.profile,
        "name": device.name,
        "entity_id": device.entity_id,
        "publish": "\n".join(device.publish),
        "subscribe": "\n".join(device.subscribe),
    }


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _text(text: str | None) -> str:
    return "".join(c for c in text or "" if c.isprintable()).strip()[:200]


def read_table(text: str) -> list[NewDevice]:
    """Devices from CSV (comma, semicolon or tab): a heading with `id` and `type`, and `profile`, `name`, `entity_id`,
    `publish`, `subscribe` (several topics with blanks between) as wanted. Raises ValueError, for a person."""
    lines = text.strip()
    if not lines:
        raise ValueError("there is nothing in it")
    head = lines.splitlines()[0]
    separator = max(",;\t", key=head.count)
    rows = csv.DictReader(io.StringIO(lines), delimiter=separator)
    names = [name.strip().lower() for name in rows.fieldnames or []]
    rows.fieldnames = names
    if not {"id", "type"} <= set(names):
        raise ValueError("the heading has no columns id and type")
    if unknown := [name for name in names if name not in _COLUMNS]:
        raise ValueError(f"unknown columns: {', '.join(unknown)}")
    devices: list[NewDevice] = []
    for row in rows:
        if len(devices) >= MOST_IMPORTED:
            raise ValueError(f"at most {MOST_IMPORTED} devices at once")
        if None in row:
            raise ValueError(f"line {rows.line_num} has more fields than the heading")
        given = {name: (value or "").strip() for name, value in row.items()}
        devices.append(
            NewDevice(
                id=given["id"],
                type=given["type"],
                profile=given.get("profile") or "plain-json",
                name=given.get("name", ""),
                entity_id=given.get("entity_id") or None,
                publish=tuple(given.get("publish", "").split()),
                subscribe=tuple(given.get("subscribe", "").split()),
            )
        )
    return devices


def known(request: Request) -> str:
    """The id of a device in the address. Raises HTTPException 404."""
    text = printable(request)
    if len(text) > 128:
        raise HTTPException(404)
    return text
