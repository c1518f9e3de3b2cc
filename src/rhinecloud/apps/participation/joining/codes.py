"""Codes: of invitations, which are signed and kept nowhere, and of events. Pure.

An invitation's code is its number (20 bits) and 60 bits of an HMAC-SHA-256 of it with the event's key: 16 characters.
Whoever tries a thousand million codes a second finds one of an event in 36 years on average, and the server looks
nothing up for a code that is not signed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from ..events.model import CODE

MOST: Final = 2**20 - 1  # invitations of an event
_CHARACTERS: Final = 16
_SIGNED: Final = 60  # bits of the signature
_VALUES: Final = {character: value for value, character in enumerate(CODE)}


def code_of(key: bytes, number: int) -> str:
    """The code of an invitation, from 1 on: ABCD-EFGH-JKLM-NPQR. ValueError for a number that there cannot be."""
    if not 1 <= number <= MOST:
        raise ValueError(f"invitations are numbered from 1 to {MOST}, not {number}")
    value = number << _SIGNED | _signature(key, number)
    text = "".join(CODE[value >> 5 * place & 31] for place in reversed(range(_CHARACTERS)))
    return "-".join(text[start : start + 4] for start in range(0, _CHARACTERS, 4))


def number_of(key: bytes, text: str) -> int | None:
    """The number of the invitation that a code is of, in whatever case and spacing it was typed; None if it was not
    signed with this key. Takes as long for a signature that is nearly right as for any other."""
    tidy = [one for one in text[:100].upper() if not (one.isspace() or one == "-")]
    if len(tidy) != _CHARACTERS or not _VALUES.keys() >= set(tidy):
        return None
    value = 0
    for one in tidy:
        value = value << 5 | _VALUES[one]
    number, signature = value >> _SIGNED, value & (1 << _SIGNED) - 1
    genuine = hmac.compare_digest(_bytes(signature), _bytes(_signature(key, number)))
    return number if genuine and number else None


def short_code() -> str:
    """A new code for an event: six characters, for the stage."""
    return "".join(secrets.choice(CODE) for _ in range(6))


def _signature(key: bytes, number: int) -> int:
    whole = hmac.digest(key, b"invitation\0" + number.to_bytes(4, "big"), hashlib.sha256)
    return int.from_bytes(whole[:8], "big") >> 64 - _SIGNED


def _bytes(signature: int) -> bytes:
    return signature.to_bytes(8, "big")
