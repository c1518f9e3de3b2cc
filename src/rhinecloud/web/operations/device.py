"""The page of one device: how it is, what it signs in with, its topics, what is wanted of it, what is wrong."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.gateways.devices.registry import Changes
from rhinecloud.model import BadRequestData, ResourceNotFound
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.store.devices import Device

from .. import language as languages
from ..forms import fields
from ..live import Channel, Fragment, StreamRoute
from ..object_pages import details
from ..shell import Shell
from ..sight import PermittedRoute, actor_of, sight_of
from .devices import PATH, Problem, known, problem
from .pages import done, form_number, segment, to

_EVERY = 2.0  # seconds between two looks while somebody looks
_SHOWN = 10  # wanted states, messages
TERMS = {"": None, "30": 30, "90": 90, "365": 365}  # days for which a secret is valid
PATIENCE = (60, 600, 3_600, 86_400, 604_800)  # seconds until a wanted state times out


def routes(shell: Shell) -> list[BaseRoute]:
    """`/devices/{id}` and its forms."""

    async def page(request: Request) -> Response:
        device = await shell.devices.registry.get(known(request))
        return await _page(shell, request, device)

    async def channel(request: Request) -> Channel:
        device_id = (await shell.devices.registry.get(known(request))).id
        code = languages.choose(request)
        key = f"device:{code}:{device_id}"

        async def render() -> str:
            try:
                device = await shell.devices.registry.get(device_id)
            except ResourceNotFound:
                return shell.renderer.part("operations/parts/device_gone.html", code)
            shell.live.notify_later(key, _EVERY)
            return shell.renderer.part("operations/parts/device.html", code, **await _standing(shell, device))

        return shell.live.channel(sight_of(request), key, lambda: Fragment(render), rate=1.0)

    async def act(request: Request) -> Response:
        """One of the buttons."""
        given = await fields(request)
        device = await shell.devices.registry.get(known(request))
        actor = actor_of(request).id
        action = given.get("action", "")
        if action == "remove":
            await shell.devices.registry.remove(device.id, actor)
            return to(PATH, done=action)
        if action in ("block", "allow"):
            await shell.devices.registry.change(device.id, Changes(enabled=action == "allow"), actor)
        elif action == "acknowledge":
            await shell.devices.alarms.acknowledge(form_number(given.get("alarm")), actor)
        else:
            raise HTTPException(400)
        return to(f"{PATH}/{segment(device.id)}", done=action)

    async def issue(request: Request) -> Response:
        """A new secret: shown in the answer to this form and never again."""
        given = await fields(request)
        device = await shell.devices.registry.get(known(request))
        days = TERMS.get(given.get("days", ""))
        expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
        try:
            issued = await shell.devices.credentials.issue(
                device.id,
                actor_of(request).id,
                note=given.get("note", "").strip()[:200],
                expires_at=expires_at,
            )
        except BadRequestData as error:
            wrong = Problem("secret", error.detail)
            return await _page(shell, request, device, wrong=wrong, given=given)
        return await _page(shell, request, device, secret=issued.secret)

    async def revoke(request: Request) -> Response:
        device = await shell.devices.registry.get(known(request))
        number = form_number((await fields(request)).get("secret"))
        await shell.devices.credentials.revoke(device.id, actor_of(request).id, number)
        return to(f"{PATH}/{segment(device.id)}", done="revoke")

    async def want(request: Request) -> Response:
        given = await fields(request)
        device = await shell.devices.registry.get(known(request))
        try:
            values = _values(given.get("set", ""))
            await shell.devices.commands.want(
                device.id,
                values,
                timeout_seconds=_patience(given.get("timeout")),
                actor=actor_of(request).id,
            )
        except BadRequestData as error:
            return await _page(shell, request, device, wrong=problem(error), given=given)
        return to(f"{PATH}/{segment(device.id)}", done="want")

    return [
        StreamRoute("/live/devices/{id}", shell.live, channel, "devices.see"),
        PermittedRoute(f"{PATH}/{{id}}", page, "devices.see"),
        PermittedRoute(f"{PATH}/{{id}}", act, "devices.manage", method="POST"),
        PermittedRoute(f"{PATH}/{{id}}/secrets", issue, "devices.manage", method="POST"),
        PermittedRoute(f"{PATH}/{{id}}/secrets/revoke", revoke, "devices.manage", method="POST"),
        PermittedRoute(f"{PATH}/{{id}}/wanted", want, "devices.command", method="POST"),
    ]


async def _page(
    shell: Shell,
    request: Request,
    device: Device,
    *,
    secret: str | None = None,
    wrong: Problem | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    topics = shell.devices.registry.topics(device)
    try:
        entity = details(await shell.broker.retrieve(device.entity_id, sight=EVERYTHING))
    except ResourceNotFound:
        entity = None
    return shell.renderer.page(
        request,
        "operations/device.html",
        422 if wrong else 200,
        **await _standing(shell, device),
        secrets=await shell.devices.credentials.list(device.id),
        secret=secret,
        topics=topics,
        profile=shell.profiles.get(device.profile),
        measured=entity,
        unmapped=await shell.unmapped.page(device=device.id, limit=_SHOWN),
        command=first_message(shell.city.mqtt_url, device, secret, topics.publish) if secret else None,
        wrong=wrong,
        given=given or {},
        terms=TERMS,
        patience=PATIENCE,
        done=done(request),
        now=datetime.now(UTC),
    )


async def _standing(shell: Shell, device: Device) -> dict[str, Any]:
    """What changes by itself."""
    return {
        "device": device,
        "alarms": await shell.devices.alarms.list(device=device.id, limit=_SHOWN),
        "history": await shell.devices.commands.history(device.id, limit=_SHOWN),
    }


def first_message(url: str | None, device: Device, secret: str, topics: Sequence[str]) -> str | None:
    """A command that publishes for a device; None where neither the address nor what it says is known."""
    topic = next((one for one in topics if not {"+", "#"} & set(one)), None)
    if url is None or topic is None or device.profile != "plain-json":
        return None
    parts = urlsplit(url)
    words = ["mosquitto_pub", "-h", parts.hostname or "localhost", "-p", str(parts.port or 1883)]
    if parts.scheme == "mqtts":
        words += ["--capath", "/etc/ssl/certs"]
    words += ["-i", device.id.replace(".", "/"), "-u", device.id, "-P", secret, "-q", "1"]
    return shlex.join([*words, "-t", topic, "-m", '{"powerState": "on"}'])


def _values(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise BadRequestData(f"this is not JSON: {error}", field="/set") from None
    if not isinstance(found, dict):
        raise BadRequestData('a JSON object is expected, such as {"powerState": "on"}', field="/set")
    return found


def _patience(text: str | None) -> float:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else PATIENCE[-2]
