"""Real servers for the tests of mail: aiosmtpd for SMTP, Dovecot for IMAP where it is installed."""

from __future__ import annotations

import asyncio
import email
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "rhine", "very/secret@and:odd"


class Taken:
    """A message that the server took."""

    def __init__(self, envelope: Envelope, options: list[str]) -> None:
        self.sender = envelope.mail_from
        self.recipients = list(envelope.rcpt_tos)
        self.options = options
        self.raw = bytes(envelope.content or b"")
        parsed = email.message_from_bytes(self.raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        self.message = parsed


class _Dsn(SMTP):
    """With the extension of RFC 3461 as far as a server takes its parameters."""

    options: list[str]

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802
        self.options = [word for word in arg.split() if word.startswith(("RET=", "ENVID="))]
        await super().smtp_MAIL(" ".join(word for word in arg.split() if word not in self.options))

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802
        words = arg.split()
        self.options += [word for word in words if word.startswith("NOTIFY=")]
        await super().smtp_RCPT(" ".join(word for word in words if word not in self.options))


class MailServer:
    """An SMTP server on this machine. `answers` decides by recipient: an answer of its own instead of taking it."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, starttls: bool = False, sign_in: bool = False
    ) -> None:
        self.taken: list[Taken] = []
        self.answers: dict[str, Callable[[], Awaitable[str | None]]] = {}
        self.sign_ins: list[bool] = []
        self.dsn = False
        self._tls = tls
        self._starttls = starttls
        self._sign_in = sign_in
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> MailServer:
        """Listen; the same port as before if it was stopped."""
        self._server = await asyncio.get_running_loop().create_server(
            self._session, "127.0.0.1", self.port, ssl=None if self._starttls else self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _session(self) -> SMTP:
        return _Dsn(
            self,
            hostname="mail.test",
            loop=asyncio.get_running_loop(),
            tls_context=self._tls if self._starttls else None,
            require_starttls=self._starttls,
            auth_required=self._sign_in,
            auth_require_tls=self._sign_in and self._tls is not None and self._starttls,
            authenticator=self._authenticate if self._sign_in else None,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, kind: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        self.sign_ins.append(good)
        return AuthResult(success=good)

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]] if self.dsn else responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.answers and (answer := await self.answers[address]()) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.taken.append(Taken(envelope, getattr(server, "options", [])))
        return f"250 2.0.0 OK: queued as {len(self.taken)}"


def dovecot() -> str | None:
    """The program, if Debian's dovecot-imapd is installed."""
    found = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
    return found if found and Path("/usr/lib/dovecot/imap").exists() else None


class ImapServer:
    """Dovecot with one user, and a mailbox in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"imap://rhine:secret%2Fword@127.0.0.1:{self.port}/INBOX"

    def start(self) -> None:
        """Start, and wait until it answers."""
        account = pwd.getpwuid(os.getuid()) if os.getuid() else pwd.getpwnam("nobody")
        group = "nogroup" if os.getuid() == 0 else str(os.getgid())
        user, login = account.pw_name, account.pw_name
        mail = self.folder / "mail"
        for sub in ("cur", "new", "tmp"):
            (mail / sub).mkdir(parents=True)
        if os.getuid() == 0:
            for path in (mail, *mail.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
        (self.folder / "users").write_text(f"rhine:{{PLAIN}}secret/word:{account.pw_uid}:{account.pw_gid}\n")
        (self.folder / "users").chmod(0o644)
        (self.folder / "dovecot.conf").write_text(
            f"""
            protocols = imap
            base_dir = {self.folder}/run
            state_dir = {self.folder}/state
            log_path = {self.folder}/log
            ssl = no
            disable_plaintext_auth = no
            mail_location = maildir:{mail}
            first_valid_uid = 1
            first_valid_gid = 0
            default_login_user = {login}
            default_internal_user = {user}
            default_internal_group = {group}
            listen = 127.0.0.1
            passdb {{
              driver = passwd-file
              args = {self.folder}/users
            }}
            userdb {{
              driver = passwd-file
              args = {self.folder}/users
            }}
            service imap-login {{
              chroot =
              inet_listener imap {{
                port = {self.port}
              }}
              inet_listener imaps {{
                port = 0
              }}
            }}
            service anvil {{
              chroot =
            }}
            service stats {{
              chroot =
            }}
            """
        )
        program = dovecot()
        assert program is not None
        with (self.folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                [program, "-F", "-c", str(self.folder / "dovecot.conf")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        deadline = time.monotonic() + 30
        while True:
            assert self._process.poll() is None and time.monotonic() < deadline, self.log()
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    if connection.recv(4).startswith(b"* OK"):
                        return
            except OSError:
                time.sleep(0.05)

    def deliver(self, name: str, content: bytes) -> None:
        """A message arrives."""
        path = self.folder / "mail" / "tmp" / name
        path.write_bytes(content)
        path.chmod(0o644)
        if os.getuid() == 0:
            account = pwd.getpwnam("nobody")
            os.chown(path, account.pw_uid, account.pw_gid)
        path.rename(self.folder / "mail" / "new" / name)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def log(self) -> str:
        """What it said."""
        texts = [self.folder / "stderr", self.folder / "log"]
        return "\n".join(text.read_text(errors="replace")[-3000:] for text in texts if text.exists())
