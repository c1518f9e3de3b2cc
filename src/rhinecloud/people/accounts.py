"""Accounts: who somebody is here. A name of their choice, a mail address if they want one, nothing else."""

from __future__ import annotations

from datetime import datetime

import asyncpg
import msgspec

from .sessions import Membership

LONGEST_NAME = 80


class Account(msgspec.Struct, frozen=True):
    """An account. `handle` is what authenticators know it by; `issuers` are identity providers that know it."""

    id: int
    handle: bytes
    name: str
    mail: str | None
    language: str
    created_at: datetime
    blocked_at: datetime | None
    memberships: tuple[Membership, ...] = ()
    passkeys: int = 0
    issuers: tuple[str, ...] = ()


class MailTaken(Exception):
    """Another account has this address."""


async def get(connection: asyncpg.Connection | asyncpg.Pool, account: int) -> Account | None:
    """The account of a number."""
    record = await connection.fetchrow(f"{_SELECT} WHERE a.id = $1", account)
    return _account(record) if record is not None else None


async def of_mail(connection: asyncpg.Connection | asyncpg.Pool, mail: str) -> Account | None:
    """The account that has proved to own an address. Small and capital letters are the same."""
    record = await connection.fetchrow(f"{_SELECT} WHERE lower(a.mail) = lower($1)", mail)
    return _account(record) if record is not None else None


async def make(
    connection: asyncpg.Connection, handle: bytes, name: str, mail: str | None, language: str
) -> int:
    """A new account; its number. Raises MailTaken."""
    number = await connection.fetchval(
        "INSERT INTO account (handle, name, mail, language) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT ((lower(mail))) DO NOTHING RETURNING id",
        handle,
        name,
        mail,
        language,
    )
    if number is None:
        raise MailTaken
    return int(number)


async def change(connection: asyncpg.Connection, account: int, name: str, language: str) -> None:
    """Another name, another language of letters."""
    await connection.execute(
        "UPDATE account SET name = $2, language = $3 WHERE id = $1", account, name, language
    )


async def set_mail(connection: asyncpg.Connection, account: int, mail: str | None) -> None:
    """Another address, or none. Raises MailTaken."""
    try:
        async with connection.transaction():
            await connection.execute("UPDATE account SET mail = $2 WHERE id = $1", account, mail)
    except asyncpg.UniqueViolationError:
        raise MailTaken from None


async def block(connection: asyncpg.Connection, account: int, *, blocked: bool) -> bool:
    """Let somebody in no more, or again; false if that is so already, or there is no such account."""
    status = await connection.execute(
        "UPDATE account SET blocked_at = CASE WHEN $2 THEN now() END "
        "WHERE id = $1 AND (blocked_at IS NULL) = $2",
        account,
        blocked,
    )
    return bool(status != "UPDATE 0")


async def delete(connection: asyncpg.Connection, account: int) -> bool:
    """Delete an account with its passkeys, sessions, memberships and links."""
    return bool(await connection.execute("DELETE FROM account WHERE id = $1", account) != "DELETE 0")


async def page(
    pool: asyncpg.Pool, search: str, organisation: int | None, offset: int, limit: int
) -> tuple[list[Account], int]:
    """Accounts by name, and how many there are in all. `search` is a part of name or address."""
    where = """
        WHERE (position(lower($1) IN lower(a.name)) > 0 OR position(lower($1) IN lower(a.mail)) > 0)
          AND ($2::bigint IS NULL
               OR EXISTS (SELECT FROM membership m WHERE m.account = a.id AND m.organisation = $2))
    """
    total = await pool.fetchval(f"SELECT count(*) FROM account a {where}", search, organisation)
    records = await pool.fetch(
        f"{_SELECT} {where} ORDER BY lower(a.name), a.id OFFSET $3 LIMIT $4",
        search,
        organisation,
        offset,
        limit,
    )
    return [_account(record) for record in records], int(total)


_SELECT = """
SELECT a.id, a.handle, a.name, a.mail, a.language, a.created_at, a.blocked_at,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(o.id, o.name, m.role) ORDER BY lower(o.name), m.role), '[]')
        FROM membership m JOIN organisation o ON o.id = m.organisation WHERE m.account = a.id)::text AS memberships,
       (SELECT count(*) FROM passkey p WHERE p.account = a.id) AS passkeys,
       ARRAY(SELECT DISTINCT i.issuer FROM oidc_identity i WHERE i.account = a.id) AS issuers
FROM account a
"""


def _account(record: asyncpg.Record) -> Account:
    memberships = msgspec.json.decode(record["memberships"], type=list[tuple[int, str, str]])
    return Account(
        record["id"],
        record["handle"],
        record["name"],
        record["mail"],
        record["language"],
        record["created_at"],
        record["blocked_at"],
        tuple(Membership(*one) for one in memberships),
        record["passkeys"],
        tuple(record["issuers"]),
    )
