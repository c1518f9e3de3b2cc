"""Links that let somebody do one thing, once. Looking at what a link leads to uses nothing up: programs that check mail
for bad addresses look at every one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import asyncpg
import msgspec

from .secrets import digest, draw

# register: make an account for an address; recover: a new passkey for an account; address: prove an account's new
# address; invite: become a member of an organisation; first: become the administrator.
Purpose = Literal["register", "recover", "address", "invite", "first"]

LASTING: dict[str, timedelta] = {
    "register": timedelta(hours=2),
    "recover": timedelta(hours=2),
    "address": timedelta(hours=24),
    "invite": timedelta(days=14),
    "first": timedelta(hours=24),
}
_LOCK = 0x4C696E6B  # "Link"


class Link(msgspec.Struct, frozen=True):
    """A link that can still be used. `mail` is where it was sent, None for one that was handed over otherwise."""

    id: int
    purpose: Purpose
    account: int | None
    mail: str | None
    organisation: int | None
    organisation_name: str | None
    role: str | None
    made_by: str
    created_at: datetime
    expires_at: datetime


async def make(
    connection: asyncpg.Connection,
    purpose: Purpose,
    made_by: str,
    *,
    account: int | None = None,
    mail: str | None = None,
    organisation: int | None = None,
    role: str | None = None,
) -> str:
    """A new link; its secret, which is told this once."""
    secret = draw()
    await connection.execute(
        """
        INSERT INTO link (hash, purpose, account, mail, organisation, role, made_by, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, now() + $8)
        """,
        digest(secret),
        purpose,
        account,
        mail,
        organisation,
        role,
        made_by,
        LASTING[purpose],
    )
    return secret


async def find(connection: asyncpg.Connection | asyncpg.Pool, secret: str, *purposes: Purpose) -> Link | None:
    """The link of a secret, if it is for one of these purposes and not over."""
    record = await connection.fetchrow(
        f"{_SELECT} AND l.hash = $1 AND l.purpose = ANY($2::text[])", digest(secret), list(purposes)
    )
    return Link(*record) if record is not None else None


async def lately(connection: asyncpg.Connection, mail: str) -> int:
    """How many links were sent to an address within the last hour and were not used: bounds what strangers can have
    sent to it. Others that want to know at the same time wait until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", mail.lower(), _LOCK)
    return int(
        await connection.fetchval(
            f"SELECT count(*) FROM link l WHERE lower(mail) = lower($1) AND {_NOT_LATER} "
            "AND created_at > now() - interval '1 hour'",
            mail,
        )
    )


async def use(connection: asyncpg.Connection, link: int) -> bool:
    """Use it up, in the transaction of what it is used for; false if somebody else was quicker."""
    return bool(await connection.execute("DELETE FROM link WHERE id = $1", link) != "DELETE 0")


async def withdraw(connection: asyncpg.Connection, purpose: Purpose, link: int) -> bool:
    """Take one back; false if there is none such."""
    status = await connection.execute("DELETE FROM link WHERE id = $1 AND purpose = $2", link, purpose)
    return bool(status != "DELETE 0")


async def open_invitations(pool: asyncpg.Pool) -> list[Link]:
    """Invitations that nobody took up yet, the newest first."""
    records = await pool.fetch(f"{_SELECT} AND l.purpose = 'invite' ORDER BY l.id DESC LIMIT 500")
    return [Link(*record) for record in records]


# A clock that was put back makes no link hold for longer, and keeps nobody from asking for another.
_NOT_LATER = "l.created_at < now() + interval '1 hour'"
_SELECT = f"""
SELECT l.id, l.purpose, l.account, l.mail, l.organisation, o.name AS organisation_name, l.role, l.made_by,
       l.created_at, l.expires_at
FROM link l LEFT JOIN organisation o ON o.id = l.organisation WHERE l.expires_at > now() AND {_NOT_LATER}
"""
