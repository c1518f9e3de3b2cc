"""Secrets that let somebody in: drawn here, shown once, kept as their hash."""

from __future__ import annotations

import hashlib
import secrets

_BYTES = 32  # 256 bits


def draw() -> str:
    """A new secret, fit for addresses and cookies."""
    return secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> bytes:
    """What is kept of a secret and looked up by. A plain hash will do: nobody guesses 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()
