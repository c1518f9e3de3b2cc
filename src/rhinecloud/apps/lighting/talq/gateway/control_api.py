"""Programs, calendars, groups, assignments and overrides (gateway API 2.7.1). Lists are taken whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import msgspec
from starlette.responses import Response

from ..base import AssignCommand, Group, OverrideCommand
from ..errors import not_found, refused
from ..schedules import Calendar, ControlProgramOne
from .answering import Call, Handler, Operation, none_twice
from .holdings import MOST_CALENDARS, MOST_PROGRAMS, Holdings


class _Resource(msgspec.Struct, frozen=True):
    """A list of things that the CMS makes: where they are, what they are called, how many there may be."""

    path: str
    parameter: str
    kind: Any
    most: int

    def of(self, holdings: Holdings) -> dict[str, Any]:
        """Those that are there."""
        kept: dict[str, dict[str, Any]] = {
            "control-programs": holdings.programs,
            "calendars": holdings.calendars,
            "groups": holdings.groups,
        }
        return kept[self.path]


_PROGRAMS: Final = _Resource("control-programs", "controlProgramAddress", ControlProgramOne, MOST_PROGRAMS)
_CALENDARS: Final = _Resource("calendars", "calendarAddress", Calendar, MOST_CALENDARS)
_GROUPS: Final = _Resource("groups", "groupAddress", Group, 200)


def _name(one: Any) -> str:
    return str(one.address if isinstance(one, Group) else one.id)


def _check(call: Call, given: Iterable[Any]) -> None:
    """What they refer to has to be there (4.4)."""
    holdings = call.holdings
    for one in given:
        if isinstance(one, Calendar):
            used = {name for name in (*(rule.program for rule in one.rules), one.default_program) if name}
            missing = used - holdings.programs.keys()
            if missing:
                raise refused(
                    422, "relatedResourceNotFound", f"{one.id}: there is no program {sorted(missing)[0]}"
                )
        elif isinstance(one, Group):
            _addressed(call, one.members)
        else:
            times = [control.start_time for control in one.fixed_time_controls]
            if any(later <= earlier for earlier, later in zip(times, times[1:], strict=False)):
                raise refused(422, "payloadError", f"{one.id}: fixed times are in ascending order")


def _listing(resource: _Resource) -> Handler:
    async def listed(call: Call) -> Response:
        return call.ok(list(resource.of(call.holdings).values()))

    return listed


def _counting(resource: _Resource) -> Handler:
    async def counted(call: Call) -> Response:
        return call.ok(len(resource.of(call.holdings)))

    return counted


def _adding(resource: _Resource) -> Handler:
    async def add(call: Call) -> Response:
        given = await call.body(list[resource.kind])  # type: ignore[name-defined]
        kept = resource.of(call.holdings)
        none_twice([_name(one) for one in given])
        for one in given:
            if _name(one) in kept:
                raise refused(409, "resourceConflict", f"{_name(one)} is there")
        if len(kept) + len(given) > resource.most:
            raise refused(422, "serviceConstraintExceeded", f"there may be {resource.most} {resource.path}")
        _check(call, given)
        kept.update({_name(one): one for one in given})
        return call.ok(given, 201)

    return add


def _updating(resource: _Resource) -> Handler:
    async def update(call: Call) -> Response:
        given = await call.body(list[resource.kind])  # type: ignore[name-defined]
        none_twice([_name(one) for one in given])
        _replace(call, resource, given)
        return call.ok(given)

    return update


def _replace(call: Call, resource: _Resource, given: Iterable[Any]) -> None:
    kept = resource.of(call.holdings)
    for one in given:
        if _name(one) not in kept:
            raise not_found(f"{resource.path} {_name(one)}")
    _check(call, given)
    kept.update({_name(one): one for one in given})
    call.holdings.step()


def _updating_one(resource: _Resource) -> Handler:
    async def update(call: Call) -> Response:
        given = await call.body(resource.kind)
        if _name(given) != call.path(resource.parameter):
            raise refused(400, "payloadError", "it has another name than the one addressed")
        _replace(call, resource, [given])
        return call.ok(given)

    return update


def _getting(resource: _Resource) -> Handler:
    async def get(call: Call) -> Response:
        found = resource.of(call.holdings).get(call.path(resource.parameter))
        if found is None:
            raise not_found(f"{resource.path} {call.path(resource.parameter)}")
        return call.ok(found)

    return get


def _deleting(resource: _Resource) -> Handler:
    async def delete(call: Call) -> Response:
        name = call.path(resource.parameter)
        kept = resource.of(call.holdings)
        if name not in kept:
            raise not_found(f"{resource.path} {name}")
        if _referred(call.holdings, resource, name):
            raise refused(422, "deletingResourceIsReferred", f"{name} is in use")
        return call.ok(kept.pop(name))

    return delete


def _referred(holdings: Holdings, resource: _Resource, name: str) -> bool:
    if resource is _PROGRAMS:
        return any(
            name == one.default_program or any(rule.program == name for rule in one.rules)
            for one in holdings.calendars.values()
        )
    if resource is _CALENDARS:
        return any(luminaire.calendar == name for luminaire in holdings.luminaires.values())
    return False


def _addressed(call: Call, references: Iterable[Any]) -> list[UUID]:
    try:
        return call.holdings.addressed(references)
    except KeyError as error:
        raise refused(422, "relatedResourceNotFound", f"there is no {error.args[0]}") from None


async def assign(call: Call) -> Response:
    """POST /assign-commands: calendars only."""
    command: AssignCommand = await call.body(AssignCommand)
    holdings = call.holdings
    if command.entity.resource.strip("/") != "calendars":
        raise refused(422, "assignmentEntityNotValid", "calendars can be assigned, nothing else")
    calendar = command.entity.address
    if calendar and calendar not in holdings.calendars:
        raise refused(422, "relatedResourceNotFound", f"there is no calendar {calendar}")
    meant = _addressed(call, command.addresses)
    if any(address not in holdings.luminaires for address in meant):
        raise refused(422, "assignmentAddressNotValid", "a device has no lamp actuator")
    for address in meant:
        luminaire = holdings.luminaires[address]
        if "deaf" not in luminaire.faults:
            luminaire.calendar = calendar
    holdings.step()
    return call.ok(status=201)


async def override(call: Call) -> Response:
    """POST /override-commands: a level for a while, or back to the calendar."""
    command: OverrideCommand = await call.body(OverrideCommand)
    holdings = call.holdings
    meant = _addressed(call, command.addresses)
    if any(address not in holdings.luminaires for address in meant):
        raise refused(422, "overrideAddressNotValid", "a device has no lamp actuator")
    for address in meant:
        holdings.luminaires[address].override = command.target_command
    holdings.step()
    return call.ok(status=201)


def _operations(resource: _Resource) -> tuple[Operation, ...]:
    every, one = f"/{resource.path}", f"/{resource.path}/{{{resource.parameter}}}"
    return (
        Operation("GET", every, _listing(resource)),
        Operation("POST", every, _adding(resource)),
        Operation("PUT", every, _updating(resource)),
        Operation("GET", f"{every}/count", _counting(resource)),
        Operation("GET", one, _getting(resource)),
        Operation("PUT", one, _updating_one(resource)),
        Operation("DELETE", one, _deleting(resource)),
    )


OPERATIONS: Final = (
    *_operations(_PROGRAMS),
    *_operations(_CALENDARS),
    *_operations(_GROUPS),
    Operation("POST", "/assign-commands", assign),
    Operation("POST", "/override-commands", override),
)
