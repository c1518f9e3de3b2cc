"""What a phone keeps: who takes part, and a secret of the phone's own. Pure.

The pass of an event is signed with the event's key, so that it is known again without asking the database. From the
secret come the keys of secret votes: the city sees it when a vote is sent and keeps only the hash of such a key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final
from uuid import UUID, uuid4

import msgspec

_SECRET: Final = 16  # bytes
_SIGNATURE: Final = 16
_WHOLE: Final = 16 + _SECRET + 4 + _SIGNATURE


class Pass(msgspec.Struct, frozen=True):
    """Who takes part in an event: with an `invitation` (its number), or by an open link (None). `secret` is the
    phone's own."""

    participant: UUID
    secret: bytes
    invitation: int | None = None


def drawn(key: bytes, invitation: int | None) -> Pass:
    """A new pass: its participant follows from the invitation, or is drawn; the secret is drawn."""
    participant = uuid4() if invitation is None else participant_of(key, invitation)
    return Pass(participant, secrets.token_bytes(_SECRET), invitation)


def participant_of(key: bytes, invitation: int) -> UUID:
    """Who comes with an invitation: the same from each phone."""
    whole = hmac.digest(key, b"participant\0" + invitation.to_bytes(4, "big"), hashlib.sha256)
    return UUID(bytes=whole[:16], version=5)


def ballot_key(secret: bytes, poll: int) -> bytes:
    """What a secret vote is changed with: 32 bytes of this phone and this poll. Their SHA-256 is what is kept."""
    return hmac.digest(secret, b"ballot\0" + poll.to_bytes(8, "big"), hashlib.sha256)


def write(key: bytes, given: Pass) -> str:
    """A pass as a cookie holds it."""
    body = given.participant.bytes + given.secret + (given.invitation or 0).to_bytes(4, "big")
    return base64.urlsafe_b64encode(body + _signature(key, body)).rstrip(b"=").decode()


def read(key: bytes, text: str) -> Pass | None:
    """The pass in a cookie; None if it was not signed with this key."""
    if len(text) > 2 * _WHOLE or not text.isascii():
        return None
    try:
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    body, signature = whole[:-_SIGNATURE], whole[-_SIGNATURE:]
    if len(whole) != _WHOLE or not hmac.compare_digest(signature, _signature(key, body)):
        return None
    invitation = int.from_bytes(body[-4:], "big")
    return Pass(UUID(bytes=body[:16]), body[16 : 16 + _SECRET], invitation or None)


def _signature(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"pass\0" + body, hashlib.sha256)[:_SIGNATURE]
