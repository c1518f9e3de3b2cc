"""How long a certificate is good, and in which words one should hear of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

SOON: Final = timedelta(days=21)
"""Before the end: somebody should look."""
URGENT: Final = timedelta(days=7)
"""Before the end: somebody has to act."""

Urgency = Literal["good", "soon", "urgent", "over", "early"]


class Expiry(msgspec.Struct, frozen=True):
    """What the first certificate of a chain says: whom it names, who issued it, from when to when it is good (UTC)."""

    names: tuple[str, ...]
    issuer: str
    begins: datetime
    ends: datetime

    @classmethod
    def of_file(cls, chain: Path) -> Expiry:
        """Raises OSError for a file that cannot be read, ValueError for one that is no certificate (PEM)."""
        certificate = x509.load_pem_x509_certificate(chain.read_bytes())
        return cls(
            _names(certificate),
            _common_name(certificate.issuer),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
        )

    def urgency(self, now: datetime | None = None) -> Urgency:
        """`soon` from 21 days before the end on, `urgent` from 7, `over` after it; `early` before it is good at all,
        which hints at a clock that is wrong."""
        now = now or datetime.now(UTC)
        if now >= self.ends:
            return "over"
        # A little of a short-lived certificate's life is no reason to look: ACME renews it in its last third.
        life = self.ends - self.begins
        if now >= self.ends - min(URGENT, life / 6):
            return "urgent"
        if now >= self.ends - min(SOON, life / 4):
            return "soon"
        return "early" if now < self.begins else "good"

    def days_left(self, now: datetime | None = None) -> float:
        """Days until the end; below 0 after it."""
        return (self.ends - (now or datetime.now(UTC))) / timedelta(days=1)

    def sentence(self, now: datetime | None = None) -> str:
        """All of it in words."""
        names = ", ".join(self.names) or "nobody"
        until = f"{self.ends:%Y-%m-%d %H:%M} UTC"
        match self.urgency(now):
            case "over":
                return f"THE CERTIFICATE for {names} has been over since {until}: browsers and devices turn away."
            case "early":
                since = f"{self.begins:%Y-%m-%d %H:%M} UTC"
                return f"The certificate for {names} is not good before {since}: is the clock right?"
            case "good":
                return f"The certificate for {names} is good until {until}."
            case urgency:
                days = int(self.days_left(now))
                left = "today" if days == 0 else f"in {days} day{'s' if days > 1 else ''}"
                word = "URGENT: the" if urgency == "urgent" else "The"
                return f"{word} certificate for {names} ends {left} ({until}): it has to be renewed."


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(filter(None, [_common_name(certificate.subject)]))
    return (
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    )


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME) or list(name)
    return str(found[0].value) if found else ""
