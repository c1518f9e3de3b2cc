"""Make, list and revoke API tokens, while the city is served or stopped.

    rhinecloud token create "Traffic model" --permission graph.internal --permission graph.write
    rhinecloud token list
    rhinecloud token revoke 3

A program sends its token as `Authorization: Bearer rc_…`. It is shown once. A served city is told of a revocation at
once. People with an account make theirs on the page /tokens.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.account import EngineError
from rhinecloud.model.sight import Grant
from rhinecloud.people import OPEN, tokens
from rhinecloud.people.tokens import NotGranted, Token, Wanted
from rhinecloud.people.upkeep import changed
from rhinecloud.store import (
    DEFAULT,
    Connections,
    NotPossible,
    Registry,
    RoomDatabase,
    Rooms,
    Unavailable,
    intake,
    migrations_in,
)
from rhinecloud.store.rooms import Joint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which installation."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a token and print it, this once")
    create.add_argument("name", metavar="NAME", help="what it is for")
    create.add_argument(
        "--permission",
        action="append",
        default=[],
        metavar="NAME",
        help=f"what it may; may be repeated: {', '.join(tokens.givable(OPEN))}",
    )
    create.add_argument(
        "--organisation", metavar="NAME", help="for whom it acts: it reads what is granted to them"
    )
    for name, text in (("type", "entity type (IRI)"), ("scope", "scope"), ("attribute", "attribute (IRI)")):
        create.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar=name.upper(),
            help=f"reads this {text} at most; may be repeated",
        )
    create.add_argument(
        "--days",
        type=int,
        default=tokens.USUAL.days,
        metavar="N",
        help=f"for how long, {tokens.LONGEST.days} at most [%(default)s]",
    )
    listing = actions.add_parser("list", help="tokens that are valid")
    revoke = actions.add_parser("revoke", help="end a token")
    revoke.add_argument("number", type=int, metavar="NUMBER", help="its number, as `list` prints it")
    for one in (create, listing, revoke):
        add_settings(one, ["data", "database_url"])


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    settings = settings_from(arguments)
    do = {"create": _create, "list": _list, "revoke": _revoke}[arguments.action]
    with database(settings, say) as access:
        try:
            asyncio.run(_in_room(access.url, lambda joint: do(joint, arguments)))
        except (NotPossible, NotGranted, LookupError, asyncpg.PostgresError) as error:
            raise EngineError(f"This cannot be done: {error}.") from None
        except Unavailable as error:
            raise EngineError(f"PostgreSQL does not answer: {error or type(error).__name__}") from None
    return 0


async def _in_room(url: str, do: Callable[[Joint], Awaitable[None]]) -> None:
    await Registry(url).prepare(DEFAULT)
    room = await Rooms(url).prepare("room_people", migrations_in("rhinecloud.people"))
    connections = Connections(url, 1)
    people = RoomDatabase(connections, room)
    try:
        async with people.joint() as joint:
            await do(joint)
    finally:
        await people.close()
        await connections.close()


async def _audit(joint: Joint, action: str, number: int, detail: dict[str, Any]) -> None:
    async with joint.of_city() as connection:
        await intake.audit(connection, "command", action, f"token:{number}", detail)


async def _create(joint: Joint, arguments: argparse.Namespace) -> None:
    organisation = None
    if arguments.organisation is not None:
        organisation = await joint.connection.fetchval(
            "SELECT id FROM organisation WHERE lower(name) = lower($1)", arguments.organisation
        )
        if organisation is None:
            raise LookupError(f"there is no organisation {arguments.organisation}")
    reads = Grant(frozenset(arguments.type), frozenset(arguments.scope), frozenset(arguments.attribute))
    wanted = Wanted(
        arguments.name, frozenset(arguments.permission), organisation, reads, timedelta(days=arguments.days)
    )
    tokens.check(wanted, OPEN)
    number, secret = await tokens.make(joint.connection, wanted, None)
    await _audit(joint, "token.create", number, tokens.summary(wanted))
    say(
        f"Token {number} is valid for {arguments.days} days. It is shown this once; send it as\n\n"
        f"  Authorization: Bearer {secret}\n"
    )


async def _list(joint: Joint, arguments: argparse.Namespace) -> None:
    found = await tokens.every(joint.connection)
    for token in found:
        say(_line(token))
    if not found:
        say("There are no tokens.")


def _line(token: Token) -> str:
    used = f"used {token.used_on}" if token.used_on else "never used"
    maker = token.account_name or "the machine's owner"
    of = f" for {token.organisation_name}" if token.organisation_name else ""
    return (
        f"{token.id:>5}  {token.name}{of}, made by {maker}, until {token.expires_at:%Y-%m-%d}, {used}: "
        f"{', '.join(token.permissions) or 'reads what is published'}"
    )


async def _revoke(joint: Joint, arguments: argparse.Namespace) -> None:
    if await tokens.revoke(joint.connection, arguments.number) is None:
        raise LookupError(f"there is no token {arguments.number}")
    await _audit(joint, "token.revoke", arguments.number, {})
    async with joint.of_city() as city:
        await changed(city)
    say(f"Token {arguments.number} is revoked.")
