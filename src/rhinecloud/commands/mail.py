"""Look after mail: try whether it can be sent, see what became of it, take in reports about it.

rhinecloud mail test somebody@example.org
rhinecloud mail list --state bounced
rhinecloud mail show 17
rhinecloud mail retry 17
rhinecloud mail bounce < report.eml
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.account import EngineError
from rhinecloud.mail import STATES, BadAddress, Mail, Record
from rhinecloud.store import Database, Unavailable
from rhinecloud.web.language import tongues

_TRY_LATER = 75  # sysexits.h EX_TEMPFAIL: a mail server that pipes a report in keeps it and comes again
_LARGEST = 1_000_000  # bytes of a report that are read
_PATIENCE = 120.0  # seconds to wait for a test message

Action = Callable[[Mail, Database, argparse.Namespace], Awaitable[int]]


class _CannotDo(EngineError):
    """What was asked cannot be done, for a reason that has nothing to do with the database."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which installation."""
    parser.add_argument(
        "action",
        choices=sorted(_ACTIONS),
        help="test: send a test message to TARGET and wait; list: the newest; show, retry: the message of the number "
        "TARGET; bounce: read a report from standard input",
    )
    parser.add_argument("target", nargs="?", help="an address, or the number of a message")
    parser.add_argument("--state", action="append", choices=STATES, help="list only these (may be repeated)")
    parser.add_argument("--recipient", help="list only those to this address")
    parser.add_argument("--limit", type=int, default=50, help="list so many")
    parser.add_argument("--language", default="de", help="language of the test message: de or en")
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; for `bounce` 75 tells the mail server to come again."""
    settings = settings_from(arguments)
    if (arguments.target is None) == (arguments.action in ("test", "show", "retry")):
        raise EngineError(
            f"rhinecloud mail {arguments.action} "
            + ("needs a target: see --help." if arguments.target is None else "takes no target.")
        )

    async def act(url: str) -> int:
        opened = await Database.open(url, migrate=False, size=4)
        try:
            mail = Mail.of_settings(opened, settings, tongues(settings.time_zone))
            return await _ACTIONS[arguments.action](mail, opened, arguments)
        finally:
            await opened.close()

    try:
        with database(settings, _quiet if arguments.action == "bounce" else say) as access:
            return asyncio.run(act(access.url))
    except _CannotDo:
        raise  # told as it is: nothing is wrong with the database
    except (EngineError, *Unavailable) as error:
        if arguments.action == "bounce":
            print(error, file=sys.stderr)
            return _TRY_LATER
        raise EngineError(f"The database cannot be used: {error}") from None


async def _test(mail: Mail, opened: Database, arguments: argparse.Namespace) -> int:
    if mail.server is None:
        raise _CannotDo("No mail server is set: RHINECLOUD_MAIL_SERVER, --mail-server.")
    try:
        async with opened.transaction() as connection:
            number = await mail.queue(
                connection,
                "test",
                arguments.target,
                {"at": datetime.now(UTC)},
                app="mail",
                language=arguments.language,
            )
    except BadAddress as error:
        raise _CannotDo(str(error)) from None
    say(f"Message {number} is queued …")
    # It is sent here, or by a worker that serves: whoever is elected.
    mail.open()
    try:
        record = await _end(mail, number)
    finally:
        await mail.close()
    say(_told(record))
    if record.state == "queued":
        say("It stays in the queue and is tried again while the city is served.")
    return 0 if record.state in ("sent", "delivered") else 1


async def _end(mail: Mail, number: int) -> Record:
    """The message when something was said about it, or when that took too long."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        record = await mail.get(number)
        assert record is not None
        if record.state != "queued" or record.answer or asyncio.get_running_loop().time() > deadline:
            return record
        await asyncio.sleep(0.2)


async def _list(mail: Mail, opened: Database, arguments: argparse.Namespace) -> int:
    found = await mail.messages(
        states=arguments.state or (), recipient=arguments.recipient, limit=arguments.limit
    )
    for record in found:
        say(_told(record))
    say(f"{len(found)} messages.")
    return 0


async def _show(mail: Mail, opened: Database, arguments: argparse.Namespace) -> int:
    record = await mail.get(_number(arguments.target))
    if record is None:
        raise _CannotDo(f"There is no message {arguments.target}.")
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if value is not None:
            shown = value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
            say(f"{name.replace('_', ' '):<12}{shown}")
    return 0


async def _retry(mail: Mail, opened: Database, arguments: argparse.Namespace) -> int:
    if not await mail.retry(_number(arguments.target), f"command:{os.environ.get('USER', os.geteuid())}"):
        raise _CannotDo(f"Message {arguments.target} is none that was refused or given up.")
    say(f"Message {arguments.target} is queued again.")
    return 0


async def _bounce(mail: Mail, opened: Database, arguments: argparse.Namespace) -> int:
    content = await asyncio.to_thread(sys.stdin.buffer.read, _LARGEST)
    found = await mail.report(content)
    if not found:
        say("It is no report about a message of ours.")
    for number in found:
        record = await mail.get(number)
        if record is not None:
            say(_told(record))
    return 0


def _told(record: Record) -> str:
    at = record.created_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    answer = f": {record.answer}" if record.answer else ""
    return f"{record.id}  {at}  {record.state:<9}  {record.recipient}  {record.app}/{record.letter}{answer}"


def _number(text: str) -> int:
    if not text.isdigit():
        raise _CannotDo(f"{text} is no number of a message.")
    return int(text)


def _quiet(text: str) -> None:
    """Whoever pipes a report in does not read how the database starts."""


_ACTIONS: dict[str, Action] = {
    "test": _test,
    "list": _list,
    "show": _show,
    "retry": _retry,
    "bounce": _bounce,
}
