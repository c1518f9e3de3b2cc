"""Whether what a gateway says of its devices and classes may be so: lists are taken as a whole or not at all (3.4)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from uuid import UUID

from . import functions
from .base import NIL
from .gateways import Gateway
from .messages import Device, DeviceClass, DevicePatch

Problem = tuple[int, str, str]  # status, key, words


def of_new_classes(given: Sequence[DeviceClass], known: Collection[str], *, most: int) -> Iterator[Problem]:
    """Classes that are announced."""
    names = [one.name for one in given]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield 400, "payloadError", f"the device class {name} is there twice"
    for name in sorted(set(names) & set(known)):
        yield 409, "resourceConflict", f"the device class {name} was announced before"
    if len(set(names) | set(known)) > most:
        yield 422, "serviceConstraintExceeded", f"a gateway has {most} device classes at most"


def of_changed_classes(given: Sequence[DeviceClass], known: Mapping[str, DeviceClass]) -> Iterator[Problem]:
    """Classes that are announced anew: functions and attributes may be added, and never go (5.1)."""
    for one in given:
        before = known.get(one.name)
        if before is None:
            yield 404, "resourceNotFound", f"there is no device class {one.name}"
            continue
        now = {function.function_id: function for function in one.functions}
        for function in before.functions:
            after = now.get(function.function_id)
            if after is None or after.type != function.type:
                yield 422, "resourceConflict", f"{one.name}: the function {function.function_id} is gone"
                continue
            names = {attribute.name for attribute in after.attributes}
            for attribute in function.attributes:
                if attribute.name not in names:
                    yield (
                        422,
                        "resourceConflict",
                        f"{one.name}: {function.function_id} lost the attribute {attribute.name}",
                    )


def of_devices(given: Sequence[Device], classes: Mapping[str, DeviceClass]) -> Iterator[Problem]:
    """Devices by themselves: well formed, and what their class says."""
    addresses = [one.address for one in given]
    for address in sorted({one for one in addresses if addresses.count(one) > 1}):
        yield 400, "payloadError", f"the device {address} is there twice"
    for one in given:
        if one.address == NIL:
            yield 400, "payloadError", f"the device {one.name!r:.60} has no address"
        for problem in functions.problems(one.functions):
            yield 400, "payloadError", f"{one.address}: {problem}"
        found = classes.get(one.class_)
        if found is None:
            yield 422, "relatedResourceNotFound", f"{one.address}: there is no device class {one.class_}"
            continue
        described = {function.function_id: function.type for function in found.functions}
        for function in one.functions:
            if described.get(function.get("id", "")) != function.get("type"):
                yield (
                    422,
                    "resourceConflict",
                    f"{one.address}: the class {one.class_} has no function {function.get('id')} of this type",
                )


def of_owners(
    gateway: Gateway, addresses: Sequence[UUID], found: Mapping[UUID, tuple[int, Device]], *, new: bool
) -> Iterator[Problem]:
    """Whose devices these are. What is another gateway's is to this one as if it were not there. A `new` one may be
    known as its own: it was read from the gateway before the gateway told of it, or the answer got lost."""
    for address in addresses:
        owner = found.get(address, (None, None))[0]
        if new and owner not in (None, gateway.number):
            yield 409, "resourceConflict", f"there is a device {address}"
        elif not new and owner != gateway.number:
            yield 404, "resourceNotFound", f"there is no device {address}"


def patched(before: Device, patch: DevicePatch) -> Device:
    """A device after a PATCH."""
    return Device(
        address=before.address,
        name=before.name if patch.name is None else patch.name,
        class_=before.class_ if patch.class_ is None else patch.class_,
        functions=functions.merged(before.functions, patch.functions),
    )
