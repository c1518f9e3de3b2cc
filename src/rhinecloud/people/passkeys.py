"""Passkeys: what an authenticator is asked, and what it answers (W3C Web Authentication, §7.1 and §7.2).

An authenticator is asked to verify its user and to keep the account's handle (a discoverable credential), so that
nobody types who they are. What it is and who made it is not asked for: no attestation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec
import webauthn
from webauthn.helpers import parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from rhinecloud.settings import Settings

from .secrets import digest

_ANSWERED_WITHIN = timedelta(
    minutes=15
)  # a page that offers passkeys in a field waits as long as it lies open
_TIMEOUT = 300_000  # milliseconds that a browser gives people; WCAG 2.2.1 wants it to be generous
_TRANSPORTS = {transport.value for transport in AuthenticatorTransport}


class Refused(Exception):
    """An authenticator's answer is not accepted. `reason`: `expired` (nothing such was asked, or too long ago),
    `unknown` (there is no such passkey), `blocked` (its account is), `invalid`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class RelyingParty(msgspec.Struct, frozen=True):
    """For whom passkeys are made: the name of the host that they are bound to, and the only origin that is taken."""

    id: str
    origin: str
    name: str

    @classmethod
    def of(cls, settings: Settings, scheme: str, host: str) -> RelyingParty | None:
        """Ours (see `origin_of`). None where browsers make no passkeys: without TLS but on localhost, and at an address
        in numbers (§5.1.3: the id is a domain)."""
        origin = origin_of(settings, scheme, host)
        if origin is None:
            return None
        parts = urlsplit(origin)
        name = parts.hostname or ""
        if not name or _is_number(name) or (parts.scheme != "https" and name != "localhost"):
            return None
        return cls(name, origin, f"Rhine Cloud {settings.city_name}")


def origin_of(settings: Settings, scheme: str, host: str) -> str | None:
    """Our own address: the public one, else `localhost` as it was asked for; never what a request merely says, for
    anybody's name may point here. None where there is neither."""
    if settings.public_url is not None:
        public = urlsplit(settings.public_url)
        return f"{public.scheme}://{public.netloc}"
    return f"{scheme}://{host}" if urlsplit(f"//{host}").hostname == "localhost" else None


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Passkey(msgspec.Struct, frozen=True):
    """A passkey as its owner sees it. `backed_up`: it is kept beyond the device that made it."""

    id: int
    name: str
    backed_up: bool
    created_at: datetime
    used_at: datetime | None


class Made(msgspec.Struct, frozen=True):
    """A credential that was made, verified."""

    credential: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]
    backed_up: bool


async def ask_to_make(
    pool: asyncpg.Pool, party: RelyingParty, purpose: str, *, handle: bytes, name: str, known: Sequence[bytes]
) -> dict[str, Any]:
    """The options for `navigator.credentials.create`. `known`: credentials of which the authenticator shall not make a
    second; `purpose` is what the answer has to be for."""
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=handle,
        user_name=name,
        timeout=_TIMEOUT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
    )
    await _keep(pool, options.challenge, purpose, handle)
    return _plain(webauthn.options_to_json(options))


async def ask_to_sign(pool: asyncpg.Pool, party: RelyingParty) -> dict[str, Any]:
    """The options for `navigator.credentials.get`, of whichever passkey the browser has for us."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id, timeout=_TIMEOUT, user_verification=UserVerificationRequirement.REQUIRED
    )
    await _keep(pool, options.challenge, "sign-in", None)
    return _plain(webauthn.options_to_json(options))


async def made(
    pool: asyncpg.Pool, party: RelyingParty, purpose: str, answer: dict[str, Any]
) -> tuple[bytes, Made]:
    """The account's handle and the credential of an answer to `ask_to_make` (§7.1). Raises Refused."""
    challenge, handle = await _take(pool, purpose, answer)
    try:
        verified = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise Refused("invalid", str(error)) from None
    told = answer["response"].get("transports")
    transports = [one for one in told if one in _TRANSPORTS] if isinstance(told, list) else []
    return handle, Made(
        verified.credential_id,
        verified.credential_public_key,
        verified.sign_count,
        transports,
        verified.credential_backed_up,
    )


async def signed(
    connection: asyncpg.Connection, pool: asyncpg.Pool, party: RelyingParty, answer: dict[str, Any]
) -> int:
    """The account whose passkey answered `ask_to_sign` (§7.2). Raises Refused."""
    challenge, _ = await _take(pool, "sign-in", answer)
    try:
        credential = webauthn.base64url_to_bytes(str(answer.get("id", "")))
    except ValueError as error:
        raise Refused("invalid", str(error)) from None
    record = await connection.fetchrow(
        """
        SELECT p.id, p.account, p.public_key, p.sign_count, a.handle, a.blocked_at
        FROM passkey p JOIN account a ON a.id = p.account WHERE p.credential = $1 FOR UPDATE OF p
        """,
        credential,
    )
    if record is None:
        raise Refused("unknown")
    try:
        verified = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=record["public_key"],
            credential_current_sign_count=record["sign_count"],
            require_user_verification=True,
        )
        if webauthn.base64url_to_bytes(answer["response"]["userHandle"]) != record["handle"]:
            raise Refused("invalid", "the passkey is of another account")
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise Refused("invalid", str(error)) from None
    if record["blocked_at"] is not None:
        raise Refused("blocked")
    await connection.execute(
        "UPDATE passkey SET sign_count = $2, backed_up = $3, used_at = now() WHERE id = $1",
        record["id"],
        verified.new_sign_count,
        verified.credential_backed_up,
    )
    return int(record["account"])


async def add(connection: asyncpg.Connection, account: int, passkey: Made, name: str) -> int:
    """Give an account a passkey; its number. Raises Refused if another account has this one."""
    number = await connection.fetchval(
        """
        INSERT INTO passkey (account, credential, public_key, sign_count, transports, backed_up, name)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (credential) DO NOTHING RETURNING id
        """,
        account,
        passkey.credential,
        passkey.public_key,
        passkey.sign_count,
        passkey.transports,
        passkey.backed_up,
        name,
    )
    if number is None:
        raise Refused("invalid", "this credential is known already")
    return int(number)


async def of(connection: asyncpg.Connection | asyncpg.Pool, account: int) -> list[Passkey]:
    """An account's passkeys, the oldest first."""
    records = await connection.fetch(
        "SELECT id, name, backed_up, created_at, used_at FROM passkey WHERE account = $1 ORDER BY id", account
    )
    return [Passkey(*record) for record in records]


async def credentials(connection: asyncpg.Connection | asyncpg.Pool, account: int) -> list[bytes]:
    """The credentials of an account, so that no device makes a second one."""
    records = await connection.fetch("SELECT credential FROM passkey WHERE account = $1", account)
    return [record["credential"] for record in records]


async def rename(connection: asyncpg.Connection, account: int, passkey: int, name: str) -> bool:
    """Name one; false if the account has none such."""
    status = await connection.execute(
        "UPDATE passkey SET name = $3 WHERE account = $1 AND id = $2", account, passkey, name
    )
    return bool(status != "UPDATE 0")


async def remove(connection: asyncpg.Connection, account: int, passkey: int) -> bool:
    """Take one away; false if the account has none such."""
    status = await connection.execute("DELETE FROM passkey WHERE account = $1 AND id = $2", account, passkey)
    return bool(status != "DELETE 0")


async def _keep(pool: asyncpg.Pool, challenge: bytes, purpose: str, handle: bytes | None) -> None:
    await pool.execute(
        "INSERT INTO challenge (hash, purpose, handle, expires_at) VALUES ($1, $2, $3, now() + $4)",
        _hash(challenge),
        purpose,
        handle,
        _ANSWERED_WITHIN,
    )


async def _take(pool: asyncpg.Pool, purpose: str, answer: dict[str, Any]) -> tuple[bytes, bytes]:
    """The challenge that was asked, gone from now on whatever becomes of the answer, and the handle with it."""
    try:
        told = parse_client_data_json(webauthn.base64url_to_bytes(answer["response"]["clientDataJSON"]))
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise Refused("invalid", str(error)) from None
    record = await pool.fetchrow(
        "DELETE FROM challenge WHERE hash = $1 AND purpose = $2 AND expires_at > now() RETURNING handle",
        _hash(told.challenge),
        purpose,
    )
    if record is None:
        raise Refused("expired")
    return told.challenge, record["handle"] or b""


def _hash(challenge: bytes) -> bytes:
    return digest(challenge.hex())


def _plain(options: str) -> dict[str, Any]:
    return msgspec.json.decode(options, type=dict[str, Any])
