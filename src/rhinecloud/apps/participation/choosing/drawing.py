"""The draw: an order that nobody can choose and everybody can compute again. Pure.

Before the vote the city draws a secret of 32 bytes, the seed, and shows its hash. After the vote the hall gives a word.
Tickets are put in the order of SHA-256("SEED|WORD|TICKET"), the seed in hexadecimal, text as UTF-8, hashes compared as
hexadecimal text. Then the seed is shown: whoever likes computes its hash, and the order. The city cannot choose the
order, as it does not know the word when it binds itself to the seed; the hall cannot, as it does not know the seed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import shlex
import unicodedata
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from ..events.model import CODE

SEED_BYTES: Final = 32
LONGEST_WORD: Final = 100

# The draw with what every Linux has: reads tickets.txt, writes the commitment, then the tickets in their order.
RECIPE: Final = """\
printf %s "$SEED" | sha256sum
while read -r ticket; do
  printf '%s %s\\n' "$(printf '%s|%s|%s' "$SEED" "$WORD" "$ticket" | sha256sum | cut -c1-64)" "$ticket"
done < tickets.txt | sort
"""


def new_seed() -> bytes:
    """A secret for a draw."""
    return secrets.token_bytes(SEED_BYTES)


def commitment(seed: bytes) -> str:
    """What is shown of the seed before the vote: SHA-256 of its hexadecimal text, in hexadecimal."""
    return hashlib.sha256(seed.hex().encode()).hexdigest()


def word_of(text: str) -> str:
    """A word of the hall as it enters the draw: in Unicode's form NFC, spaces made single. Raises ValueError if it is
    empty, longer than 100 characters, or not printable."""
    word = " ".join(unicodedata.normalize("NFC", text).split())
    if not word or len(word) > LONGEST_WORD or not word.isprintable():
        raise ValueError("a word is 1 to 100 printable characters")
    return word


def lot(seed: bytes, word: str, ticket: str) -> str:
    """What a ticket is put in order by."""
    return hashlib.sha256(f"{seed.hex()}|{word}|{ticket}".encode()).hexdigest()


def order(seed: bytes, word: str, tickets: Iterable[str]) -> list[str]:
    """The tickets in the order of the draw. Who else takes part changes nobody's place before or after another."""
    return sorted(tickets, key=lambda ticket: (lot(seed, word, ticket), ticket))


def ticket(key: bytes, participant: UUID) -> str:
    """The number of a participant of an event (its `key`) in all its draws, as in `K7QM-2XPA`: it tells nobody who
    that is."""
    bits = int.from_bytes(hmac.digest(key, b"ticket" + participant.bytes, "sha256")[:5])
    letters = "".join(CODE[bits >> 5 * place & 31] for place in range(7, -1, -1))
    return f"{letters[:4]}-{letters[4:]}"


def recipe(seed: bytes, word: str) -> str:
    """The recipe with the values of a draw, for a shell."""
    return f"SEED={seed.hex()}\nWORD={shlex.quote(word)}\n{RECIPE}"
