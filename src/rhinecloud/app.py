"""The contract of a city app: one `App` object, found through the entry-point group `rhinecloud.apps`.

An app is a package with fixed files: `__init__.py` (says what it is for, offers `app`), `app.py` (the `App` object),
`pages.py` and `api.py` (handlers), `sql/` (migrations of its own schema), `templates/`, `static/`, `locale/de.po`, and
tests beside it. docs/reference/apps.md describes each part; `rhinecloud app new NAME` writes a complete one.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.jobs import Attempt, GiveUp, Later
from rhinecloud.jobs.schedule import check as check_cron
from rhinecloud.people import PUBLIC, Permission
from rhinecloud.people.register import PersonalData, problems
from rhinecloud.web import LAYERS, Layer, Rule, State

from .city import City

Text = tuple[str, str]  # German, English
Handler = Callable[[City, Request], Awaitable[Response]]
Answer = Callable[[City, Request], Awaitable[Any]]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_COMMAND = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PATH = re.compile(r"(/[A-Za-z0-9_.{}:-]+)*")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Page(msgspec.Struct, frozen=True):
    """A page, or what a form posts to. `path` is below /NAME, "" for the first page; {names} are `request.path_params`.
    `permission` is the name of one of the app's, or of the house's (`public` for everybody). `known`: whether somebody
    who has not signed in shows a secret that the app gave; what they send is not counted as anybody's then."""

    path: str
    handler: Handler
    permission: str
    method: str = "GET"
    known: Callable[[City, Request], Awaitable[bool]] | None = None


class Endpoint(msgspec.Struct, frozen=True):
    """An operation of the app's API. `path` is below /api/NAME; what `handler` returns becomes JSON unless it is a
    response; `largest_body` in bytes. `own_secret`: callers come with a secret that the app gave and judges
    itself; its permission is `public` then, and it says `city.people.recognise(request)` once it knows one."""

    path: str
    handler: Answer
    permission: str
    method: str = "GET"
    largest_body: int = 2**20
    own_secret: bool = False


class Place(msgspec.Struct, frozen=True):
    """An entry of the navigation. `path` as of a page; `group`: where it stands (apps, data, operations,
    administration, or "" for the first row), `order` among the others there. `also`: paths of other pages that are a
    part of it, with what lies below them."""

    label: Text
    permission: str
    path: str = ""
    group: str = "apps"
    order: int = 50
    also: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True):
    """Queued or timed work: `await handler(city, payload, attempt)`, at least once, in any worker. `cron` (minute hour
    day month weekday, in the city's time zone) queues it by the clock; `timeout` in seconds (docs/reference/jobs.md).
    """

    name: str
    handler: Callable[[City, Any, Attempt], Awaitable[None]]
    payload: Any = Any
    cron: str | None = None
    attempts: int = 8
    timeout: float = 600.0


class Task(msgspec.Struct, frozen=True):
    """Work that goes on for as long as the city is served: `await run(city)`, begun again when it ends or fails. In one
    elected worker, or with `everywhere` in each."""

    name: str
    run: Callable[[City], Awaitable[None]]
    everywhere: bool = False


class View(msgspec.Struct, frozen=True):
    """A part of a page that is told anew while somebody looks: `await render(city, sight, language)` is its HTML, once
    for all who see the same. `path` is below /live/NAME; {names} in it are given to `render` as texts. `city.refresh`
    with the path, names filled in, says that it changed, and at most `every` seconds pass between two renderings."""

    path: str
    render: Callable[..., Awaitable[str]]
    permission: str
    every: float = 60.0


class Command(msgspec.Struct, frozen=True):
    """`rhinecloud NAME COMMAND`: `await run(city, arguments)`, or, where `alone`, `run(arguments)` in a process that
    needs no installation (a simulator). What it returns is the exit code, None for 0. `arguments(parser)` adds options.
    """

    name: str
    help: str
    run: Callable[..., Any]
    arguments: Callable[[argparse.ArgumentParser], None] | None = None
    alone: bool = False


class App(msgspec.Struct, frozen=True, kw_only=True):
    """An app. `name` is that of its schema (app_NAME), its addresses (/NAME, /api/NAME), its jobs and its entry point;
    `package` is where its sql/, templates/ and locale/ lie. `granted` says which
    of its permissions a role has (administrators have all). `settings` is a struct whose fields are read from
    RHINECLOUD_NAME_FIELD."""

    name: str
    package: str
    title: Text
    permissions: tuple[Permission, ...] = ()
    granted: Mapping[str, tuple[str, ...]] = {}
    pages: tuple[Page, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    places: tuple[Place, ...] = ()
    jobs: tuple[Job, ...] = ()
    tasks: tuple[Task, ...] = ()
    views: tuple[View, ...] = ()
    layers: tuple[Layer, ...] = ()
    commands: tuple[Command, ...] = ()
    personal_data: PersonalData = PersonalData()
    settings: type[msgspec.Struct] | None = None

    def problems(self, known: Callable[[str], bool]) -> Iterator[str]:
        """What contradicts the contract. `known`: whether there is a permission of this name besides the app's own."""
        if _NAME.fullmatch(self.name) is None:
            yield f"its name is a lower-case letter, then at most 30 of these, digits and _, not {self.name!r}"
        if not all(self.title):
            yield "its title has to be there in German and in English"
        own = {permission.name for permission in self.permissions}
        for name in sorted(own):
            if not name.startswith(f"{self.name}."):
                yield f"the permission {name} has to begin with {self.name}."
        for role, names in self.granted.items():
            if not own.issuperset(names):
                yield f"what it grants to {role} are not all permissions of its own"
        for what, permission in self._permitted():
            if permission not in own and not known(permission):
                yield f"{what} names the permission {permission!r}, which does not exist"
        for endpoint in self.endpoints:
            if endpoint.own_secret and endpoint.permission != PUBLIC.name:
                yield f"the endpoint /api/{self.name}{endpoint.path} judges its callers itself and has to be public"
        routes = [("page", page.method, page.path) for page in self.pages]
        routes += [("endpoint", endpoint.method, endpoint.path) for endpoint in self.endpoints]
        routes += [("view", "GET", view.path) for view in self.views]
        for kind, method, path in routes:
            if method not in METHODS or _PATH.fullmatch(path) is None:
                yield f"the {kind} {method} {path!r} is no method and path (/this/{{that}}, without a slash at the end)"
        all_names = [f"the {kind} {method} {path!r}" for kind, method, path in routes]
        all_names += [f"the job {job.name}" for job in self.jobs]
        all_names += [f"the task {task.name}" for task in self.tasks]
        all_names += [f"the command {command.name}" for command in self.commands]
        all_names += [f"the layer of {layer.type}" for layer in (*self.layers, *LAYERS)]
        yield from (
            f"{twice} is there twice" for twice in sorted({n for n in all_names if all_names.count(n) > 1})
        )
        for command in self.commands:
            if _COMMAND.fullmatch(command.name) is None:
                yield f"a command is a lower-case letter, then at most 30 of these, digits and -, not {command.name!r}"
        for job in self.jobs:
            try:
                if job.cron is not None:
                    check_cron(job.cron)
            except ValueError as error:
                yield f"the job {job.name}: {error}"
        yield from problems(self.personal_data)

    def _permitted(self) -> Iterator[tuple[str, str]]:
        for page in self.pages:
            yield f"the page /{self.name}{page.path}", page.permission
        for endpoint in self.endpoints:
            yield f"the endpoint /api/{self.name}{endpoint.path}", endpoint.permission
        for view in self.views:
            yield f"the view /live/{self.name}{view.path}", view.permission
        for place in self.places:
            yield f"the place {place.label[1]}", place.permission


__all__ = [
    "PUBLIC",
    "App",
    "Attempt",
    "Command",
    "Endpoint",
    "GiveUp",
    "Handler",
    "Job",
    "Later",
    "Layer",
    "Page",
    "Permission",
    "PersonalData",
    "Place",
    "Rule",
    "State",
    "Task",
    "Text",
    "View",
]
