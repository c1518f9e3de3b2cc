"""The mailbox that reports come back to (IMAP, RFC 9051). It blocks, and runs in a thread."""

from __future__ import annotations

import contextlib
import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

_PATIENCE = 30.0  # seconds for each answer
_LARGEST = 500_000  # bytes of a message that are looked at: a report stands at its beginning
_AT_ONCE = 50


class MailboxAway(Exception):
    """The mailbox cannot be read; the message says why."""


class Mailbox(msgspec.Struct, frozen=True):
    """How to reach the mailbox."""

    host: str
    port: int
    user: str
    password: str
    folder: str
    tls: bool
    ca: str | None

    @classmethod
    def of_url(cls, url: str) -> Mailbox:
        """Read `imaps://user:password@host/INBOX`. Raises ValueError in words.

        imap:// is for this machine itself only; `?ca=` is a file with the certificates to trust.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("imap", "imaps") or not (
            parts.hostname and parts.username and parts.password
        ):
            raise ValueError("mail_bounce_mailbox is imaps://user:password@host/INBOX")
        tls = parts.scheme == "imaps"
        if not tls and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("mail_bounce_mailbox: a password is not sent without encryption; say imaps://")
        return cls(
            host=parts.hostname,
            port=parts.port or (993 if tls else 143),
            user=unquote(parts.username),
            password=unquote(parts.password),
            folder=unquote(parts.path.strip("/")) or "INBOX",
            tls=tls,
            ca=parse_qs(parts.query).get("ca", [None])[-1],
        )

    def unread(self) -> list[tuple[str, bytes]]:
        """Some of the unread messages, by their ids; they stay unread. Raises MailboxAway."""
        with self._session() as session:
            ids = bytes(_ask(session.uid("SEARCH", "UNSEEN"))[0] or b"").split()
            found = []
            for uid in ids[:_AT_ONCE]:
                for part in _ask(session.uid("FETCH", uid.decode(), f"(BODY.PEEK[]<0.{_LARGEST}>)")):
                    if isinstance(part, tuple):
                        found.append((uid.decode(), part[1]))
            return found

    def ask(self) -> None:
        """Raise MailboxAway unless one can sign in and the folder is there."""
        with self._session():
            pass

    def mark(self, uids: list[str]) -> None:
        """Mark messages as read. Raises MailboxAway."""
        if uids:
            with self._session() as session:
                _ask(session.uid("STORE", ",".join(uids), "+FLAGS.SILENT", "(\\Seen)"))

    @contextmanager
    def _session(self) -> Iterator[imaplib.IMAP4]:
        try:
            if self.tls:
                context = ssl.create_default_context(cafile=self.ca)
                session: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                    self.host, self.port, ssl_context=context, timeout=_PATIENCE
                )
            else:
                session = imaplib.IMAP4(self.host, self.port, timeout=_PATIENCE)
            try:
                session.login(self.user, self.password)
                _ask(session.select(_quoted(self.folder)))
                yield session
            finally:
                with contextlib.suppress(imaplib.IMAP4.error, OSError):
                    session.logout()
        except (imaplib.IMAP4.error, OSError) as error:
            raise MailboxAway(f"{self.host}: {error}") from None


def _ask(answer: tuple[str, list[Any]]) -> list[Any]:
    kind, content = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(str(content[0] if content else kind))
    return content


def _quoted(folder: str) -> str:
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
