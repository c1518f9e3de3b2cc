"""Keys and signed claims as NATS writes them (nkeys: Ed25519 in base32 with a prefix and a CRC-16; claims: JWT).

Only what the door for devices needs: an account's key pair, and claims signed with it.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Claims = TypeVar("Claims")
_SEED = 18 << 3  # the letter S
_ACCOUNT = 0  # the letter A
_HEADER = b'{"typ":"JWT","alg":"ed25519-nkey"}'


class KeyPair:
    """An account's key pair. `public` begins with A, `seed` (the secret) with SA."""

    def __init__(self, raw: bytes) -> None:
        """`raw`: the 32 bytes of an Ed25519 seed."""
        self._private = Ed25519PrivateKey.from_private_bytes(raw)
        self._raw = raw
        self.public = _text(bytes([_ACCOUNT]) + self._private.public_key().public_bytes_raw())

    @classmethod
    def new(cls) -> KeyPair:
        """A fresh pair from the system's randomness."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def from_seed(cls, seed: str) -> KeyPair:
        """The pair of a seed. Raises ValueError unless it is the seed of an account's key, whole and undamaged."""
        text = seed.strip()
        try:
            data = base64.b32decode(text + "=" * (-len(text) % 8))
        except binascii.Error as error:
            raise ValueError("not the seed of a NATS key: it is base32 text that begins with SA") from error
        if len(data) != 36 or _text(data[:-2]) != text:
            raise ValueError("not the seed of a NATS key: its length or its checksum is wrong")
        if (data[0] & 0xF8, (data[0] & 7) << 5 | data[1] >> 3) != (_SEED, _ACCOUNT):
            raise ValueError("not the seed of an account's key: such a seed begins with SA")
        return cls(data[2:34])

    @property
    def seed(self) -> str:
        """The secret, as `from_seed` reads it."""
        return _text(bytes([_SEED | _ACCOUNT >> 5, (_ACCOUNT & 31) << 3]) + self._raw)

    def sign(self, claims: dict[str, Any]) -> str:
        """The claims as a signed JWT; `iss` and `jti` are filled in."""
        claims = {**claims, "iss": self.public}
        digest = hashlib.sha256(msgspec.json.encode(claims)).digest()
        claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
        text = _url64(_HEADER) + b"." + _url64(msgspec.json.encode(claims))
        return (text + b"." + _url64(self._private.sign(text))).decode()


def claims_of(token: str | bytes, kind: type[Claims]) -> Claims:
    """What a JWT says, as a struct or dict; whether the signature is right is not looked at. Raises ValueError."""
    parts = (token.encode() if isinstance(token, str) else token).split(b".")
    if len(parts) != 3:
        raise ValueError("not a JWT: it has three parts")
    try:
        text = base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(text, type=kind)
    except (binascii.Error, msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ValueError(f"not such a JWT: {error}") from error


def _text(data: bytes) -> str:
    checksum = binascii.crc_hqx(data, 0).to_bytes(2, "little")
    return base64.b32encode(data + checksum).decode().rstrip("=")


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a key for the call-out of a city's own NATS: `python -m rhinecloud.nkeys FILE`."""
    parser = argparse.ArgumentParser(prog="python -m rhinecloud.nkeys", description=main.__doc__)
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="where the seed is written; it must not exist"
    )
    file = parser.parse_args(arguments).file
    pair = KeyPair.new()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)
        return 1
    with os.fdopen(descriptor, "w") as text:
        text.write(pair.seed + "\n")
    print(pair.public)
    return 0


if __name__ == "__main__":
    sys.exit(main())
