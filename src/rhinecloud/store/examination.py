"""What `rhinecloud check` says about tenants and rooms in a city's own PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg

from .database import Unavailable
from .migrations import graph_migrations
from .roles import NotPossible, sign_in
from .rooms import Rooms
from .tenants import Registry
from .versions import TooNew, installed, last_served, refuse_newer


async def examine_version(url: str) -> AsyncIterator[tuple[str, str]]:
    """A level ("good", "note" or "wrong") and a sentence: whether this program may serve these data."""
    try:
        connection = await asyncpg.connect(url)
    except (*Unavailable, asyncpg.PostgresError):
        return
    try:
        version = await last_served(connection)
        platform, tenant = ([name for name, _ in files] for files in graph_migrations().values())
        tables = await connection.fetch(
            "SELECT table_schema AS schema FROM information_schema.columns WHERE table_name = 'migration' "
            "AND column_name = 'one_way' AND (table_schema = 'rhinecloud' OR table_schema LIKE 'tenant\\_%')"
        )
        for table in tables:
            known = platform if table["schema"] == "rhinecloud" else tenant
            await refuse_newer(connection, f"{table['schema']}.migration", known)
    except TooNew as error:
        yield "wrong", str(error)[0].upper() + str(error)[1:]
        return
    except asyncpg.InsufficientPrivilegeError:
        return  # told by who looks at roles
    finally:
        await connection.close()
    if version is None:
        return
    if version == installed():
        yield "good", f"The data were served by this version, {version}"
    else:
        yield (
            "note",
            f"The data were last served by Rhine Cloud {version}; this is {installed()}, which may serve them.",
        )


async def examine_tenants(url: str) -> AsyncIterator[tuple[str, str]]:
    """Levels ("good" or "wrong") and sentences. Signs in as the application and as each tenant, and changes nothing."""
    try:
        connection = await asyncpg.connect(url)
    except (*Unavailable, asyncpg.PostgresError):
        return  # told by who looks at PostgreSQL itself
    try:
        role, may_create = await connection.fetchrow(
            "SELECT rolname, rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        there = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON "
            "n.oid = c.relnamespace WHERE nspname = 'rhinecloud' AND relname = 'tenant' AND attname = 'leaving_since' "
            "AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))"
        )
        open_to_all = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_namespace, aclexplode(nspacl) "
            "WHERE nspname = 'public' AND grantee = 0 AND privilege_type = 'CREATE')"
        )
    finally:
        await connection.close()
    if may_create:
        yield "good", f"The role {role} may make a role for each tenant"
    else:
        yield (
            "wrong",
            f"Each tenant has a role of its own, and {role} may not create roles: ALTER ROLE {role} CREATEROLE;",
        )
    if open_to_all:
        yield (
            "wrong",
            "Every tenant may put things in the schema public, where all others would meet them: "
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC;",
        )
    if not there:
        return
    logins = [(f"the tenant {tenant.name}", tenant.login) for tenant in await Registry(url).every()]
    for room in await Rooms(url).every():
        logins += [(room.name, room.login), (f"the transactions of {room.name}", room.joint)]
    for whose, login in logins:
        try:
            own = await sign_in(url, login)
        except (NotPossible, *Unavailable) as error:
            yield (
                "wrong",
                f"The role {login.role} of {whose} cannot sign in: pg_hba.conf needs a line for the "
                f"roles whose names begin with rhinecloud_, with scram-sha-256 ({error})",
            )
        else:
            await own.close()
            yield "good", f"{whose[0].upper()}{whose[1:]} signs in as {login.role}"
