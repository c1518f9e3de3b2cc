"""Sessions: who signed in with a browser, until they end them or do nothing for long.

The browser has a secret in a cookie, the table its hash. Each sign-in draws a new one, so that nobody can put a known
secret under somebody else. The gate (`people/gate.py`) calls `Sessions.find` and puts what it finds into the ASGI
scope under `SCOPE`, where the pages of accounts read which session is theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import msgspec

from rhinecloud.settings import Settings

from .secrets import digest, draw

SCOPE: Final = "rhinecloud.session"


class Membership(msgspec.Struct, frozen=True):
    """A role that somebody has in an organisation."""

    organisation: int
    organisation_name: str
    role: str


class Session(msgspec.Struct, frozen=True):
    """A sign-in that holds. `id` is shown to people; `account` is the account's number (`person:17` in the audit)."""

    id: int
    account: int
    name: str
    mail: str | None
    language: str
    memberships: tuple[Membership, ...]
    device: str
    signed_in_at: datetime
    seen_at: datetime
    expires_at: datetime


class Sessions:
    """The sessions of an installation. `pool` is the room's (search path `room_people`); `idle` and `lasting` are how
    long one may lie unused, and how long it lasts at most."""

    def __init__(self, pool: asyncpg.Pool, idle: timedelta, lasting: timedelta) -> None:
        self._pool = pool
        self._idle = idle
        self._lasting = lasting

    @property
    def lasting(self) -> timedelta:
        """How long a session lasts at most; the cookie is kept no longer."""
        return self._lasting

    async def find(self, secret: str) -> Session | None:
        """The session of a cookie's secret; None if it ended, lay unused for too long, or the account is blocked.

        That it was used is written down once a minute at most. One that was used later than now, for the clock was put
        back, goes on, and lasts no longer from now on than any other.
        """
        record = await self._pool.fetchrow(_FIND, digest(secret), self._idle, self._lasting)
        return _session(record) if record is not None else None

    async def begin(
        self, connection: asyncpg.Connection, account: int, device: str, old: str | None = None
    ) -> str:
        """Begin one and return the cookie's secret; the session of an `old` secret ends. In the caller's
        transaction."""
        if old is not None:
            await connection.execute("DELETE FROM session WHERE hash = $1", digest(old))
        secret = draw()
        await connection.execute(
            "INSERT INTO session (hash, account, device, expires_at) VALUES ($1, $2, $3, now() + $4)",
            digest(secret),
            account,
            device,
            self._lasting,
        )
        return secret

    async def end(self, secret: str) -> None:
        """Sign out."""
        await self._pool.execute("DELETE FROM session WHERE hash = $1", digest(secret))

    async def of(self, account: int) -> Sequence[Session]:
        """All that hold, the one used last first."""
        return [_session(record) for record in await self._pool.fetch(_OF_ACCOUNT, account, self._idle)]

    async def sweep(self) -> int:
        """Forget those that ended; returns how many. Those of a clock that was put back last no longer than others."""
        await self._pool.execute(_PUT_BACK, self._lasting)
        status = await self._pool.execute(
            "DELETE FROM session WHERE expires_at < now() OR seen_at < now() - $1::interval", self._idle
        )
        return int(status.rpartition(" ")[2])


async def end_one(connection: asyncpg.Connection, account: int, session: int) -> bool:
    """End one of an account's sessions; false if there is none such."""
    status: str = await connection.execute(
        "DELETE FROM session WHERE account = $1 AND id = $2", account, session
    )
    return status != "DELETE 0"


async def end_all(connection: asyncpg.Connection, account: int, but: int | None = None) -> None:
    """End all sessions of an account, or all `but` one."""
    await connection.execute(
        "DELETE FROM session WHERE account = $1 AND id IS DISTINCT FROM $2", account, but
    )


def is_secure(settings: Settings) -> bool:
    """Whether browsers reach this installation over TLS, ours or a proxy's."""
    own = settings.tls_cert is not None or bool(settings.acme_names)
    return own or urlsplit(settings.public_url or "").scheme == "https"


def cookie_name(settings: Settings) -> str:
    """The session's cookie. Browsers take `__Host-` only with Secure and without Domain (RFC 6265bis §4.1.3.2), so a
    neighbouring host cannot set it; without TLS, on a loopback address, they would not take it at all."""
    return "__Host-rhinecloud" if is_secure(settings) else "rhinecloud"


_COLUMNS = """
s.id, s.account, a.name, a.mail, a.language, s.device, s.created_at, s.seen_at, s.expires_at,
(SELECT coalesce(jsonb_agg(jsonb_build_array(o.id, o.name, m.role) ORDER BY o.name, m.role), '[]')
 FROM membership m JOIN organisation o ON o.id = m.organisation WHERE m.account = s.account)::text AS memberships
"""
_HOLDS = "s.expires_at > now() AND s.seen_at > now() - $2::interval AND a.blocked_at IS NULL"
_FIND = f"""
WITH used AS (
    UPDATE session SET seen_at = now(), expires_at = least(expires_at, now() + $3::interval)
    WHERE hash = $1 AND expires_at > now() AND seen_at > now() - $2::interval
        AND seen_at NOT BETWEEN now() - interval '1 minute' AND now() + interval '1 minute'
)
SELECT {_COLUMNS} FROM session s JOIN account a ON a.id = s.account WHERE s.hash = $1 AND {_HOLDS}
"""
_PUT_BACK = """
UPDATE session SET seen_at = now(), expires_at = least(expires_at, now() + $1::interval)
WHERE seen_at > now() + interval '1 minute' OR expires_at > now() + $1::interval
"""
_OF_ACCOUNT = f"""
SELECT {_COLUMNS} FROM session s JOIN account a ON a.id = s.account WHERE s.account = $1 AND {_HOLDS}
ORDER BY s.seen_at DESC, s.id DESC
"""


def _session(record: asyncpg.Record) -> Session:
    memberships = msgspec.json.decode(record["memberships"], type=list[tuple[int, str, str]])
    return Session(
        record["id"],
        record["account"],
        record["name"],
        record["mail"],
        record["language"],
        tuple(Membership(*one) for one in memberships),
        record["device"],
        record["created_at"],
        record["seen_at"],
        record["expires_at"],
    )
