"""What `rhinecloud check` says about mail."""

from __future__ import annotations

import asyncio
import contextlib

import aiosmtplib

from rhinecloud.settings import Settings, SettingsError

from .mail import configured
from .mailbox import Mailbox, MailboxAway
from .smtp import Server, connect, judge

_PATIENCE = 20.0  # seconds


async def examine_mail(settings: Settings) -> tuple[str, str]:
    """The level ("good", "note" or "wrong") and a sentence. Signs in and sends nothing."""
    try:
        server, mailbox = configured(settings)
    except SettingsError as error:
        return "wrong", str(error)
    if server is None:
        return "note", "No mail server is set (--mail-server): mail waits until there is one."
    problem = await _problem(server) or (await _problem_of_mailbox(mailbox) if mailbox is not None else None)
    if problem is not None:
        return "wrong", problem
    if mailbox is None:
        return (
            "good",
            f"The mail server {server} answers; reports of what cannot be delivered are not read by IMAP",
        )
    return "good", f"The mail server {server} and the mailbox of reports answer"


async def _problem(server: Server) -> str | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            session = await connect(server)
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await session.quit()
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return f"The mail server {server} cannot be used: {judge(error).answer or type(error).__name__}"
    return None


async def _problem_of_mailbox(mailbox: Mailbox) -> str | None:
    try:
        await asyncio.to_thread(mailbox.ask)
    except MailboxAway as error:
        return f"The mailbox of reports cannot be read: {error}"
    return None
