"""The devices of a city: added, found, changed and removed, each with a line in the audit."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from rhinecloud import tasks
from rhinecloud.bus import Bus
from rhinecloud.gateways.devices.grants import check_filter
from rhinecloud.model import AlreadyExists, BadRequestData, ResourceNotFound
from rhinecloud.store import Database, Unavailable, devices, intake
from rhinecloud.store.devices import Device

WAKE = "devices"  # devices, secrets or profiles changed: forget what you know of them
ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:-]{1,128}")  # no address leads to . or ..
_LONGEST_TOPIC = 512  # characters
_MOST_TOPICS = 32
_AT_ONCE = 2_000  # devices in one statement
_BREATH = 0.5  # seconds between two readings of the directory
_AGAIN = 30.0  # seconds after which it is read although nobody said that something changed
_log = logging.getLogger(__name__)
_TYPE = re.compile(r"[^\s/+#*>\x00-\x1f\x7f]{1,256}")  # a level of topics, and NATS has to bear it


class Profile(Protocol):
    """What a device needs of its profile. `captured` are named levels of its topics, as far as they are known."""

    def topics_of(
        self, device: str, type: str, captured: Mapping[str, str] = ...
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """MQTT filters that the device may publish to and subscribe to."""
        ...

    def command_topic(self, device: str, type: str, captured: Mapping[str, str] = ...) -> str | None:
        """The topic on which it is told what is wanted of it."""
        ...

    def entity_of(self, device: str, type: str, captured: Mapping[str, str] = ...) -> tuple[str, str] | None:
        """Id and type of the entity it speaks of; None if only its payloads tell."""
        ...


class Profiles(Protocol):
    """The profiles of the city."""

    def get(self, name: str) -> Profile | None:
        """A profile, or None."""
        ...


class NewDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one says of a device to add it. Without `entity_id` it is what the profile makes of id and type."""

    id: str
    type: str
    profile: str = "plain-json"
    name: str = ""
    entity_id: str | None = None
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    enabled: bool = True
    detail: dict[str, Any] = {}


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be changed of a device; members that are not given stay."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    type: str | msgspec.UnsetType = msgspec.UNSET
    profile: str | msgspec.UnsetType = msgspec.UNSET
    entity_id: str | None | msgspec.UnsetType = msgspec.UNSET
    publish: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    subscribe: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    detail: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class DevicePage(msgspec.Struct, frozen=True):
    """Some devices in the order of their ids; `next` is what to ask for after them, None at the end."""

    devices: list[Device]
    next: str | None
    count: int | None = None


class Topics(msgspec.Struct, frozen=True):
    """What a device may publish and subscribe to (MQTT filters), and where it is told what is wanted."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    command: str | None


class Added(msgspec.Struct, frozen=True):
    """What became of many devices: `problems` by their place in the list, `existing` are left as they were."""

    added: list[Device]
    existing: list[str]
    problems: dict[int, str]


class Registry:
    """The devices of a tenant. Whoever caches them hears the wake-up `devices` after each change."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        profiles: Profiles,
        *,
        cut: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`cut` ends the connections of a device whose rights have changed."""
        self._database = database
        self._bus = bus
        self._profiles = profiles
        self._cut = cut
        self._directory: dict[str, tuple[str, str]] = {}
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the directory and follow its changes. Raises one of store.Unavailable."""
        await self._bus.on_wake(WAKE, self._changed.set)
        self._directory = await devices.directory(self._database.pool)
        self._following = asyncio.create_task(self._follow(), name="devices")

    async def close(self) -> None:
        """Stop to follow."""
        await tasks.stop(self._following)

    def registered(self, device: str) -> tuple[str, str] | None:
        """Id and type of the entity that a device speaks of; None if it is not registered. From memory."""
        return self._directory.get(device)

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_AGAIN):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                self._directory = await devices.directory(self._database.pool)
            except Unavailable as error:
                _log.info("the directory of devices is read again later: %s", error or type(error).__name__)
            except Exception:
                _log.exception("the directory of devices is read again later")
            await asyncio.sleep(_BREATH)

    async def add(self, device: NewDevice, actor: str) -> Device:
        """Add a device. Raises BadRequestData, AlreadyExists."""
        row = self._row(device)
        async with self._database.transaction() as connection:
            found = await devices.insert(connection, [row])
            if not found:
                raise AlreadyExists(f"there is a device {device.id} already", field="/id")
            await intake.audit(connection, actor, "device.add", device.id, _plain(device))
        await self._tell(found)
        return found[0]

    async def add_many(self, many: Sequence[NewDevice], actor: str) -> Added:
        """Add what can be added of many devices, in one transaction; the rest is told in the answer."""
        rows: dict[str, Mapping[str, Any]] = {}
        problems: dict[int, str] = {}
        for index, device in enumerate(many):
            if device.id in rows:
                problems[index] = f"/id: {device.id} stands in the list twice"
                continue
            try:
                rows[device.id] = self._row(device)
            except BadRequestData as error:
                problems[index] = f"{error.field or ''}: {error.detail}"
        added: list[Device] = []
        if rows:
            ordered = [rows[name] for name in sorted(rows)]
            async with self._database.transaction() as connection:
                for start in range(0, len(ordered), _AT_ONCE):
                    added += await devices.insert(connection, ordered[start : start + _AT_ONCE])
                await intake.audit(
                    connection,
                    actor,
                    "device.add_many",
                    f"{len(added)} devices",
                    {"ids": [d.id for d in added]},
                )
            await self._tell(added)
        new = {device.id for device in added}
        return Added(added, [name for name in rows if name not in new], problems)

    async def get(self, device: str) -> Device:
        """A device. Raises ResourceNotFound."""
        found = await devices.read(self._database.pool, device)
        if found is None:
            raise _missing(device)
        return found

    async def of_entity(self, entity_id: str) -> list[Device]:
        """The devices that speak of an entity."""
        return await devices.of_entity(self._database.pool, entity_id)

    async def list(
        self,
        *,
        after: str = "",
        limit: int = 100,
        search: str = "",
        type: str | None = None,
        profile: str | None = None,
        silent: timedelta | None = None,
        unheard: bool = False,
        count: bool = False,
    ) -> DevicePage:
        """Devices after an id, those whose id, name or entity holds `search`; counted if asked. `silent`: those that
        may speak, did so once and have not for longer; `unheard`: those that never did."""
        pool = self._database.pool
        wanted = devices.Wanted(search, type, profile, silent, unheard)
        found = await devices.page(pool, wanted, after, limit + 1)
        total = await devices.count(pool, wanted) if count else None
        return DevicePage(found[:limit], found[limit - 1].id if len(found) > limit > 0 else None, total)

    async def change(self, device: str, changes: Changes, actor: str) -> Device:
        """Change a device. Raises BadRequestData, ResourceNotFound."""
        given = {
            name: value
            for name, value in msgspec.structs.asdict(changes).items()
            if value is not msgspec.UNSET
        }
        async with self._database.transaction() as connection:
            found = await devices.lock(connection, device)
            if found is None:
                raise _missing(device)
            members = {name: getattr(found, name) for name in NewDevice.__struct_fields__}
            if given.keys() & {"type", "profile"} and "entity_id" not in given:
                members["entity_id"] = None
            changed = await devices.update(connection, self._row(NewDevice(**{**members, **given})))
            await intake.audit(connection, actor, "device.change", device, msgspec.to_builtins(given))
        await self._tell([changed])
        if changed.enabled != found.enabled or self.topics(changed) != self.topics(found):
            await self.cut(device)
        return changed

    async def remove(self, device: str, actor: str) -> None:
        """Forget a device, its secrets and its wanted states; its entity stays. Raises ResourceNotFound."""
        async with self._database.transaction() as connection:
            if not await devices.delete(connection, device):
                raise _missing(device)
            await intake.audit(connection, actor, "device.remove", device, {})
        self._directory.pop(device, None)
        await self._bus.wake(WAKE)
        await self.cut(device)

    async def _tell(self, changed: Iterable[Device]) -> None:
        """This worker knows at once, the others in a moment."""
        self._directory.update((device.id, (device.entity_id, device.type)) for device in changed)
        await self._bus.wake(WAKE)

    async def cut(self, device: str) -> None:
        """End the connections of a device: it signs in again with the rights it has now, or not at all."""
        if self._cut is not None:
            await self._cut(device)

    async def seen(self, times: Mapping[str, datetime]) -> None:
        """Note when devices were last heard of; unknown ones are passed over."""
        if times:
            await devices.seen(self._database.pool, times)

    async def count_using(self, profile: str) -> int:
        """How many devices use a profile."""
        return await devices.using(self._database.pool, profile)

    def topics(self, device: Device) -> Topics:
        """The topics of a device: those of its profile and its own. Without its profile only its own are left."""
        profile = self._profiles.get(device.profile)
        if profile is None:
            return Topics(device.publish, device.subscribe, None)
        levels = levels_of(device.detail)
        publish, subscribe = profile.topics_of(device.id, device.type, levels)
        return Topics(
            _union(publish, device.publish),
            _union(subscribe, device.subscribe),
            profile.command_topic(device.id, device.type, levels),
        )

    def _row(self, device: NewDevice) -> dict[str, Any]:
        """The members to write. Raises BadRequestData."""
        if not ID.fullmatch(device.id):
            raise BadRequestData(
                "an id has 1 to 128 letters, digits, dots, colons, dashes or underscores, and is not . or ..",
                field="/id",
            )
        if not _TYPE.fullmatch(device.type):
            raise BadRequestData("a type is one word without /, +, #, * and >", field="/type")
        profile = self._profiles.get(device.profile)
        if profile is None:
            raise BadRequestData(f"there is no profile {device.profile!r}", field="/profile")
        for member, filters in (("publish", device.publish), ("subscribe", device.subscribe)):
            if len(filters) > _MOST_TOPICS:
                raise BadRequestData(f"a device has {_MOST_TOPICS} filters at most", field=f"/{member}")
            for index, topic in enumerate(filters):
                _check_topic(topic, f"/{member}/{index}")
        if "\x00" in device.name:
            raise BadRequestData("a name cannot hold the character U+0000", field="/name")
        row = _plain(device)
        levels = levels_of(device.detail)
        _check_levels(profile, device, levels)
        if device.entity_id is None:
            entity = profile.entity_of(device.id, device.type, levels)
            # Where only payloads tell of whom they speak, the device stands for itself.
            row["entity_id"] = f"urn:ngsi-ld:Device:{device.id}" if entity is None else entity[0]
        return row


def levels_of(detail: Mapping[str, Any]) -> dict[str, str]:
    """The named levels of topics that a device has for good, as its `detail` says under `levels`."""
    levels = detail.get("levels")
    if not isinstance(levels, Mapping):
        return {}
    return {name: value for name, value in levels.items() if isinstance(value, str)}


def _check_levels(profile: Profile, device: NewDevice, levels: Mapping[str, str]) -> None:
    """Raise BadRequestData unless every topic that the levels make can be granted: else it could never sign in."""
    for name, value in levels.items():
        if not _TYPE.fullmatch(value):
            raise BadRequestData(
                "a level is one word without /, +, #, * and >", field=f"/detail/levels/{name}"
            )
    for filters in profile.topics_of(device.id, device.type, levels):
        for topic in filters:
            _check_topic(topic, "/detail/levels" if levels else "/profile")


def _check_topic(topic: str, field: str) -> None:
    if len(topic) > _LONGEST_TOPIC:
        raise BadRequestData(f"a filter has {_LONGEST_TOPIC} characters at most", field=field)
    try:
        check_filter(topic)
    except ValueError as error:
        raise BadRequestData(str(error), field=field) from None


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _plain(device: NewDevice) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(device)
    return plain


def _missing(device: str) -> ResourceNotFound:
    return ResourceNotFound(f"there is no device {device}")
