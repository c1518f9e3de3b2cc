"""From a transaction to a real mail server: once when all goes well, at least once when it does not."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import trustme

from rhinecloud.mail import Mail, Record
from rhinecloud.mail.records import pause
from rhinecloud.mail.smtp import Server
from rhinecloud.store import Database

from .conftest import MakeMail, Queue
from .servers import PASSWORD, USER, MailServer

PATIENCE = 30.0


async def until(check: Callable[[], Awaitable[object]]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE):
        while not await check():
            await asyncio.sleep(0.02)


async def ended(mail: Mail, number: int, *states: str) -> Record:
    """The message when it is in one of these states."""

    async def reached() -> bool:
        record = await mail.get(number)
        assert record is not None
        return record.state in states

    await until(reached)
    record = await mail.get(number)
    assert record is not None
    return record


async def now(database: Database) -> None:
    """What waits for its next attempt waits no longer."""
    await database.pool.execute("UPDATE mail SET due_at = now() WHERE state = 'queued'")


async def test_a_letter_arrives(mail: Mail, queue: Queue, smtp: MailServer, database: Database) -> None:
    mail.open()
    number = await queue("someone@example.org", language="en")
    record = await ended(mail, number, "sent")
    assert (record.attempts, record.status, record.app, record.letter) == (1, "2.0.0", "test", "test")
    assert record.answer == "2.0.0 OK: queued as 1" and record.sent_at is not None
    (taken,) = smtp.taken
    assert taken.sender == "noreply@duisburg.test" and taken.recipients == ["someone@example.org"]
    assert taken.message["from"] == "Stadt Duisburg <noreply@duisburg.test>"
    assert taken.message["subject"] == "A test message of Stadt Duisburg"
    token = await database.pool.fetchval("SELECT token FROM mail")
    assert taken.message["message-id"] == f"<{token}@duisburg.test>"
    # What it said is not kept: it was between the city and a person.
    assert await database.pool.fetchval("SELECT message FROM mail") is None


async def test_only_what_was_committed_leaves(
    mail: Mail, queue: Queue, smtp: MailServer, database: Database
) -> None:
    mail.open()
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await mail.queue(connection, "test", "never@example.org", {"at": None}, app="test")
            raise ZeroDivisionError
    await ended(mail, await queue("someone@example.org"), "sent")
    assert [taken.recipients for taken in smtp.taken] == [["someone@example.org"]]


async def test_many_letters_and_two_workers(
    make_mail: MakeMail, queue: Queue, smtp: MailServer, database: Database
) -> None:
    one, other = make_mail(), make_mail()
    one.open()
    other.open()
    for n in range(100):
        await queue(f"p{n}@example.org")

    async def all_sent() -> bool:
        return bool(await database.pool.fetchval("SELECT bool_and(state = 'sent') FROM mail"))

    await until(all_sent)
    assert sorted(taken.recipients[0] for taken in smtp.taken) == sorted(
        f"p{n}@example.org" for n in range(100)
    )
    assert len({taken.message["message-id"] for taken in smtp.taken}) == 100


async def test_a_refusal_is_final_and_told(
    mail: Mail, queue: Queue, smtp: MailServer, database: Database
) -> None:
    async def refuse() -> str:
        return "550 5.1.1 no such user here"

    smtp.answers["nobody@example.org"] = refuse
    mail.open()
    refused, good = await queue("nobody@example.org"), await queue("someone@example.org")
    record = await ended(mail, refused, "refused")
    assert (record.status, record.answer, record.attempts) == ("5.1.1", "550 5.1.1 no such user here", 1)
    await ended(mail, good, "sent")
    # The reason was mended: somebody lets it be sent again, which the audit shows.
    smtp.answers.clear()
    assert await mail.retry(refused, "p1")
    await ended(mail, refused, "sent")
    assert not await mail.retry(refused, "p1") and not await mail.retry(999, "p1")
    assert (
        await database.pool.fetchval("SELECT action || ' ' || subject FROM audit") == f"mail.retry {refused}"
    )


async def test_not_now_is_tried_again(mail: Mail, queue: Queue, smtp: MailServer, database: Database) -> None:
    attempts = 0

    async def greylist() -> str | None:
        nonlocal attempts
        attempts += 1
        return "451 4.7.1 try again later" if attempts < 3 else None

    smtp.answers["grey@example.org"] = greylist
    mail.open()
    number = await queue("grey@example.org")

    async def tried(times: int) -> None:
        async def reached() -> bool:
            return bool(await database.pool.fetchval("SELECT attempts >= $1 FROM mail", times))

        await until(reached)

    await tried(1)
    record = await mail.get(number)
    assert record is not None and record.state == "queued" and record.answer == "451 4.7.1 try again later"
    assert timedelta(seconds=50) < record.due_at - record.created_at < timedelta(seconds=100)
    await now(database)
    await tried(2)
    await now(database)
    assert (await ended(mail, number, "sent")).attempts == 3
    assert len(smtp.taken) == 1


def test_pauses_grow() -> None:
    assert [pause(n).total_seconds() for n in (1, 2, 3, 4, 7, 8, 500)] == [
        60,
        120,
        240,
        480,
        3600,
        3600,
        3600,
    ]


async def test_what_nobody_takes_in_time_is_given_up(
    mail: Mail, queue: Queue, smtp: MailServer, database: Database
) -> None:
    async def never() -> str:
        return "450 4.2.0 mailbox is busy"

    smtp.answers["busy@example.org"] = never
    mail.open()
    number = await queue("busy@example.org", within=timedelta(minutes=30))

    async def tried() -> bool:
        record = await mail.get(number)
        assert record is not None and record.give_up_at - record.created_at == timedelta(minutes=30)
        return record.attempts == 1

    await until(tried)
    await database.pool.execute("UPDATE mail SET give_up_at = now()")
    record = await ended(mail, number, "expired")
    assert record.answer == "450 4.2.0 mailbox is busy" and smtp.taken == []


async def test_a_server_that_is_away(mail: Mail, queue: Queue, smtp: MailServer) -> None:
    await smtp.stop()
    mail.open()
    number = await queue("someone@example.org")

    async def told() -> bool:
        return "reason" in await mail.health()

    await until(told)
    record = await mail.get(number)
    # It is not the letter's fault: it counts no attempt, and is due as soon as the server is back.
    assert record is not None and (record.state, record.attempts) == ("queued", 0)
    await smtp.start()
    await ended(mail, number, "sent")
    figures = await mail.health()
    assert "reason" not in figures and figures["sent"] == 1 and figures["lag_seconds"] == 0


async def test_our_own_address_is_refused(
    make_mail: MakeMail, queue: Queue, smtp: MailServer, database: Database
) -> None:
    """Every letter would be refused by it; none is to blame, and none is lost."""

    async def sign_in_first() -> str:
        return "530 5.7.0 authentication required"

    smtp.answers["someone@example.org"] = sign_in_first
    mail = make_mail()
    mail.open()
    number = await queue("someone@example.org")

    async def told() -> bool:
        return "authentication required" in str((await mail.health()).get("reason"))

    await until(told)
    record = await mail.get(number)
    assert record is not None and (record.state, record.attempts) == ("queued", 0)


async def test_without_a_server_mail_waits(make_mail: MakeMail, queue: Queue, smtp: MailServer) -> None:
    mail = make_mail(None)
    mail.open()
    number = await queue("someone@example.org")

    async def told() -> bool:
        return (await mail.health()).get("reason") == "no mail server is set"

    await until(told)
    await mail.close()
    make_mail().open()
    await ended(mail, number, "sent")


async def test_reports_are_asked_for(
    make_mail: MakeMail, queue: Queue, smtp: MailServer, database: Database
) -> None:
    smtp.dsn = True
    mail = make_mail(bounce_address="bounces@duisburg.test")
    mail.open()
    await ended(mail, await queue("someone@example.org"), "sent")
    token = await database.pool.fetchval("SELECT token FROM mail")
    assert smtp.taken[0].sender == "bounces@duisburg.test"
    assert smtp.taken[0].options == ["RET=HDRS", f"ENVID={token}", "NOTIFY=FAILURE,DELAY"]


async def test_killed_between_the_answer_and_its_record(
    mail: Mail, queue: Queue, smtp: MailServer, database: Database, database_url: str
) -> None:
    """A process is killed when the server has taken the letter and nobody has written that down: it comes twice, with
    one Message-ID; and what was not taken comes all the same."""
    script = f"""
import asyncio, os, signal
from rhinecloud.mail import records, sender
from rhinecloud.mail.smtp import Server
from rhinecloud.store import Database

async def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    records.note = die
    database = await Database.open({database_url!r})
    sender.Sender(database, Server.of_url("smtp://127.0.0.1:{smtp.port}"), "a@duisburg.test")
    await asyncio.sleep(60)

asyncio.run(main())
"""
    numbers = [await queue(f"p{n}@example.org") for n in range(3)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stderr=subprocess.PIPE)
    _, complaint = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == -signal.SIGKILL, complaint.decode()
    assert len(smtp.taken) == 1
    mail.open()
    for number in numbers:
        await ended(mail, number, "sent")
    ids = [taken.message["message-id"] for taken in smtp.taken]
    assert len(ids) == 4 and len(set(ids)) == 3


async def test_what_ended_long_ago_is_forgotten(
    make_mail: MakeMail, queue: Queue, database: Database
) -> None:
    old, waiting, young = [await queue(f"{n}@example.org") for n in ("old", "waiting", "young")]
    await database.pool.execute(
        "UPDATE mail SET created_at = now() - interval '99 days', sent_at = now() - interval '91 days', state = 'sent' "
        "WHERE id = $1",
        old,
    )
    await database.pool.execute(
        "UPDATE mail SET created_at = now() - interval '100 days', due_at = now() + interval '1 day' WHERE id = $1",
        waiting,
    )
    mail = make_mail()
    mail.open()
    await ended(mail, young, "sent")
    assert await mail.get(old) is None and await mail.get(waiting) is not None


async def test_pages_of_messages(mail: Mail, queue: Queue) -> None:
    numbers = [await queue(f"p{n % 2}@example.org") for n in range(5)]
    assert [record.id for record in await mail.messages(limit=2)] == numbers[:2:-1]
    assert [record.id for record in await mail.messages(before=numbers[3])] == numbers[2::-1]
    assert len(await mail.messages(recipient="P1@EXAMPLE.ORG")) == 2
    assert await mail.messages(states=["sent"]) == []


# Encryption and sign-in ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    made = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, path


@pytest_asyncio.fixture(params=["starttls", "implicit"])
async def secure(
    request: pytest.FixtureRequest, authority: tuple[trustme.CA, Path]
) -> AsyncIterator[tuple[MailServer, str]]:
    """A server that wants encryption and a password, and its URL."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority[0].issue_cert("localhost").configure_cert(context)
    implicit = request.param == "implicit"
    server = await MailServer(tls=context, starttls=not implicit, sign_in=not implicit).start()
    scheme = "smtps" if implicit else "smtp"
    credentials = (
        "" if implicit else f"{USER}:{PASSWORD.replace('/', '%2F').replace('@', '%40').replace(':', '%3A')}@"
    )
    yield server, f"{scheme}://{credentials}localhost:{server.port}"
    await server.stop()


def required(url: str, ca: Path | None) -> Server:
    """The server with STARTTLS asked for although it is on this machine."""
    found = Server.of_url(url + (f"?ca={ca}" if ca else ""))
    return (
        Server(found.host, found.port, found.user, found.password, "starttls", found.ca)
        if found.tls == "none"
        else found
    )


async def test_encryption_and_sign_in(
    make_mail: MakeMail, queue: Queue, secure: tuple[MailServer, str], authority: tuple[trustme.CA, Path]
) -> None:
    server, url = secure
    mail = make_mail(None)
    mail.server = required(url, authority[1])
    mail.open()
    await ended(mail, await queue("someone@example.org"), "sent")
    assert len(server.taken) == 1
    if url.startswith("smtp:"):
        assert server.sign_ins == [True]


async def test_a_certificate_that_nobody_knows(
    make_mail: MakeMail, queue: Queue, secure: tuple[MailServer, str]
) -> None:
    server, url = secure
    mail = make_mail(None)
    mail.server = required(url, None)
    mail.open()
    await queue("someone@example.org")

    async def told() -> bool:
        return "certificate" in str((await mail.health()).get("reason"))

    await until(told)
    assert server.taken == [] and server.sign_ins == []


async def test_a_server_without_encryption_gets_no_password(
    make_mail: MakeMail, queue: Queue, smtp: MailServer
) -> None:
    mail = make_mail(None)
    mail.server = Server("127.0.0.1", smtp.port, USER, PASSWORD, "starttls", None)
    mail.open()
    await queue("someone@example.org")

    async def told() -> bool:
        return "STARTTLS" in str((await mail.health()).get("reason"))

    await until(told)
    assert smtp.taken == [] and smtp.sign_ins == []


def test_addresses_of_servers() -> None:
    assert Server.of_url("smtps://u:p%40@mail.example") == Server(
        "mail.example", 465, "u", "p@", "implicit", None
    )
    assert Server.of_url("smtp://mail.example").tls == "starttls"
    assert Server.of_url("smtp://mail.example").port == 587
    assert Server.of_url("smtp://mail.example?tls=none").port == 25
    assert Server.of_url("smtp://localhost").tls == "none"
    for wrong, words in (
        ("mail.example", "mail_server is"),
        ("smtp://u:p@mail.example?tls=none", "without encryption"),
        ("smtp://mail.example?tls=maybe", "tls is none"),
        ("smtp://mail.example?startls=1", "startls is not known"),
    ):
        with pytest.raises(ValueError, match=words):
            Server.of_url(wrong)
    assert "secret" not in str(Server.of_url("smtps://user:secret@mail.example"))
    assert os.environ.get("RHINECLOUD_MAIL_SERVER") is None
