"""The mail server that letters are handed to (RFC 5321, RFC 6409), and what its answers mean."""

from __future__ import annotations

import ipaddress
import re
import ssl
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import msgspec

_PATIENCE = 60.0  # seconds for each answer
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
# Sign-in is needed, too weak, or refused (RFC 4954 §6): nothing that a letter could do about it.
_SIGN_IN = (530, 534, 535, 538)
_TOO_LARGE = (523, 552)
_LONGEST_ANSWER = 500  # characters
_KNOWN = {"tls", "ca"}


class Server(msgspec.Struct, frozen=True):
    """How to reach the mail server. `tls`: "implicit" (from the first byte), "starttls" (asked for, and required) or
    "none"."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: Literal["implicit", "starttls", "none"]
    ca: str | None

    @classmethod
    def of_url(cls, url: str) -> Server:
        """Read `smtps://user:password@host:465` or `smtp://user:password@host:587`. Raises ValueError in words.

        smtp:// needs STARTTLS, but for this machine itself or with `?tls=none`; `?ca=` is a file with the certificates
        to trust. User and password are percent-encoded.
        """
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("mail_server is smtps://user:password@host or smtp://user:password@host:587")
        if unknown := sorted(set(query) - _KNOWN):
            raise ValueError(
                f"mail_server: {unknown[0]} is not known; there are {', '.join(sorted(_KNOWN))}."
            )
        if query.get("tls", "none") != "none":
            raise ValueError("mail_server: tls is none, or is not said")
        here = _is_loopback(parts.hostname)
        tls: Literal["implicit", "starttls", "none"] = "starttls"
        if parts.scheme == "smtps":
            tls = "implicit"
        elif "tls" in query or here:
            tls = "none"
        if tls == "none" and parts.password and not here:
            raise ValueError("mail_server: a password is not sent without encryption")
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if tls == "implicit" else 25 if tls == "none" else 587),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            ca=query.get("ca"),
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Verdict(msgspec.Struct, frozen=True):
    """What became of handing a message over. `kind`: "sent"; "refused" (for good); "later" (this message); "server" (no
    message can be handed over now). `status` is a code of RFC 3463."""

    kind: Literal["sent", "refused", "later", "server"]
    answer: str
    status: str | None = None


async def connect(server: Server) -> aiosmtplib.SMTP:
    """A session, signed in. Raises what `judge` understands."""
    context = ssl.create_default_context(cafile=server.ca)
    session = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        timeout=_PATIENCE,
        use_tls=server.tls == "implicit",
        start_tls=server.tls == "starttls",
        tls_context=None if server.tls == "none" else context,
    )
    await session.connect()
    if session.is_ehlo_or_helo_needed:
        try:
            await session.ehlo()
        except aiosmtplib.SMTPHeloError:
            await session.helo()
    return session


async def hand_over(
    session: aiosmtplib.SMTP, envelope_from: str, to: str, message: bytes, token: str
) -> Verdict:
    """Hand one message over; asks for a report with `token` if it cannot be delivered later on (RFC 3461)."""
    mail_options: list[str] = []
    recipient_options: list[str] = []
    if session.supports_extension("dsn"):
        mail_options = ["RET=HDRS", f"ENVID={token}"]
        recipient_options = ["NOTIFY=FAILURE,DELAY"]
    try:
        _, answer = await session.sendmail(
            envelope_from, to, message, mail_options=mail_options, rcpt_options=recipient_options
        )
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return judge(error)
    return Verdict("sent", short(answer), _status_of(answer))


def judge(error: Exception) -> Verdict:
    """What an error of the session means for the message that was being handed over (RFC 5321 §4.2.1, §4.2.2)."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return judge(error.recipients[0])
    if isinstance(error, aiosmtplib.SMTPResponseException):
        code, answer = error.code, short(f"{error.code} {error.message}")
        status = _status_of(error.message)
        if isinstance(
            error, aiosmtplib.SMTPConnectError | aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPHeloError
        ):
            return Verdict("server", answer, status)
        if code == 421 or code in _SIGN_IN:
            return Verdict("server", answer, status)
        if isinstance(error, aiosmtplib.SMTPSenderRefused) and code not in _TOO_LARGE:
            # Our own address is refused: every letter would be, and none is to blame.
            return Verdict("server" if code >= 500 else "later", answer, status)
        return Verdict("refused" if code >= 500 else "later", answer, status)
    if isinstance(error, aiosmtplib.SMTPConnectError | aiosmtplib.SMTPNotSupported | ssl.SSLError):
        return Verdict("server", short(str(error)))
    if isinstance(error, aiosmtplib.SMTPServerDisconnected | aiosmtplib.SMTPTimeoutError):
        # It may have been taken: then it comes twice, with the same Message-ID.
        return Verdict("later", short(str(error) or "the connection broke"))
    if isinstance(error, OSError):
        return Verdict("server", short(str(error)))
    return Verdict("refused", short(str(error)))


def _status_of(answer: str) -> str | None:
    found = _STATUS.search(answer)
    return found[1] if found else None


def short(answer: str) -> str:
    """An answer in one line of a bounded length."""
    return " ".join(answer.replace("\0", " ").split())[:_LONGEST_ANSWER]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
