"""Roles of PostgreSQL that own one schema and sign in for it: what tenants and rooms have in common.

A connection that signed in as such a role reaches its schema and no other, whatever SQL it is brought to run
(docs/decisions/0016-tenants.md).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets

import asyncpg
import msgspec

_ITERATIONS = 4096
_TERMINATION = 10.0  # seconds that the connections of a role that is removed may take to end

# PostgreSQL does not let a role in: it is gone, it may not sign in, or pg_hba.conf has no line for it.
NotLetIn = (asyncpg.InvalidAuthorizationSpecificationError,)


class NotPossible(Exception):
    """PostgreSQL does not let the application do what is needed; the message says what to change."""


class Login(msgspec.Struct, frozen=True):
    """A role that signs in, and the schema that its connections look into."""

    role: str
    password: str
    schema: str


def new_login(stem: str, schema: str) -> Login:
    """A login that nobody has: roles belong to the whole server, where other databases have schemas of this name."""
    return Login(f"rhinecloud_{stem}_{secrets.token_hex(4)}", secrets.token_urlsafe(24), schema)


def session(login: Login) -> dict[str, str]:
    """Settings of every connection of a login."""
    return {
        "search_path": f"{login.schema},public",
        "application_name": "rhinecloud",
        "timezone": "UTC",
        "jit": "off",
    }


async def sign_in(url: str, login: Login) -> asyncpg.Connection:
    """A connection of the login's own. Raises NotPossible when PostgreSQL does not let it in."""
    try:
        return await asyncpg.connect(
            url, user=login.role, password=login.password, server_settings=session(login)
        )
    except NotLetIn as error:
        raise NotPossible(
            f"PostgreSQL does not let the role {login.role} of the schema {login.schema} in: pg_hba.conf must let "
            f"roles whose names begin with rhinecloud_ sign in with a password ({error})"
        ) from None


_ADMINISTERS = "pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION')"
_CREATES_ROLES = (
    "(SELECT own.rolcreaterole OR own.rolsuper FROM pg_roles own WHERE own.rolname = current_user)"
)


async def settle_role(connection: asyncpg.Connection, login: Login, stem: str) -> Login:
    """The role is there, signs in, and the application is a member of it.

    Another login is returned where a role of this name is another installation's. Raises NotPossible.
    """
    # Before PostgreSQL 16 CREATEROLE was a right over all roles, and a membership was all of it.
    old = _is_old(connection)
    found = await connection.fetchrow(
        f"""
        SELECT rolcanlogin AS enters, {_CREATES_ROLES if old else _ADMINISTERS} AS ours,
               pg_has_role(current_user, oid, 'USAGE') AND pg_has_role(current_user, oid, $2) AS granted
        FROM pg_roles WHERE rolname = $1
        """,
        login.role,
        "USAGE" if old else "SET",
    )
    if found is not None and found["enters"] and found["granted"]:
        return login
    if found is not None and not found["ours"]:  # restored beside an installation that has it already
        login, found = new_login(stem, login.schema), None
    verb = "CREATE" if found is None else "ALTER"
    name = await connection.fetchval("SELECT current_user")
    try:
        await connection.execute(
            f"{verb} ROLE {login.role} LOGIN NOINHERIT PASSWORD '{_verifier(login.password)}'"
        )
        if found is None or not found["granted"]:
            # To make its schema and to back it up; CREATEROLE alone gives no more than the right to grant this.
            whole = "" if old else "WITH INHERIT TRUE, SET TRUE"
            await connection.execute(f"GRANT {login.role} TO CURRENT_USER {whole}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise NotPossible(
            f"each tenant, room and app needs a role of its own in PostgreSQL, and {name} may not create roles: "
            f"ALTER ROLE {name} CREATEROLE ({error})"
        ) from None
    return login


async def let_become(connection: asyncpg.Connection, member: str, role: str) -> None:
    """`member` may SET ROLE to `role`, and has none of its rights before."""
    old = _is_old(connection)
    if not await connection.fetchval(
        "SELECT pg_has_role($1, $2, $3)", member, role, "MEMBER" if old else "SET"
    ):
        await connection.execute(
            f"GRANT {role} TO {member}" + ("" if old else " WITH INHERIT FALSE, SET TRUE")
        )


async def settle_schema(connection: asyncpg.Connection, login: Login) -> bool:
    """The role owns the schema and all that is in it; whether that was another's before."""
    owner = await connection.fetchval(
        "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $1", login.schema
    )
    if owner is None:
        await connection.execute(f"CREATE SCHEMA {login.schema} AUTHORIZATION {login.role}")
    elif owner != login.role:
        await connection.execute(f"ALTER SCHEMA {login.schema} OWNER TO {login.role}")
        for command in await connection.fetch(_GIVE_AWAY, login.schema, login.role):
            await connection.execute(command[0])
        return True
    return False


async def lock_out(connection: asyncpg.Connection, role: str) -> None:
    """The role signs in no more, and its connections are over when this returns. Raises TimeoutError."""
    if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await connection.execute(f"ALTER ROLE {role} NOLOGIN")
        async with asyncio.timeout(_TERMINATION):
            while await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1", role
            ):
                await asyncio.sleep(0.02)


async def disown(connection: asyncpg.Connection, role: str) -> None:
    """Delete all that is the role's in this database."""
    if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await connection.execute(f"DROP OWNED BY {role}")


async def drop_role(connection: asyncpg.Connection, role: str) -> None:
    """Delete the role, unless a copy of this installation in another database of the same server uses it too."""
    try:
        await connection.execute(f"DROP ROLE IF EXISTS {role}")
    except asyncpg.DependentObjectsStillExistError:
        return


def _is_old(connection: asyncpg.Connection) -> bool:
    major: int = connection.get_server_version().major
    return major < 16


def _verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), so that the password itself is in no log of statements."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{text[0]}${text[1]}:{text[2]}"


# Sequences of columns, indexes and types of rows go with their tables.
_GIVE_AWAY = """
SELECT format('ALTER %s %s OWNER TO %I',
              CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                           ELSE 'TABLE' END, format('%I.%I', $1::text, relname), $2::text)
FROM pg_class c WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND c.relkind = 'S' AND d.deptype IN ('a', 'i'))
UNION ALL
SELECT format('ALTER TYPE %I.%I OWNER TO %I', $1::text, typname, $2::text)
FROM pg_type WHERE typnamespace = $1::text::regnamespace AND typtype IN ('e', 'd', 'r')
UNION ALL
SELECT format('ALTER ROUTINE %s OWNER TO %I', oid::regprocedure, $2::text)
FROM pg_proc WHERE pronamespace = $1::text::regnamespace
"""
