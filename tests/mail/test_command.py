"""`rhinecloud mail`, and what a wrong set-up is told."""

from __future__ import annotations

import asyncio
import sys

import pytest

from rhinecloud.store import Database
from tests.engines.test_backup import rhinecloud

from .conftest import Queue
from .servers import MailServer

FROM = "--mail-from=Stadt Duisburg <noreply@duisburg.test>"


async def command(*arguments: object, code: int = 0) -> str:
    return await asyncio.to_thread(rhinecloud, "mail", *arguments, code=code)


async def test_a_test_message(smtp: MailServer, database_url: str) -> None:
    flags = ("--database-url", database_url, f"--mail-server=smtp://127.0.0.1:{smtp.port}", FROM)
    told = await command("test", "someone@example.org", "--language=en", *flags)
    assert "sent" in told and "queued as 1" in told
    assert smtp.taken[0].message["subject"] == "A test message of Duisburg"

    async def refuse() -> str:
        return "550 5.1.1 no such user"

    smtp.answers["nobody@example.org"] = refuse
    assert "550 5.1.1 no such user" in await command("test", "nobody@example.org", *flags, code=1)
    assert "is no address" in await command("test", "nobody", *flags, code=1)
    listed = await command("list", "--state=refused", "--database-url", database_url)
    assert "nobody@example.org" in listed and "1 messages." in listed
    assert "mail/test" in listed
    shown = await command("show", "1", "--database-url", database_url)
    assert "recipient   someone@example.org" in shown and "sent at" in shown
    assert "is queued again" in await command("retry", "2", "--database-url", database_url)
    assert "is none that was refused" in await command("retry", "2", "--database-url", database_url, code=1)
    assert "There is no message 99" in await command("show", "99", "--database-url", database_url, code=1)


async def test_a_server_that_is_away(smtp: MailServer, database_url: str) -> None:
    await smtp.stop()
    flags = ("--database-url", database_url, f"--mail-server=smtp://127.0.0.1:{smtp.port}", FROM)
    told = await command("test", "someone@example.org", *flags, code=1)
    assert "queued" in told and "is tried again" in told


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mail-server=smtp://localhost"], "mail_server needs mail_from"),
        (["--mail-server=localhost", FROM], "mail_server is"),
        (["--mail-server=smtp://localhost", "--mail-from=nobody"], "is no address"),
        (["--mail-bounce-mailbox=imap://x", FROM], "mail_bounce_mailbox is"),
        ([], "No mail server is set"),
    ],
)
async def test_wrong_settings(database_url: str, flags: list[str], words: str) -> None:
    assert words in await command("test", "a@example.org", "--database-url", database_url, *flags, code=1)


async def test_a_reason_is_told_as_it_is(database_url: str, queue: Queue) -> None:
    for arguments, words in (
        (("test", "a@example.org"), "No mail server is set"),
        (("show", "999"), "There is no message 999"),
    ):
        told = await command(*arguments, "--database-url", database_url, code=1)
        assert words in told and "The database" not in told


async def test_a_wrong_call(database_url: str, queue: Queue, database: Database) -> None:
    for arguments in (("show",), ("retry",), ("list", "1"), ("show", "x")):
        assert await command(*arguments, "--database-url", database_url, code=1)


async def test_check_signs_in_and_sends_nothing(smtp: MailServer, database_url: str) -> None:
    async def check(*flags: str) -> str:
        arguments = ("check", "--database-url", database_url, "--port=0", "--mqtt-port=0", *flags)
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rhinecloud.cli", *arguments, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await done.communicate()
        return printed.decode()

    server = f"--mail-server=smtp://127.0.0.1:{smtp.port}"
    assert "No mail server is set" in await check()
    assert f"The mail server 127.0.0.1:{smtp.port} answers" in await check(server, FROM)
    assert smtp.taken == []
    mailbox = "--mail-bounce-mailbox=imap://u:p@127.0.0.1:1/INBOX"
    assert "The mailbox of reports cannot be read" in await check(server, FROM, mailbox)
    await smtp.stop()
    assert "cannot be used" in await check(server, FROM)
