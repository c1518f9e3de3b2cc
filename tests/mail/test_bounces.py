"""Reports about mail that was not delivered: read from what servers send, from a mailbox, from standard input."""

from __future__ import annotations

import asyncio
import base64
import quopri
import shutil
import subprocess
import sys
from collections.abc import Iterator
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.mail import Mail, MailboxAway
from rhinecloud.mail.bounces import Report, reports
from rhinecloud.mail.mailbox import Mailbox
from rhinecloud.store import Database
from tests.conftest import new_folder

from .conftest import MakeMail, Queue
from .servers import ImapServer, MailServer, dovecot
from .test_sending import ended

TOKEN = "0123456789abcdef0123456789abcdef"
RETURNED = """From: Stadt Duisburg <noreply@duisburg.test>
To: someone@example.org
Subject: Eine Probenachricht
Message-ID: <{token}@duisburg.test>
"""


def bounce(
    token: str = TOKEN,
    *,
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 <someone@example.org>: user\n unknown",
    envelope: bool = True,
    returned: str = "text/rfc822-headers",
    encode: str | None = None,
) -> bytes:
    """A report as RFC 3464 wants it, in the ways that servers differ."""
    groups = "Reporting-MTA: dns; mx.example.org\n"
    groups += f"Original-Envelope-Id: {token}\n" if envelope else ""
    groups += (
        "\nOriginal-Recipient: rfc822;someone@example.org\nFinal-Recipient: rfc822; someone@example.org\n"
    )
    groups += f"Action: {action}\nStatus: {status}\nDiagnostic-Code: {diagnostic}\n"
    head = f"Content-Transfer-Encoding: {encode}\n" if encode else ""
    if encode == "base64":
        groups = base64.encodebytes(groups.encode()).decode()
    elif encode == "quoted-printable":
        groups = quopri.encodestring(groups.encode()).decode().replace(": ", ":=20")
    content = RETURNED.format(token=token) + ("\nGuten Tag,\n" if returned == "message/rfc822" else "")
    return f"""Return-Path: <>
From: MAILER-DAEMON@mx.example.org
To: noreply@duisburg.test
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you.

--b
Content-Type: message/delivery-status
{head}
{groups}
--b
Content-Type: {returned}

{content}
--b--
""".encode()


@pytest.mark.parametrize("envelope", [True, False], ids=["by envelope", "by Message-ID"])
@pytest.mark.parametrize("returned", ["text/rfc822-headers", "message/rfc822"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_report(envelope: bool, returned: str, ends: bytes) -> None:
    content = bounce(envelope=envelope, returned=returned).replace(b"\n", ends)
    assert reports(content) == [
        Report(TOKEN, "failed", "5.1.1", "550 5.1.1 <someone@example.org>: user unknown")
    ]


@pytest.mark.parametrize("encode", ["7bit", "base64", "quoted-printable"])
def test_a_report_that_is_encoded(encode: str) -> None:
    assert [report.action for report in reports(bounce(encode=encode))] == ["failed"]


def test_other_actions() -> None:
    assert reports(bounce(action="Delayed", status="4.4.1"))[0].action == "delayed"
    assert reports(bounce(action="delivered (to mailbox)", status="2.0.0")) == []
    # Not every server writes a diagnostic code: then its words to people are what is known.
    assert reports(bounce(diagnostic=""))[0].answer == "I'm sorry to have to inform you."
    silent = bounce(diagnostic="").replace(b"text/plain", b"text/html")
    assert reports(silent)[0].answer == "5.1.1"
    assert reports(bounce(action="exploded")) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Subject: I am away until Monday\nAuto-Submitted: auto-replied\n\nSee you.\n",
        bounce("someone-elses-id"),
        bounce().replace(b"multipart/report", b"multipart/mixed"),
        bounce().replace(b"message/delivery-status", b"text/plain"),
        bounce()[:400],
        b"\xff\xfe\x00" * 100,
    ],
)
def test_what_is_no_report_about_ours(content: bytes) -> None:
    assert reports(content) == []


@given(st.binary(max_size=400), st.integers(0, len(bounce())))
def test_nothing_breaks_the_reader(noise: bytes, place: int) -> None:
    content = bounce()
    reports(noise)
    for report in reports(content[:place] + noise + content[place:]):
        assert report.action in ("failed", "delayed", "delivered", "relayed", "expanded")


def test_parts_in_parts_in_parts() -> None:
    assert reports(b"Content-Type: message/rfc822\n\n" * 5_000) == []


def test_what_cannot_be_written_down_is_left_out() -> None:
    (report,) = reports(bounce(diagnostic="smtp; 550 no\0 such user"))
    assert report.answer == "550 no such user"


def test_a_report_with_odd_parts() -> None:
    made = MIMEMultipart("report")
    made.attach(MIMEText("only words"))
    assert reports(made.as_bytes()) == []


async def test_a_bounce_is_shown(mail: Mail, queue: Queue, database: Database, smtp: MailServer) -> None:
    mail.open()
    number = await queue("someone@example.org")
    other = await queue("another@example.org")
    await ended(mail, number, "sent")
    await ended(mail, other, "sent")
    token = await database.pool.fetchval("SELECT token FROM mail WHERE id = $1", number)
    assert await mail.report(
        bounce(token, action="delayed", status="4.4.1", diagnostic="smtp; 451 later")
    ) == [number]
    record = await mail.get(number)
    assert record is not None and (record.state, record.answer, record.status) == (
        "sent",
        "451 later",
        "4.4.1",
    )
    assert await mail.report(bounce(token)) == [number]
    assert await mail.report(bounce(token)) == [number]  # a report that comes twice changes nothing
    record = await mail.get(number)
    assert record is not None and (record.state, record.status) == ("bounced", "5.1.1")
    assert record.answer == "550 5.1.1 <someone@example.org>: user unknown" and record.ended_at is not None
    assert [found.id for found in await mail.messages(states=["bounced"])] == [number]
    assert (await mail.health())["bounced"] == 1
    # A report about a message that we never sent says nothing about anybody.
    assert await mail.report(bounce("f" * 32)) == []


async def test_delivered_after_all(mail: Mail, queue: Queue, database: Database, smtp: MailServer) -> None:
    mail.open()
    number = await queue("someone@example.org")
    await ended(mail, number, "sent")
    token = await database.pool.fetchval("SELECT token FROM mail")
    await mail.report(bounce(token, action="delivered", status="2.1.5", diagnostic="smtp; 250 ok"))
    record = await mail.get(number)
    assert record is not None and record.state == "delivered"


async def test_a_report_that_comes_before_the_servers_answer_was_written_down(
    mail: Mail, queue: Queue, database: Database, smtp: MailServer
) -> None:
    """Then it is not sent again, to an address that does not exist."""
    number = await queue("someone@example.org")
    token = await database.pool.fetchval("SELECT token FROM mail")
    await mail.report(bounce(token))
    mail.open()
    other = await queue("another@example.org")
    await ended(mail, other, "sent")
    record = await mail.get(number)
    assert record is not None and record.state == "bounced"
    assert [taken.recipients for taken in smtp.taken] == [["another@example.org"]]


def pipe(content: bytes, *flags: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "rhinecloud.cli", "mail", "bounce", *flags],
        input=content,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )


async def test_by_standard_input(
    mail: Mail, queue: Queue, database: Database, smtp: MailServer, database_url: str
) -> None:
    number = await queue("someone@example.org")
    token = await database.pool.fetchval("SELECT token FROM mail")
    done = await asyncio.to_thread(pipe, bounce(token), "--database-url", database_url)
    assert done.returncode == 0 and f"{number}  ".encode() in done.stdout and b"bounced" in done.stdout
    done = await asyncio.to_thread(pipe, b"Subject: hello\n\n", "--database-url", database_url)
    assert done.returncode == 0 and b"no report" in done.stdout
    # The mail server keeps the report and comes again.
    done = await asyncio.to_thread(
        pipe, bounce(token), "--database-url", "postgresql://nobody@127.0.0.1:1/none"
    )
    assert done.returncode == 75, done.stdout


@pytest.fixture
def imap() -> Iterator[ImapServer]:
    if dovecot() is None:
        pytest.skip("no IMAP server: Debian's dovecot-imapd is not installed")
    folder = new_folder()
    server = ImapServer(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def test_by_mailbox(
    make_mail: MakeMail, queue: Queue, database: Database, smtp: MailServer, imap: ImapServer
) -> None:
    numbers = [await queue(f"p{n}@example.org") for n in range(60)]
    tokens = [r[0] for r in await database.pool.fetch("SELECT token FROM mail ORDER BY id")]
    mail = make_mail(mailbox=Mailbox.of_url(imap.url))
    assert await mail.collect() == 0
    for n, token in enumerate(tokens):
        imap.deliver(f"report-{n}", bounce(token))
    imap.deliver("other", b"Subject: hello\n\nWho are you?\n")
    imap.deliver("large", bounce("e" * 32) + bytes(3_000_000))
    assert await mail.collect() == 60
    assert [record.state for record in await mail.messages(limit=100)] == ["bounced"] * 60
    assert len(numbers) == 60
    # Each is read once; the mailbox keeps them.
    assert await mail.collect() == 0
    assert len(list((imap.folder / "mail" / "cur").iterdir())) == 62


async def test_a_mail_that_cannot_be_read_keeps_no_other_from_being_read(
    make_mail: MakeMail,
    queue: Queue,
    database: Database,
    smtp: MailServer,
    imap: ImapServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await queue("p@example.org")
    token = await database.pool.fetchval("SELECT token FROM mail")
    mail = make_mail(mailbox=Mailbox.of_url(imap.url))
    report = mail.report

    async def faulty(content: bytes) -> list[int]:
        if b"poison" in content:
            raise ValueError("a fault")
        return await report(content)

    monkeypatch.setattr(mail, "report", faulty)
    imap.deliver("a", b"Subject: poison\n\n")
    imap.deliver("b", bounce(token))
    assert await mail.collect() == 1
    assert await mail.collect() == 0


async def test_a_mailbox_that_is_away(make_mail: MakeMail, imap: ImapServer) -> None:
    wrong = imap.url.replace("secret", "other")
    with pytest.raises(MailboxAway, match="127.0.0.1"):
        await make_mail(mailbox=Mailbox.of_url(wrong)).collect()
    with pytest.raises(MailboxAway):
        await make_mail(mailbox=Mailbox.of_url(imap.url.replace("INBOX", "Nowhere"))).collect()
    imap.stop()
    with pytest.raises(MailboxAway):
        await make_mail(mailbox=Mailbox.of_url(imap.url)).collect()


def test_addresses_of_mailboxes() -> None:
    found = Mailbox.of_url("imaps://u%40x:p%2F@mail.example/Bounces%20here?ca=/ca.pem")
    assert (found.user, found.password, found.port, found.folder) == ("u@x", "p/", 993, "Bounces here")
    assert found.tls and found.ca == "/ca.pem"
    for wrong, words in (
        ("pop3://u:p@h", "imaps://user"),
        ("imaps://h/INBOX", "imaps://user"),
        ("imap://u:p@mail.example", "without encryption"),
    ):
        with pytest.raises(ValueError, match=words):
            Mailbox.of_url(wrong)


def test_the_folder_of_fixtures_is_short(tmp_path: Path) -> None:
    """Dovecot's sockets have names of at most 108 bytes."""
    folder = new_folder()
    assert len(str(folder / "run" / "login" / "ssl-params")) < 100
    folder.rmdir()
