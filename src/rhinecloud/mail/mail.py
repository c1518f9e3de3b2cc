"""Mail of a city: letters queued in the transaction of what they tell about, and what became of them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from rhinecloud.broker.office import hold
from rhinecloud.settings import Settings, SettingsError
from rhinecloud.store import Database, Unavailable
from rhinecloud.store.intake import audit
from rhinecloud.tasks import stop

from . import bounces, records
from .addresses import BadAddress, address_of, mailbox_of
from .letters import Attachment, Letters, Tongue, message_of
from .mailbox import Mailbox, MailboxAway
from .records import Record
from .sender import Sender
from .smtp import Server

_log = logging.getLogger(__name__)
_MAILBOX_EVERY = 120.0  # seconds
NOBODY = "rhinecloud@localhost"  # who sends where no setting says it: nothing leaves then


class Mail:
    """The mail of one tenant."""

    def __init__(
        self,
        database: Database,
        letters: Letters,
        *,
        server: Server | None = None,
        sender: str = NOBODY,
        bounce_address: str | None = None,
        mailbox: Mailbox | None = None,
        give_up: timedelta = timedelta(hours=120),
        retention_days: int = 90,
    ) -> None:
        self._database = database
        self._letters = letters
        self.server = server
        self._sender = sender
        self._bounce_address = bounce_address
        self._mailbox = mailbox
        self._give_up = give_up
        self._retention_days = retention_days
        self._domain = mailbox_of(sender).domain
        self._sending: Sender | None = None
        self._collecting: asyncio.Task[Any] | None = None
        self.mailbox_trouble: str | None = None

    @classmethod
    def of_settings(
        cls,
        database: Database,
        settings: Settings,
        tongues: Mapping[str, Tongue],
        folders: Sequence[Path] = (),
    ) -> Mail:
        """Mail as the settings say; `folders` hold the letters of apps. Raises SettingsError."""
        server, mailbox = configured(settings)
        return cls(
            database,
            Letters(
                tongues, city_name=settings.city_name, public_url=settings.public_url or "", folders=folders
            ),
            server=server,
            sender=settings.mail_from or NOBODY,
            bounce_address=settings.mail_bounce_address,
            mailbox=mailbox,
            give_up=timedelta(hours=settings.mail_give_up_hours),
            retention_days=settings.mail_retention_days,
        )

    def open(self) -> None:
        """Begin to send and to collect reports; of all workers one does each."""
        self._sending = Sender(
            self._database,
            self.server,
            self._sender,
            bounce_address=self._bounce_address,
            retention_days=self._retention_days,
        )
        if self._mailbox is not None:
            self._collecting = asyncio.create_task(
                hold(self._database, "mail-reports", self._collect_once, again=_MAILBOX_EVERY),
                name="mail-reports",
            )

    async def close(self) -> None:
        """Stop both."""
        await stop(self._collecting)
        if self._sending is not None:
            await self._sending.close()

    async def queue(
        self,
        connection: asyncpg.Connection,
        letter: str,
        to: str,
        values: Mapping[str, Any],
        *,
        app: str,
        language: str = "de",
        reply_to: str | None = None,
        attachments: Sequence[Attachment] = (),
        within: timedelta | None = None,
        unsubscribe: str | None = None,
    ) -> int:
        """Queue a letter to one address; it leaves when the caller's transaction has committed. Returns its id.

        `within` is how long it may take until it is given up (by default the setting): a code for signing in helps
        nobody tomorrow. `unsubscribe`: an address (https://…) to which a POST ends such letters (RFC 8058). Raises
        BadAddress; what `Letters.write` raises; ValueError for attachments that are too large.
        """
        recipient = address_of(to)
        if language not in self._letters.languages:
            language = self._letters.languages[0]
        token = secrets.token_hex(16)
        message = message_of(
            self._letters.write(letter, language, values),
            to=recipient,
            language=language,
            message_id=f"<{token}@{self._domain}>",
            at=datetime.now(UTC),
            reply_to=reply_to,
            attachments=attachments,
            unsubscribe=unsubscribe,
        )
        return await records.add(
            connection,
            token=token,
            app=app,
            letter=letter,
            language=language,
            recipient=recipient,
            message=message,
            within=within or self._give_up,
        )

    async def get(self, message: int) -> Record | None:
        """A message, or None."""
        return await records.one(self._database.pool, message)

    async def messages(
        self,
        *,
        states: Sequence[str] = (),
        recipient: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Record]:
        """Messages, the newest first; `before` is the id after which a page goes on."""
        return await records.page(self._database.pool, states, recipient, before, limit)

    async def retry(self, message: int, actor: str) -> bool:
        """Send a message again that was refused or given up; false if there is none such."""
        async with self._database.transaction() as connection:
            if not await records.retry(connection, message, self._give_up):
                return False
            await audit(connection, actor, "mail.retry", str(message), {})
        if self._sending is not None:
            self._sending.hurry()
        return True

    async def report(self, content: bytes) -> list[int]:
        """Take in a message that may be a report; returns the ids of the messages that it is about."""
        found = []
        for report in bounces.reports(content):
            message = await records.report(
                self._database.pool, report.token, report.action, report.status, report.answer
            )
            if message is not None:
                found.append(message)
        return found

    async def collect(self) -> int:
        """Read the mailbox of reports once; returns how many messages were reports about ours.

        Every message is marked as read afterwards, whatever it was. Raises MailboxAway.
        """
        if self._mailbox is None:
            return 0
        known = 0
        while unread := await asyncio.to_thread(self._mailbox.unread):
            for uid, content in unread:
                try:
                    known += bool(await self.report(content))
                except Unavailable:
                    raise
                except (
                    Exception
                ):  # anybody can write to this address: no mail may keep the others from being read
                    _log.exception("mail: message %s in the mailbox of reports cannot be read", uid)
            # After they were written down: broken off in between, they are read again, which changes nothing.
            await asyncio.to_thread(self._mailbox.mark, [uid for uid, _ in unread])
        return known

    async def lost(self, within: timedelta) -> tuple[int, datetime | None]:
        """How many letters were refused, given up or came back within this time, and when the first of them."""
        return await records.lost(self._database.pool, within)

    async def health(self) -> dict[str, Any]:
        """Figures for the page of operations."""
        figures: dict[str, Any] = {
            "server": str(self.server) if self.server is not None else None,
            **await records.figures(self._database.pool),
        }
        return figures if self.mailbox_trouble is None else {**figures, "mailbox": self.mailbox_trouble}

    async def _collect_once(self, connection: asyncpg.Connection) -> None:
        try:
            await self.collect()
            self.mailbox_trouble = None
        except MailboxAway as error:
            self.mailbox_trouble = str(error)
            _log.warning("mail: the mailbox of reports cannot be read: %s", error)


def configured(settings: Settings) -> tuple[Server | None, Mailbox | None]:
    """What the settings say about mail. Raises SettingsError."""
    try:
        if settings.mail_from is not None:
            mailbox_of(settings.mail_from)
        if settings.mail_bounce_address is not None:
            address_of(settings.mail_bounce_address)
        return (
            Server.of_url(settings.mail_server) if settings.mail_server else None,
            Mailbox.of_url(settings.mail_bounce_mailbox) if settings.mail_bounce_mailbox else None,
        )
    except BadAddress as error:
        raise SettingsError(f"mail_from or mail_bounce_address: {error}") from None
    except ValueError as error:
        raise SettingsError(str(error)) from None
