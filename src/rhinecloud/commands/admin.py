"""Make a link with which somebody becomes an administrator, while the city is served or stopped.

    rhinecloud admin link

Whoever opens the link makes a passkey, or signs in, and may do everything from then on. It works once, for 24 hours;
a link that was made before works no more. A first start prints one by itself.
"""

from __future__ import annotations

import argparse
import asyncio

import asyncpg

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.account import EngineError
from rhinecloud.people.service import first_link
from rhinecloud.settings import Settings
from rhinecloud.store import DEFAULT, NotPossible, Registry, Rooms, Unavailable, migrations_in
from rhinecloud.store.roles import sign_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which installation."""
    parser.add_argument("action", choices=["link"], help="what to do")
    parser.add_argument("--first", action="store_true", help="only if nobody is an administrator yet")
    add_settings(parser, ["data", "database_url", "host", "port", "public_url", "tls_cert", "tls_key"])


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    settings = settings_from(arguments)
    with database(settings, say) as access:
        try:
            secret = asyncio.run(_link(access.url, only_if_nobody=arguments.first))
        except (NotPossible, asyncpg.PostgresError) as error:
            raise EngineError(f"This cannot be done: {error}.") from None
        except Unavailable as error:
            raise EngineError(f"PostgreSQL does not answer: {error or type(error).__name__}") from None
    if secret is not None:
        say(
            "Whoever opens this link within 24 hours becomes an administrator. It works once:\n\n"
            f"  {_address(settings)}/first/{secret}\n"
        )
    return 0


async def _link(url: str, *, only_if_nobody: bool) -> str | None:
    await Registry(url).prepare(DEFAULT)
    room = await Rooms(url).prepare("room_people", migrations_in("rhinecloud.people"))
    connection = await sign_in(url, room.login)
    try:
        async with connection.transaction():
            return await first_link(connection, only_if_nobody=only_if_nobody)
    finally:
        await connection.close()


def _address(settings: Settings) -> str:
    """Where passkeys are made: the public address, else this machine by the name that browsers take them for."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.tls_cert is not None else "http"
    return f"{scheme}://localhost:{settings.port}"
