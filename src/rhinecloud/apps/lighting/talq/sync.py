"""Bringing a gateway to its plan: compared with what it has, so that an attempt that was cut off is just made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from . import functions, plans
from .base import AssignCommand, Document, Group, ResourceReference
from .client import Declined, GatewayClient
from .messages import Device, LoggerConfig, Service
from .plans import MARK, Plan
from .schedules import Calendar, ControlProgramOne

_AT_ONCE: Final = 50  # programs or calendars in one request
_ADDRESSES: Final = 500  # devices in one assignment
_PAGE: Final = 500  # devices in one answer


async def prepare(client: GatewayClient, plan: Plan, own: UUID, grouping: Service | None) -> dict[str, Group]:
    """Everything but the assignments, which change what lamps do. Returns the groups to assign to. Raises Away,
    Declined."""
    await _have(client, "control-programs", plan.programs, ControlProgramOne)
    await _have(client, "calendars", plan.calendars, Calendar)
    for logger in plan.loggers:
        present = await client.has(f"logger-configs/{logger.address}", LoggerConfig)
        if present is None:
            await client.send("POST", "logger-configs", logger)
        elif present != logger:
            await client.send("PUT", f"logger-configs/{logger.address}", logger)
    groups = plans.groups(plan, own, grouping, least=_ADDRESSES + 1)
    for group in groups.values():
        if await client.has(f"groups/{group.address}", Group) is None:
            await client.send("POST", "groups", [group])
    return groups


async def _have(client: GatewayClient, resource: str, wanted: Sequence[Any], kind: type[Any]) -> None:
    """What is missing is made; what has our name and another content is put right."""
    present = {document.get("id"): document for document in await client.get(resource, list[dict[str, Any]])}
    new = [one for one in wanted if one.id not in present]
    other = [one for one in wanted if one.id in present and not _same(present[one.id], one, kind)]
    for method, those in (("POST", new), ("PUT", other)):
        for start in range(0, len(those), _AT_ONCE):
            await client.send(method, resource, those[start : start + _AT_ONCE])


def _same(document: Document, wanted: Any, kind: type[Any]) -> bool:
    try:
        return bool(msgspec.convert(document, kind) == wanted)
    except msgspec.ValidationError:
        return False


async def assign(
    client: GatewayClient,
    plan: Plan,
    lacking: Mapping[str, Sequence[UUID]],
    groups: Mapping[str, Group],
    version: int,
) -> None:
    """Give devices the calendars that they lack (calendar id → devices). The gateway may take its time (202). Raises
    Away, Declined."""
    for calendar, those in lacking.items():
        addresses = [ResourceReference(resource="devices", address=str(device)) for device in those]
        if calendar in groups and len(those) == len(plan.assignments[calendar]):
            addresses = [ResourceReference(resource="groups", address=groups[calendar].address)]
        for start in range(0, len(addresses), _ADDRESSES):
            command = AssignCommand(
                addresses=addresses[start : start + _ADDRESSES],
                entity=ResourceReference(resource="calendars", address=calendar),
                cms_ref_id=str(version),
            )
            await client.send("POST", "assign-commands", command)


async def devices_of(client: GatewayClient, configuration: Service | None) -> list[Device]:
    """All devices of a gateway, in pages where it has those. Raises Away, Declined."""
    if configuration is None or not configuration.devices_pagination_supported:
        found: list[Device] = await client.get("devices", list[Device])
        return found
    found = []
    while True:
        page: list[Device] = await client.get(f"devices?offset={len(found)}&limit={_PAGE}", list[Device])
        found += page
        if len(page) < _PAGE or len(found) >= 10 * _PAGE:
            return found


def calendars_in(devices: Iterable[Device]) -> dict[UUID, str]:
    """Which calendar each actuator says it has."""
    return {
        device.address: str(functions.value_of(device.functions, functions.ACTUATOR, "calendarID") or "")
        for device in devices
        if functions.of_type(device.functions, functions.ACTUATOR) is not None
    }


async def tidy(client: GatewayClient, plan: Plan, own: UUID) -> None:
    """Remove what is ours and not in the plan; what is still referred to stays for the next time. Raises Away."""
    keep = {one.id for one in plan.programs} | {one.id for one in plan.calendars}
    for resource in ("calendars", "control-programs"):
        for document in await client.get(resource, list[dict[str, Any]]):
            identifier = str(document.get("id"))
            if (
                document.get("ownerCMS") == str(own)
                and identifier.startswith(MARK)
                and identifier not in keep
            ):
                try:
                    await client.send("DELETE", f"{resource}/{identifier}")
                except Declined:
                    continue
