"""The handle that an app is given: its one way to everything of a city.

It holds what is the app's own (its schema, its subjects, its jobs, its files) and the city's graph. It is a handle, not
a wall: an app is code of the same process. PostgreSQL keeps its statements in its schema (docs/decisions/0026-apps.md).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.broker import (
    Applied,
    Broker,
    Change,
    Missing,
    Numbers,
    Operation,
    Query,
    Transaction,
    Unavailable,
    Verdict,
)
from rhinecloud.broker.outbound import Allowed, Forbidden, client
from rhinecloud.bus import Bus
from rhinecloud.clock import Clock
from rhinecloud.files import File, Files, Form, Refused, Rules, Upload, answer, receive_form
from rhinecloud.gateways.devices.commands import DEFAULT_TIMEOUT
from rhinecloud.gateways.devices.devices import Devices
from rhinecloud.gateways.devices.passing import Said
from rhinecloud.gateways.devices.wanted import Wanted
from rhinecloud.gateways.importing.mapping import MappingError
from rhinecloud.gateways.importing.mapping import load as load_mapping
from rhinecloud.gateways.importing.reading import Mapped, mapped
from rhinecloud.gateways.importing.records import SourceError
from rhinecloud.jobs import Jobs
from rhinecloud.mail import Attachment, Mail
from rhinecloud.model import CORE, TypeSelection
from rhinecloud.model.sight import EVERYTHING, Sight
from rhinecloud.people import Actor, accounts, limits, organisations
from rhinecloud.store import RoomDatabase
from rhinecloud.web import Renderer, actor_of

R = TypeVar("R")
VIEWS = "wake.views"  # the subject of what is to be shown anew


class OwnBus:
    """Messages between the workers of one app. They may be lost: what must not be is a row or an entity."""

    def __init__(self, bus: Bus, app: str) -> None:
        self._bus = bus
        self._root = f"wake.app.{app}."

    async def tell(self, subject: str, payload: bytes = b"") -> None:
        """Say something to whoever of the app hears this subject now, in any worker."""
        await self._bus.tell(self._root + _subject(subject), payload)

    async def hear(self, subject: str, heard: Callable[[bytes], Awaitable[None]]) -> None:
        """`await heard(payload)` for each message from now on."""
        await self._bus.subscribe(self._root + _subject(subject), heard)


def _subject(text: str) -> str:
    if not text or not text.replace("_", "").replace(".", "").isalnum() or "" in text.split("."):
        raise ValueError(f"a subject is words with dots between them, not {text!r}")
    return text


class OwnJobs:
    """The app's jobs, by the names that it gave them."""

    def __init__(self, jobs: Jobs, app: str) -> None:
        self._jobs = jobs
        self._app = app

    async def enqueue(
        self,
        transaction: Transaction,
        name: str,
        payload: Any = None,
        *,
        at: datetime | None = None,
        key: str | None = None,
    ) -> int | None:
        """Queue a job: it exists if and when the transaction commits. See Jobs.enqueue."""
        async with transaction.of_city() as connection:
            return await self._jobs.enqueue(connection, f"{self._app}.{name}", payload, at=at, key=key)

    async def compute(self, function: Callable[..., R], *arguments: Any, timeout: float = 30.0) -> R:
        """`function(*arguments)` in another process. See Jobs.compute."""
        return await self._jobs.compute(function, *arguments, timeout=timeout)


class OwnMail:
    """The app's letters: templates of its own, `letters/NAME.txt` and `letters/NAME.html`."""

    def __init__(self, mail: Mail, app: str) -> None:
        self._mail = mail
        self._app = app

    async def queue(
        self,
        transaction: Transaction,
        letter: str,
        to: str,
        values: Mapping[str, Any],
        *,
        language: str = "de",
        reply_to: str | None = None,
        attachments: Sequence[Attachment] = (),
        within: timedelta | None = None,
        unsubscribe: str | None = None,
    ) -> int:
        """Queue a letter to one address; it leaves when the transaction has committed. See Mail.queue."""
        async with transaction.of_city() as connection:
            return await self._mail.queue(
                connection,
                letter,
                to,
                values,
                app=self._app,
                language=language,
                reply_to=reply_to,
                attachments=attachments,
                within=within,
                unsubscribe=unsubscribe,
            )


class OwnFiles:
    """The app's files; what belongs to another app is as if it were not there."""

    def __init__(self, files: Files, app: str) -> None:
        self._files = files
        self._app = app

    async def receive(self, request: Request, rules: Rules | None = None) -> Form:
        """Read a form with files (multipart/form-data); keep each upload within a day. See files.receive_form."""
        return await receive_form(
            self._files, request.headers.get("content-type", ""), request.stream(), rules
        )

    async def keep(self, transaction: Transaction, upload: Upload, *, subject: str, actor: Actor) -> File:
        """Make an upload a file of `subject`, when the transaction commits. See Files.keep."""
        async with transaction.of_city() as connection:
            return await self._files.keep(connection, upload, app=self._app, subject=subject, actor=actor.id)

    async def remove(self, transaction: Transaction, file_id: UUID, *, at_once: bool = False) -> bool:
        """Remove a file, when the transaction commits; false if the app has none such."""
        if await self.get(file_id) is None:
            return False
        async with transaction.of_city() as connection:
            return await self._files.remove(connection, file_id, at_once=at_once)

    async def get(self, file_id: UUID) -> File | None:
        """A file of the app, or None."""
        found = await self._files.get(file_id)
        return found if found is not None and found.app == self._app else None

    async def of(self, subject: str) -> list[File]:
        """The files of a subject, in the order in which they came."""
        return await self._files.of(self._app, subject)

    async def answer(
        self, file: File, request: Request, *, save: bool = False, public: bool = False
    ) -> Response:
        """A response with the content. Who may see it has been asked by now."""
        return await answer(self._files, file, request, save=save, public=public)


class OwnDevices:
    """What is wanted of devices, and what is wrong with them. Kinds of alarms begin with the app's name."""

    def __init__(self, devices: Devices, app: str) -> None:
        self._devices = devices
        self._app = app

    async def want(
        self,
        transaction: Transaction,
        device: str,
        values: Mapping[str, Any],
        *,
        actor: str | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT,
    ) -> Wanted:
        """Want a state of a device from the commit on; its `version` is newer than all before. Many in one transaction
        are taken in the order of their ids. See Commands.want."""
        commands = self._devices.commands
        async with transaction.of_city() as connection:
            wanted = await commands.want_in(
                connection, device, values, timeout_seconds=timeout_seconds, actor=actor or self._app
            )
        transaction.afterwards.append(commands.wake)
        return wanted

    async def wanted(self, devices: Sequence[str]) -> dict[str, Wanted]:
        """What was wanted last of each of these, and what became of it (`state`); any number of devices."""
        return await self._devices.commands.latest(devices)

    @asynccontextmanager
    async def hearing(self, profile: str, heard: Callable[[Said], None]) -> AsyncIterator[None]:
        """`heard(said)` for each message that devices of a profile say on its passing topics, which nobody keeps, for
        as long as the block lasts. See Passing.hearing."""
        async with self._devices.passing.hearing(profile, heard):
            yield

    async def tell(self, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Tell devices (id → values) something that nobody keeps and nobody sends again; to whom it could not be said.
        See Passing.tell."""
        return await self._devices.passing.tell(values)

    async def raise_alarm(self, device: str | None, kind: str, detail: Mapping[str, Any]) -> None:
        """Something is wrong: raised again while it is open it counts. None: with no device in particular."""
        await self._devices.alarms.raise_(device, f"{self._app}.{kind}", detail)

    async def clear_alarm(self, device: str | None, kind: str) -> bool:
        """It is over; false if nothing of this kind was open."""
        return await self._devices.alarms.clear(device, f"{self._app}.{kind}", self._app)


class Contact(msgspec.Struct, frozen=True):
    """Where somebody is written to: the address that they have proved to own, and the language of their account."""

    name: str
    mail: str
    language: str


class Asking:
    """Who asks, and what they may; and the organisations that there are."""

    def __init__(self, room: RoomDatabase, app: str) -> None:
        self._room = room
        self._app = app

    def who(self, request: Request) -> Actor:
        """Who sent the request; `actor.may(permission)`, `actor.sight`. Its `id` is what an audit line names."""
        return actor_of(request)

    def recognise(self, request: Request) -> None:
        """Who sent the request has shown a secret that the app gave (`Endpoint.own_secret`): it is not counted as
        anybody's. What such callers may send the app limits itself."""
        limits.recognise(request.scope)

    def limit(self, request: Request, name: str, burst: float, rate: float) -> float:
        """Count something (`name`) of whoever sent a request, by the neighbourhood of their address (/24 of IPv4, /64
        of IPv6): `burst` at once and `rate` a second in the long run. 0, or the seconds to wait, when nothing was
        counted. In the memory of this worker; no address is kept."""
        return limits.count(request.scope, limits.Rule(f"{self._app}.{name}", burst, rate))

    async def contact(self, actor: str) -> Contact | None:
        """Where whoever has this `Actor.id` is written to; None for who has no account, no address, or is blocked."""
        kind, _, number = actor.partition(":")
        if kind != "person" or not number.isdecimal() or len(number) > 18:
            return None
        found = await accounts.get(self._room.pool, int(number))
        if found is None or found.mail is None or found.blocked_at is not None:
            return None
        return Contact(found.name, found.mail, found.language)

    async def organisations(self) -> list[tuple[int, str]]:
        """Number and name of each organisation of the city, by name. `actor.organisations` are such numbers; one that
        was removed is not among them, so that whoever keeps a number keeps the name beside it."""
        return await organisations.names(self._room.pool)


class City:
    """What an app is given.

    `broker` (the graph: read, write), `watch` and `values` (much of it), `db` (its own schema), `transaction()` (both,
    committed together), `bus` (messages between its workers), `devices` (wanted states, alarms), `jobs`, `mail`,
    `files`, `people` (who asks, organisations), `client` (calls to others), `clock`, `settings` (the app's own),
    `name` (of the city), `address` (where people reach it), `render`, `part`, `refresh` (pages of its templates in the
    shell).
    """

    def __init__(
        self,
        app: str,
        *,
        name: str,
        broker: Broker,
        bus: Bus,
        db: RoomDatabase,
        jobs: Jobs,
        mail: Mail,
        files: Files,
        devices: Devices,
        people: RoomDatabase,
        allowed: Allowed,
        clock: Clock | None = None,
        settings: Any = None,
        public_url: str | None = None,
    ) -> None:
        self.app = app
        self.name = name
        self.broker = broker
        self.db = db
        self.bus = OwnBus(bus, app)
        self.devices = OwnDevices(devices, app)
        self.jobs = OwnJobs(jobs, app)
        self.mail = OwnMail(mail, app)
        self.files = OwnFiles(files, app)
        self.people = Asking(people, app)
        self.clock = clock or Clock()
        self.settings = settings
        self._renderer: Renderer | None = None
        self._city_bus = bus
        self._allowed = allowed
        self._public_url = public_url

    def address(self, request: Request | None = None) -> str:
        """Where people reach the city, without a slash at its end: as it is set, else as who asks does; "" where
        neither is there. Over TLS if it begins with https."""
        return (self._public_url or str(request.base_url if request is not None else "")).rstrip("/")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Rows of the app (`connection`), the graph (`apply`), jobs, letters, files, and audit lines (`audit`):
        committed together when the block ends, rolled back together when it raises."""
        async with self.broker.transaction(self.db) as transaction:
            yield transaction

    async def watch(
        self,
        name: str,
        *types: str,
        sight: Sight = EVERYTHING,
        gap: Callable[[Missing], Awaitable[None]] | None = None,
    ) -> AsyncIterator[list[Change]]:
        """Lists of changes of entities of these types (terms of the core context, or IRIs; all if none), in order, with
        what was (`old`) and what is (`entity`).

        Durable under its name: it goes on after the last list whose successor was asked for, also after kill -9, so
        that a list may come again. One watches under a name at a time: do it in a `Task`.

        A watch that was away for longer than changes are kept has missed some: `await gap(missing)` says so before the
        next list, so that the state is read anew (`values`). What it raises ends the watch, and it is called again.
        """
        changes = self.broker.watch(
            f"app.{self.app}.{name}", [*map(CORE.expand_type, types)], sight=sight, gap=gap
        )
        async for some in changes:
            yield some

    def values(
        self, type: str, *attributes: str, sight: Sight = EVERYTHING
    ) -> AsyncIterator[list[tuple[str, list[Any]]]]:
        """(id, values of these attributes) of every entity of a type, in the order of the ids, thousands in a list."""
        return self.broker.values([CORE.expand_type(type)], [*map(CORE.expand_term, attributes)], sight=sight)

    def numbers(
        self, type: str, since: Mapping[str, datetime], until: datetime, *, sight: Sight = EVERYTHING
    ) -> AsyncIterator[list[Numbers]]:
        """What every entity of a type measured of these attributes, each from its `since` to before `until`: plain
        numbers as arrays, all of an entity in one list. `Numbers.attribute` is the IRI of the attribute."""
        selected = Query(types=TypeSelection(((CORE.expand_type(type),),)))
        return self.broker.numbers(
            selected, {CORE.expand_term(name): begin for name, begin in since.items()}, until, sight=sight
        )

    def client(self, tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
        """For calls to others: `async with city.client() as client`. It reaches the internet and what the setting
        outbound_allow lists; else it raises Forbidden. `tls`: with a client certificate, or an authority of its own."""
        return client(self._allowed, tls)

    def show_with(self, renderer: Renderer) -> None:
        """The pages are there: where they were never built, `render` raises RuntimeError."""
        self._renderer = renderer

    def render(self, request: Request, template: str, status: int = 200, /, **values: Any) -> Response:
        """A page from a template of the app's, in the shell, in the reader's language."""
        if self._renderer is None:
            raise RuntimeError("the assets of the pages were not built")
        return self._renderer.page(request, template, status, **values)

    def part(self, template: str, language: str, /, **values: Any) -> str:
        """A piece of a page, for a `View`."""
        if self._renderer is None:
            raise RuntimeError("the assets of the pages were not built")
        return self._renderer.part(template, language, **values)

    async def refresh(self, path: str = "") -> None:
        """Whoever looks at this `View`, at any worker, is shown it anew."""
        await self._city_bus.tell(VIEWS, msgspec.json.encode((self.app, path)))


__all__ = [
    "Applied",
    "Attachment",
    "Change",
    "Contact",
    "EVERYTHING",
    "City",
    "Forbidden",
    "Mapped",
    "MappingError",
    "Missing",
    "Numbers",
    "Operation",
    "Query",
    "Refused",
    "Rules",
    "Said",
    "Sight",
    "SourceError",
    "Transaction",
    "Unavailable",
    "Upload",
    "Verdict",
    "Wanted",
    "load_mapping",
    "mapped",
]
