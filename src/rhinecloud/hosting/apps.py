"""All apps of one worker, from their entry points to their end."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from rhinecloud.app import App, Handler
from rhinecloud.broker import Broker
from rhinecloud.broker.outbound import Allowed
from rhinecloud.bus import Bus
from rhinecloud.city import City
from rhinecloud.clock import Clock
from rhinecloud.files import Files
from rhinecloud.gateways.devices.devices import Devices
from rhinecloud.jobs import Attempt, Jobs
from rhinecloud.mail import Mail
from rhinecloud.people import PERMISSIONS, PUBLIC
from rhinecloud.people.register import PersonalData
from rhinecloud.people.roles import grant
from rhinecloud.settings import ENVIRONMENT_PREFIX, Settings
from rhinecloud.store import (
    BeingRemoved,
    Connections,
    NotMigrated,
    RoomDatabase,
    Rooms,
    Unavailable,
    migrations_in,
)
from rhinecloud.web import Entry, PermittedRoute, Shell
from rhinecloud.web.layers import add as add_layers

from .api import AppApis
from .finding import Found, find, schema_of
from .phases import Migration, phases, prepare
from .running import Running
from .statics import Statics
from .views import Views

_log = logging.getLogger(__name__)
# The tables that the house keeps in every app's schema.
IN_EVERY_APP = PersonalData(impersonal={"migration": ("*",), "serving": ("*",)})
_NOT_APPS = frozenset({"api", "ngsi-ld", "static", "live"})


class _Hosted:
    """One app that is served."""

    def __init__(
        self, found: Found, app: App, database: RoomDatabase, before: list[Migration], after: list[Migration]
    ) -> None:
        self.found = found
        self.app = app
        self.database = database
        self.before = before
        self.after = after
        self.settings = settings_of(app, os.environ)
        self.city: City | None = None
        self.running: Running | None = None


class Apps:
    """What is installed and `only` names (None: all). First `prepare`, then `connect`, then `pages`, then `open`."""

    def __init__(
        self,
        rooms: Rooms,
        connections: Connections,
        only: frozenset[str] | None = None,
        *,
        background: bool = True,
    ) -> None:
        """Without `background` no task of theirs runs here (a command)."""
        self._background = background
        self._rooms = rooms
        self._connections = connections
        self._only = only
        self._hosted: dict[str, _Hosted] = {}
        self._views = Views()
        self._knowing: list[tuple[PermittedRoute, Callable[[Request], Awaitable[bool]]]] = []
        self.failed: dict[str, str] = {}

    @property
    def served(self) -> list[App]:
        """Those that are served."""
        return [hosted.app for hosted in self._hosted.values()]

    async def prepare(self) -> None:
        """Import them, make their permissions known, and their schemas ready. What fails is left out, and named."""
        for found in find(self._only):
            if found.app is None:
                self._fail(found.name, found.reason)
                continue
            try:
                self._hosted[found.name] = await self._prepare(found, found.app)
            except Unavailable:
                raise
            except (NotMigrated, BeingRemoved) as error:
                self._fail(found.name, f"its schema is not ready: {error}")
            except Exception as error:
                self._fail(found.name, str(error) or type(error).__name__)

    async def _prepare(self, found: Found, app: App) -> _Hosted:
        for permission in app.permissions:
            PERMISSIONS.add(permission.name, permission.german, permission.english)
        for role, names in app.granted.items():
            grant(role, names)
        add_layers(*app.layers)
        before, after = phases(migrations_in(app.package))
        room = await prepare(self._rooms, schema_of(app.name), before, after)
        return _Hosted(found, app, RoomDatabase(self._connections, room), before, after)

    def _fail(self, name: str, reason: str) -> None:
        self.failed[name] = reason
        _log.error("the app %s is not served: %s", name, reason)

    def letters(self) -> tuple[Path, ...]:
        """Folders with the letters of apps."""
        return tuple(hosted.found.folder / "letters" for hosted in self._hosted.values())

    def catalogues(self) -> tuple[Path, ...]:
        """Folders with the texts of apps."""
        return tuple(hosted.found.folder / "locale" for hosted in self._hosted.values())

    def declare(self, add: Callable[[str, str, Any, PersonalData], None]) -> None:
        """Say what each keeps of people: `add(owner, schema, pool, data)` (Rights.add)."""
        for name, hosted in list(self._hosted.items()):
            try:
                for data in (hosted.app.personal_data, IN_EVERY_APP):
                    add(name, schema_of(name), hosted.database.pool, data)
            except ValueError as error:
                del self._hosted[name]
                self._fail(name, f"its declaration of personal data: {error}")

    def connect(
        self,
        *,
        settings: Settings,
        broker: Broker,
        bus: Bus,
        jobs: Jobs,
        mail: Mail,
        files: Files,
        devices: Devices,
        people: RoomDatabase,
        allowed: Allowed,
    ) -> None:
        """Give each its City, and register its jobs. `people`: the room where organisations are."""
        self._bus = bus
        clock = Clock(ZoneInfo(settings.time_zone))
        for name, hosted in self._hosted.items():
            app = hosted.app
            hosted.city = city = City(
                name,
                name=settings.city_name,
                broker=broker,
                bus=bus,
                db=hosted.database,
                jobs=jobs,
                mail=mail,
                files=files,
                devices=devices,
                people=people,
                allowed=allowed,
                clock=clock,
                settings=hosted.settings,
                public_url=settings.public_url,
            )
            for job in app.jobs:
                jobs.register(
                    f"{name}.{job.name}",
                    _job(job.handler, city),
                    job.payload,
                    attempts=job.attempts,
                    timeout=job.timeout,
                )
                if job.cron is not None:
                    jobs.schedule(f"{name}.{job.name}", job.cron)
            tasks = app.tasks if self._background else ()
            hosted.running = Running(app.name, tasks, city, self._rooms, hosted.before, hosted.after)

    def pages(self, shell: Shell, house: Sequence[BaseRoute]) -> list[BaseRoute]:
        """The pages of all apps. What the house has is not an app's to take."""
        taken = _NOT_APPS | {
            getattr(route, "path", "").split("/")[1:2][0] for route in house if hasattr(route, "path")
        }
        routes: list[BaseRoute] = []
        for name, hosted in list(self._hosted.items()):
            assert hosted.city is not None
            if name in taken:
                self._fail(name, f"/{name} is an address of the house; none of its pages is there")
                continue
            try:
                folder = hosted.found.folder
                statics = Statics(name, folder / "static")
                hosted.city.show_with(
                    shell.renderer.beside(folder / "templates", folder / "locale", statics.address)
                )
                shell.navigation.add(
                    *(
                        Entry(
                            f"/{name}{place.path}",
                            place.label,
                            place.permission,
                            place.group,
                            place.order,
                            hosted.app.title,
                            tuple(f"/{name}{path}" for path in place.also),
                        )
                        for place in hosted.app.places
                    )
                )
            except ValueError as error:
                self._fail(name, f"its pages are not shown: {error}")
                continue
            routes.append(PermittedRoute(statics.path, statics.serve, PUBLIC.name))
            for page in hosted.app.pages:
                handler = _page(page.handler, hosted.city)
                route = PermittedRoute(f"/{name}{page.path}", handler, page.permission, method=page.method)
                routes.append(route)
                if page.known is not None:
                    self._knowing.append((route, functools.partial(page.known, hosted.city)))
            routes += self._views.routes(shell, hosted.city, hosted.app.views)
        return routes

    async def knows(self, scope: Scope) -> bool:
        """Whether a request is for a page that knows who sends it by a secret of its app's (`Page.known`)."""
        for route, known in self._knowing:
            match, child = route.matches(scope)
            if match is Match.FULL:
                return await known(Request({**scope, **child}))
        return False

    def city(self, name: str) -> City:
        """The City of an app that is connected."""
        city = self._hosted[name].city
        assert city is not None
        return city

    def apis(self) -> AppApis:
        """The APIs of all apps."""
        return AppApis(
            (hosted.city, endpoint)
            for hosted in self._hosted.values()
            if hosted.city is not None
            for endpoint in hosted.app.endpoints
        )

    async def open(self) -> None:
        """Begin their background work."""
        await self._views.open(self._bus)
        for hosted in self._hosted.values():
            if hosted.running is not None:
                await hosted.running.open()

    async def close(self) -> None:
        """End it."""
        for hosted in self._hosted.values():
            if hosted.running is not None:
                await hosted.running.close()
            await hosted.database.close()

    def health(self) -> dict[str, Any]:
        """Each app's version, or what is wrong with it."""
        troubles = {
            name: hosted.running.trouble
            for name, hosted in self._hosted.items()
            if hosted.running is not None and hosted.running.trouble
        }
        failed = self.failed | troubles
        return {
            "served": len(self._hosted.keys() - self.failed.keys()),
            "failed": len(failed),
            **{name: hosted.found.version for name, hosted in self._hosted.items()},
            **failed,
        }


def settings_of(app: App, environ: Mapping[str, str]) -> Any:
    """The app's settings from RHINECLOUD_NAME_FIELD; None if it has none. Raises ValueError that names the variable."""
    if app.settings is None:
        return None
    prefix = f"{ENVIRONMENT_PREFIX}{app.name.upper()}_"
    given = {
        field: environ[prefix + field.upper()]
        for field in app.settings.__struct_fields__
        if environ.get(prefix + field.upper())
    }
    try:
        return msgspec.convert(given, app.settings, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"a setting cannot be used ({prefix}…): {error}") from None


def _page(handler: Handler, city: City) -> Callable[[Request], Awaitable[Response]]:
    return functools.partial(handler, city)


def _job(
    handler: Callable[[City, Any, Attempt], Awaitable[None]], city: City
) -> Callable[[Any, Attempt], Awaitable[None]]:
    return functools.partial(handler, city)
