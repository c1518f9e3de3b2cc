"""Where certificates lie that we get ourselves: `<data>/certificates`, for our own eyes only (0700, files 0600)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rhinecloud.settings import CERTIFICATES, CHAIN, KEY

from .expiry import Expiry

PLACEHOLDER: Final = "Rhine Cloud: not certified yet"
"""Who issued what is shown until the first certificate is there."""
_PLACEHOLDER_LIFE = timedelta(days=3650)


class State(msgspec.Struct, frozen=True):
    """How getting certificates goes: `problem` in words while it fails, how often it did, when it is tried next."""

    problem: str | None = None
    failures: int = 0
    next: datetime | None = None


class Folder:
    """`chain` and `key` are what is served, `account` is the key of the account at the authority."""

    def __init__(self, data: Path) -> None:
        self.path = data / CERTIFICATES
        self.chain = data / CHAIN
        self.key = data / KEY
        self.account = self.path / "account.pem"
        self._state = self.path / "state.json"

    def prepare(self, names: Sequence[str]) -> None:
        """Make what is missing; something has to be shown before the first certificate is there. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        if not self.chain.exists() or not self.key.exists():
            key = new_key()
            self.keep(_self_signed(key, names), pem(key))

    def keep(self, chain: bytes, key: bytes) -> None:
        """Put both in place of the former. Between the two they do not fit, and whoever looks then looks again."""
        self.write(self.key, key)
        self.write(self.chain, chain)

    def write(self, path: Path, content: bytes) -> None:
        """Whole or not at all, also when the power fails; mode 0600."""
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def is_placeholder(self, expiry: Expiry) -> bool:
        """Whether nobody ever certified it."""
        return expiry.issuer == PLACEHOLDER

    @property
    def state(self) -> State:
        """How it goes; nothing is known before the first attempt."""
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=State)
        except (OSError, msgspec.DecodeError):
            return State()

    @state.setter
    def state(self, state: State) -> None:
        self.write(self._state, msgspec.json.encode(state))


def new_key() -> ec.EllipticCurvePrivateKey:
    """P-256, which every browser and every device that knows TLS 1.2 understands."""
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def request_for(key: ec.EllipticCurvePrivateKey, names: Sequence[str]) -> bytes:
    """A certificate signing request (PEM) for these names."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = request.add_extension(_alternatives(names), critical=False)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _self_signed(key: ec.EllipticCurvePrivateKey, names: Sequence[str]) -> bytes:
    now = datetime.now(UTC)
    itself = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PLACEHOLDER)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(itself)
        .issuer_name(itself)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _PLACEHOLDER_LIFE)
        .add_extension(_alternatives(names), critical=False)
    )
    return certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _alternatives(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
