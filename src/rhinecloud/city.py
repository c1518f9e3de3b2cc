"""The handle that an app is given: its one way to everything of a city.

It holds what is the app's own (its schema, its subjects, its jobs, its files) and the city's graph. It is a handle, not
a wall: an app is code of the same process. PostgreSQL keeps its statements in its schema (docs/decisions/0026-apps.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.broker import Applied, Broker, Change, Operation, Query, Transaction, Unavailable, Verdict
from rhinecloud.bus import Bus
from rhinecloud.clock import Clock
from rhinecloud.files import File, Files, Form, Refused, Rules, Upload, answer, receive_form
from rhinecloud.jobs import Jobs
from rhinecloud.mail import Attachment, Mail
from rhinecloud.people import Actor
from rhinecloud.store import RoomDatabase
from rhinecloud.web import Renderer, actor_of

R = TypeVar("R")


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


class Asking:
    """Who asks, and what they may."""

    def who(self, request: Request) -> Actor:
        """Who sent the request; `actor.may(permission)`, `actor.sight`. Its `id` is what an audit line names."""
        return actor_of(request)


class City:
    """What an app is given.

    `broker` (the graph: read, write, watch), `db` (its own schema), `transaction()` (both, committed together), `bus`
    (messages between its workers), `jobs`, `mail`, `files`, `people` (who asks), `clock`, `settings` (the app's own),
    `name` (of the city), `render` (a page of its templates in the shell).
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
        clock: Clock | None = None,
        settings: Any = None,
    ) -> None:
        self.app = app
        self.name = name
        self.broker = broker
        self.db = db
        self.bus = OwnBus(bus, app)
        self.jobs = OwnJobs(jobs, app)
        self.mail = OwnMail(mail, app)
        self.files = OwnFiles(files, app)
        self.people = Asking()
        self.clock = clock or Clock()
        self.settings = settings
        self._renderer: Renderer | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Rows of the app (`connection`), the graph (`apply`), jobs, letters, files, and audit lines (`audit`):
        committed together when the block ends, rolled back together when it raises."""
        async with self.broker.transaction(self.db) as transaction:
            yield transaction

    def show_with(self, renderer: Renderer) -> None:
        """The pages are there: where they were never built, `render` raises RuntimeError."""
        self._renderer = renderer

    def render(self, request: Request, template: str, status: int = 200, /, **values: Any) -> Response:
        """A page from a template of the app's, in the shell, in the reader's language."""
        if self._renderer is None:
            raise RuntimeError("the assets of the pages were not built")
        return self._renderer.page(request, template, status, **values)


__all__ = [
    "Applied",
    "Attachment",
    "Change",
    "City",
    "Operation",
    "Query",
    "Refused",
    "Rules",
    "Transaction",
    "Unavailable",
    "Upload",
    "Verdict",
]
