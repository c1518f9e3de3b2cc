"""Reports of barriers: kept until they are answered, told to the operator by mail (§ 10b(2) no. 2 BGG NRW).

Anybody may report, without a name and without JavaScript. How many are taken is bounded, by hour and for all together:
nothing is stored of who sends them but the address that they want an answer at.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from rhinecloud.jobs import Attempt, GiveUp, Jobs
from rhinecloud.mail import address_of
from rhinecloud.settings import Settings

from .service import People

LONGEST: Final = 5_000  # characters of a report
MOST_AN_HOUR: Final = 60
_TELL = "feedback.tell"


class TooMany(Exception):
    """So many reports came within the last hour that no more are taken now."""


class Report(msgspec.Struct, frozen=True):
    """A report; `about` is the page, `mail` where an answer is wanted."""

    id: int
    at: datetime
    about: str
    message: str
    mail: str | None
    language: str
    answered_at: datetime | None
    answered_by: str | None


class Task(msgspec.Struct, frozen=True):
    """What the job is told."""

    report: int


class Feedback:
    """The reports of an installation. Make it before the jobs are opened."""

    def __init__(self, people: People, jobs: Jobs, settings: Settings) -> None:
        self._people = people
        self._jobs = jobs
        self._settings = settings
        jobs.register(_TELL, self._tell, Task)

    async def take(self, about: str, message: str, mail: str | None, language: str) -> int:
        """Keep a report and have it told; its number. Raises TooMany, mail.BadAddress."""
        address = address_of(mail) if mail else None
        async with self._people.transaction() as transaction:
            connection = transaction.connection
            await connection.execute("LOCK TABLE feedback IN SHARE ROW EXCLUSIVE MODE")
            if await connection.fetchval(_RECENT) >= MOST_AN_HOUR:
                raise TooMany
            report = int(
                await connection.fetchval(
                    "INSERT INTO feedback (about, message, mail, language) VALUES ($1, $2, $3, $4) RETURNING id",
                    about,
                    message,
                    address,
                    language,
                )
            )
            async with transaction.of_city() as city:
                await self._jobs.enqueue(city, _TELL, Task(report), key=str(report))
        return report

    async def page(self, before: int | None, limit: int) -> list[Report]:
        """Reports, the newest first; those with a number below `before`."""
        records = await self._people.room.pool.fetch(
            f"SELECT {_COLUMNS} FROM feedback WHERE $1::bigint IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",
            before,
            limit,
        )
        return [Report(**record) for record in records]

    async def answered(self, report: int, actor: str) -> bool:
        """Note that a report was answered; false if it was before, or there is none such."""
        async with self._people.transaction() as transaction:
            status = await transaction.connection.execute(
                "UPDATE feedback SET answered_at = now(), answered_by = $2 WHERE id = $1 AND answered_at IS NULL",
                report,
                actor,
            )
            if status == "UPDATE 0":
                return False
            await transaction.audit(actor, "feedback.answered", str(report), {})
        return True

    async def _tell(self, task: Task, attempt: Attempt) -> None:
        to = self._settings.contact_mail
        if to is None:
            raise GiveUp(
                "nobody is set whom reports of barriers go to: set contact_mail, then run this job again"
            )
        async with self._people.transaction() as transaction:
            record = await _of(transaction.connection, task.report)
            if record is None:
                return  # erased meanwhile
            async with transaction.of_city() as city:
                await self._people.mail.queue(
                    city,
                    "feedback",
                    to,
                    {"about": record.about, "message": record.message, "mail": record.mail},
                    app="people",
                    reply_to=record.mail,
                )


_COLUMNS = "id, at, about, message, mail, language, answered_at, answered_by"
_RECENT = (
    "SELECT count(*) FROM feedback WHERE at BETWEEN now() - interval '1 hour' AND now() + interval '1 hour'"
)


async def _of(connection: asyncpg.Connection, report: int) -> Report | None:
    record = await connection.fetchrow(f"SELECT {_COLUMNS} FROM feedback WHERE id = $1", report)
    return Report(**record) if record is not None else None
