"""Sending what is queued: one elected worker hands it to the mail server, at least once.

Killed between the server's answer and its being written down, the next one sends the message again, with the same
Message-ID, by which mailboxes drop the second one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib
import asyncpg

from rhinecloud.broker.office import hold
from rhinecloud.store import Database
from rhinecloud.tasks import stop

from . import records
from .addresses import mailbox_of
from .records import Due
from .smtp import Server, Verdict, connect, hand_over, judge

_log = logging.getLogger(__name__)
_EVERY = 2.0  # seconds between looks at the queue
_AT_ONCE = 60
_LANES = 3  # sessions at the same time
_PER_LANE = 10
_SHORTEST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0  # seconds, while the server takes nothing
_FORGET_EVERY = 3_600.0


class Sender:
    """Stands for the office of the sender; when elected, sends."""

    def __init__(
        self,
        database: Database,
        server: Server | None,
        sender: str,
        *,
        bounce_address: str | None = None,
        retention_days: int = 90,
    ) -> None:
        """`sender` is a name with an address; reports go to `bounce_address`, or there as well."""
        self._database = database
        self._server = server
        mailbox = mailbox_of(sender)
        self._head = b"From: " + _header(sender) + b"\r\n"
        self._envelope = bounce_address or mailbox.addr_spec
        self._retention_days = retention_days
        self._pause = 0.0
        self._not_before = 0.0
        self._forgotten = float("-inf")
        self.trouble: str | None = None
        self.sent = 0
        self._task = asyncio.create_task(hold(database, "mail", self._serve, again=_EVERY), name="mail")

    async def close(self) -> None:
        """Stop sending."""
        await stop(self._task)

    def hurry(self) -> None:
        """Ask the server again now, if it takes nothing at the time."""
        self._not_before = 0.0

    async def _serve(self, connection: asyncpg.Connection) -> None:
        await records.expire(connection)
        if time.monotonic() - self._forgotten > _FORGET_EVERY:
            await records.forget(connection, self._retention_days)
            self._forgotten = time.monotonic()
        if self._server is None:
            await records.wait(self._database.pool, "no mail server is set")
            return
        while time.monotonic() >= self._not_before and (found := await records.due(connection, _AT_ONCE)):
            waiting = deque(found)
            lanes = min(_LANES, -(-len(found) // _PER_LANE))
            async with asyncio.TaskGroup() as group:
                for _ in range(lanes):
                    group.create_task(self._lane(self._server, waiting))

    async def _lane(self, server: Server, waiting: deque[Due]) -> None:
        """One session with the server, until nothing waits or the server takes nothing."""
        try:
            session = await connect(server)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            waiting.clear()
            await self._troubled(judge(error).answer)
            return
        try:
            while waiting:
                message = waiting.popleft()
                verdict = await hand_over(
                    session, self._envelope, message.recipient, self._head + message.message, message.token
                )
                if verdict.kind == "server":
                    waiting.clear()
                    await self._troubled(verdict.answer)
                    return
                await self._note(message, verdict)
                if not session.is_connected:
                    return
        finally:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await session.quit()
            session.close()

    async def _note(self, message: Due, verdict: Verdict) -> None:
        await records.note(self._database.pool, message, verdict)
        if verdict.kind == "sent":
            self.sent += 1
            self.trouble, self._pause = None, 0.0
        else:
            _log.info("mail %s: %s", message.id, verdict.answer)

    async def _troubled(self, answer: str) -> None:
        if time.monotonic() < self._not_before:
            return  # another lane said so just now
        self._pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, self._pause * 2))
        self._not_before = time.monotonic() + self._pause
        self.trouble = answer
        _log.warning("mail: %s takes nothing: %s; asked again in %.0f s", self._server, answer, self._pause)
        await records.wait(self._database.pool, answer)


def _header(sender: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = mailbox_of(sender)
    return message.as_bytes().split(b"\r\n\r\n")[0].removeprefix(b"From: ")
