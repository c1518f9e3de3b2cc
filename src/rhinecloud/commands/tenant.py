"""Make, list and remove tenants, while the city is served or stopped.

A tenant has a graph, subscriptions and @contexts of its own. NGSI-LD clients name it in the header NGSILD-Tenant; who
names none means the default tenant, which is always there.

    rhinecloud tenant add port
    rhinecloud tenant list
    rhinecloud tenant remove port --yes

`remove` deletes all that the tenant has, for good. It asks for the name again.
"""

from __future__ import annotations

import argparse
import asyncio

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.account import EngineError
from rhinecloud.store import DEFAULT, BeingRemoved, NotLetIn, NotPossible, Registry, Unavailable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which installation."""
    parser.add_argument("action", choices=["add", "list", "remove"], help="what to do")
    parser.add_argument(
        "name", nargs="?", help="a lower-case letter, then at most 30 of these, digits and underscores"
    )
    parser.add_argument("--yes", action="store_true", help="remove: I know that everything of it is deleted")
    add_settings(parser, ["data", "database_url"])


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    settings = settings_from(arguments)
    if (arguments.name is None) != (arguments.action == "list"):
        raise EngineError(
            f"rhinecloud tenant {arguments.action} "
            + ("takes no name." if arguments.action == "list" else "needs the name of a tenant.")
        )
    with database(settings, say) as access:
        registry = Registry(access.url)
        try:
            if arguments.action == "list":
                asyncio.run(_list(registry))
            elif arguments.action == "add":
                asyncio.run(_add(registry, arguments.name))
            else:
                _remove(registry, arguments.name, yes=arguments.yes)
        except (NotPossible, *NotLetIn, ValueError) as error:
            raise EngineError(f"This cannot be done: {error}.") from None
        except Unavailable as error:
            raise EngineError(f"PostgreSQL does not answer: {error or type(error).__name__}") from None
    return 0


async def _list(registry: Registry) -> None:
    await registry.prepare(DEFAULT)
    sizes = await registry.sizes()
    for tenant in await registry.every():
        size = f"{sizes[tenant.name] / 1e6:,.1f} MB"
        default = "   (default)" if tenant.name == DEFAULT else ""
        say(f"{tenant.name:<32} {size:>14}   since {tenant.created_at:%Y-%m-%d}{default}")


async def _add(registry: Registry, name: str) -> None:
    await registry.prepare(DEFAULT)
    if await registry.find(name) is not None:
        raise EngineError(f"There is a tenant {name} already.")
    try:
        await registry.prepare(name)
    except BeingRemoved:
        raise EngineError(
            f"A former tenant {name} is not removed completely. Call: rhinecloud tenant remove {name} --yes"
        ) from None
    say(f"The tenant {name} is there. Clients name it: NGSILD-Tenant: {name}")


def _remove(registry: Registry, name: str, *, yes: bool) -> None:
    if name == DEFAULT:
        raise EngineError(f"{name} is the default tenant, which always exists (CIM 009 §4.14).")
    if not yes:
        raise EngineError(
            f"This would delete all entities, their history, the subscriptions and the @contexts of {name}, for good. "
            "Say --yes if you want that."
        )
    try:
        again = input(
            f"Everything of the tenant is deleted. Its name again, to be sure it is {name}: "
        ).strip()
    except EOFError:
        again = ""
    if again != name:
        raise EngineError("That is not its name: nothing was removed.")
    if not asyncio.run(registry.remove(name)):
        raise EngineError(f"There is no tenant {name}.")
    say(f"The tenant {name} and all that it had are removed.")
