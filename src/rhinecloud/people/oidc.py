"""Sign-in by the city's own identity provider: from what it says of somebody to an account with roles, and a session.

An account belongs to (issuer, subject), never to a mail address that the provider claims. Which roles come of a sign-in
`oidc_roles` says; roles that people gave here stay.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from webauthn.helpers import generate_user_handle

from rhinecloud.broker import Transaction
from rhinecloud.settings import OidcRole, Settings

from . import accounts, organisations
from .oidc_provider import Provider, ProviderFails
from .passkeys import Refused
from .roles import ADMINISTRATOR
from .secrets import digest, draw
from .service import People, person

_LASTING: Final = timedelta(minutes=10)  # of a sign-in that is under way


class Entered(msgspec.Struct, frozen=True):
    """Who came in: the session's secret, and where they wanted to go."""

    session: str
    back: str


class Oidc:
    """Sign-in by the provider that the settings name."""

    def __init__(self, people: People, settings: Settings) -> None:
        assert settings.oidc_issuer is not None and settings.oidc_client_id is not None
        self._people = people
        self._provider = Provider(settings.oidc_issuer, settings.oidc_client_id, _secret(settings))
        self._issuer = settings.oidc_issuer
        self._claim = settings.oidc_claim
        self._scope = settings.oidc_scope
        self._roles = settings.oidc_mapping
        self._city = settings.city_name

    @classmethod
    def of(cls, people: People, settings: Settings) -> Oidc | None:
        """None where there is no provider."""
        return cls(people, settings) if settings.oidc_issuer is not None else None

    async def begin(self, base: str, back: str) -> tuple[str, str]:
        """Where to send a browser, and the state that it keeps in a cookie meanwhile. Raises ProviderFails."""
        state, nonce, verifier = draw(), draw(), draw()
        address = await self._provider.address(_callback(base), state, nonce, verifier, self._scope)
        async with self._people.room.transaction() as connection:
            await connection.execute(
                "INSERT INTO oidc_request (hash, nonce, verifier, back, expires_at) "
                "VALUES ($1, $2, $3, $4, now() + $5)",
                digest(state),
                nonce,
                verifier,
                back,
                _LASTING,
            )
        return address, state

    async def enter(
        self, base: str, given: dict[str, str], state: str | None, device: str, language: str, old: str | None
    ) -> Entered:
        """Take the provider's answer, which came to the browser that began: it alone has the state. Raises
        ProviderFails, Refused."""
        if not state or given.get("state") != state:
            raise ProviderFails("the answer is not for this browser")
        asked = await self._people.room.pool.fetchrow(
            "DELETE FROM oidc_request WHERE hash = $1 RETURNING nonce, verifier, back, expires_at > now() AS holds",
            digest(state),
        )
        if asked is None or not asked["holds"]:
            raise ProviderFails("the sign-in took too long, or was done already")
        named = given.get("iss")
        if named != self._issuer and (named is not None or await self._provider.takes_issuer()):
            raise ProviderFails("the answer is another provider's")
        if "error" in given or not given.get("code"):
            raise ProviderFails(f"the provider says {given.get('error', 'nothing')!r:.100}")
        claims, token = await self._provider.claims(
            given["code"], _callback(base), asked["nonce"], asked["verifier"], self._claim
        )
        async with self._people.transaction() as transaction:
            account = await self._account(transaction, claims, language)
            await self._settle_roles(transaction, account, _values(claims.get(self._claim)))
            session = await self._people.sessions.begin(transaction.connection, account, device, old)
            await transaction.connection.execute(
                "INSERT INTO oidc_session (session, id_token) VALUES ($1, $2)", digest(session), token
            )
        return Entered(session, asked["back"])

    async def leave(self, session: str, base: str) -> str | None:
        """Where to send who signs out of a session, so that the provider's ends too; None if it did not begin there,
        or if the provider is away."""
        token = await self._people.room.pool.fetchval(
            "SELECT id_token FROM oidc_session WHERE session = $1", digest(session)
        )
        try:
            return None if token is None else await self._provider.end(token, f"{base}/")
        except ProviderFails:
            return None

    async def _account(self, transaction: Transaction, claims: dict[str, Any], language: str) -> int:
        connection, subject = transaction.connection, str(claims["sub"])
        # Two sign-ins of one person at once make one account.
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{self._issuer} {subject}"
        )
        record = await connection.fetchrow(
            "SELECT a.id, a.blocked_at FROM oidc_identity i JOIN account a ON a.id = i.account "
            "WHERE i.issuer = $1 AND i.subject = $2",
            self._issuer,
            subject,
        )
        if record is not None:
            if record["blocked_at"] is not None:
                raise Refused("blocked")
            return int(record["id"])
        account = await _make(connection, _name(claims), language)
        await connection.execute(
            "INSERT INTO oidc_identity (issuer, subject, account) VALUES ($1, $2, $3)",
            self._issuer,
            subject,
            account,
        )
        await transaction.audit(person(account), "account.make", person(account), {"by": self._issuer})
        return account

    async def _settle_roles(self, transaction: Transaction, account: int, values: frozenset[str]) -> None:
        connection = transaction.connection
        await organisations.alone(connection)
        wanted = set()
        for one in self._roles:
            if one.value in values:
                wanted.add((await self._organisation(connection, one), one.role))
        had = {
            (record["organisation"], record["role"])
            for record in await connection.fetch(
                "SELECT organisation, role FROM oidc_role WHERE account = $1", account
            )
        }
        for organisation, role in sorted(wanted - had):
            # What somebody was given here already stays theirs when the provider no longer says so.
            if await organisations.join(connection, account, organisation, role):
                await connection.execute(
                    "INSERT INTO oidc_role (account, organisation, role) VALUES ($1, $2, $3)",
                    account,
                    organisation,
                    role,
                )
                detail = {"organisation": organisation, "role": role, "by": self._issuer}
                await transaction.audit("oidc", "membership.give", person(account), detail)
        for organisation, role in sorted(had - wanted):
            if role == ADMINISTRATOR.name and await organisations.administrators(connection) < 2:
                continue  # somebody stays administrator (decision 0023)
            await organisations.leave(connection, account, organisation, role)
            detail = {"organisation": organisation, "role": role, "by": self._issuer}
            await transaction.audit("oidc", "membership.take", person(account), detail)

    async def _organisation(self, connection: asyncpg.Connection, one: OidcRole) -> int:
        if one.organisation is None:
            return await organisations.the_citys(connection, self._city)
        found = await connection.fetchval(
            "SELECT id FROM organisation WHERE lower(name) = lower($1)", one.organisation
        )
        return int(found) if found is not None else await organisations.make(connection, one.organisation)


async def _make(connection: asyncpg.Connection, name: str, language: str) -> int:
    # The provider's mail address is not taken: who owns an address proves it here (decision 0023).
    return await accounts.make(connection, generate_user_handle(), name, None, language)


def _name(claims: dict[str, Any]) -> str:
    for claim in ("name", "preferred_username", "sub"):
        name = " ".join(str(claims.get(claim) or "").split())
        if name and name.isprintable():
            return name[: accounts.LONGEST_NAME]
    return "?"


def _values(claim: Any) -> frozenset[str]:
    """A claim that is one text or a list of them."""
    given = claim if isinstance(claim, list) else [claim]
    return frozenset(one for one in given if isinstance(one, str))


def _callback(base: str) -> str:
    return f"{base}/sign-in/oidc/callback"


def _secret(settings: Settings) -> str | None:
    given = settings.oidc_client_secret
    if given is not None and given.startswith("/"):
        return Path(given).read_text("utf-8").strip()
    return given
