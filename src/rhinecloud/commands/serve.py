"""Serve a city: PostgreSQL, NATS and the workers, all kept alive until Ctrl-C or SIGTERM.

Without a database address and a NATS address both engines are embedded; all data lie in one folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from urllib.parse import urlsplit

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.supervisor import Supervisor
from rhinecloud.observing.lines import Lines
from rhinecloud.people.examination import examine_sign_in
from rhinecloud.people.origins import is_loopback
from rhinecloud.people.sessions import is_secure
from rhinecloud.settings import ENVIRONMENT_PREFIX, Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All settings are flags."""
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = settings_from(arguments)
    refuse_unsafe(settings)
    return Supervisor(settings, say=Lines(settings.log_format), on_ready=announce).run()


def say(text: str) -> None:
    """One line for the person at the terminal, at once."""
    print(text, flush=True)


def refuse_unsafe(settings: Settings) -> None:
    """Nothing is served where it could be overheard, or where everybody could do everything. Raises EngineError."""
    if is_loopback(settings.host):
        return
    if settings.open:
        raise EngineError(
            f"--open lets everyone who reaches the address do anything, so it works on a loopback address "
            f"only (127.0.0.1 or ::1), not on {settings.host}."
        )
    if not is_secure(settings):
        raise EngineError(
            f"{settings.host} is reached from other machines, where sign-ins and tokens could be overheard, and "
            "passkeys need https: give a certificate (--tls-cert and --tls-key), or the https address of the proxy in "
            "front (--public-url https://…)."
        )


def announce(supervisor: Supervisor) -> None:
    """Tell where the city is."""
    lines = [f"  Pages  {supervisor.settings.public_url or supervisor.url}"]
    if supervisor.engines.mqtt_url is not None:
        lines.append(f"  MQTT   {supervisor.engines.mqtt_url}")
    if supervisor.engines.folder is not None:
        lines.append(f"  Data   {supervisor.engines.folder.path}")
    if supervisor.settings.open:
        lines.append("  OPEN: no sign-in. Whoever reaches these addresses on this machine may do anything.")
    supervisor.say("\nRhine Cloud is ready. Ctrl-C stops it.\n" + "\n".join(lines) + "\n")
    if not supervisor.settings.open:
        level, text = asyncio.run(examine_sign_in(supervisor.settings))
        if level == "wrong":
            supervisor.say(f"  NOBODY SIGNS IN FROM ELSEWHERE. {text}\n")
        _offer_first_link(supervisor)


def _offer_first_link(supervisor: Supervisor) -> None:
    """Print a link for the first administrator while there is none. By a process of its own: the supervisor stays
    small, and speaks to no database."""
    settings = supervisor.settings
    told = {
        "DATA": settings.data,
        "DATABASE_URL": settings.database_url,
        "PUBLIC_URL": settings.public_url,
        "PORT": urlsplit(supervisor.url).port,
        "ACME_DOMAIN": "",  # the certificate is there as files
        "TLS_CERT": settings.tls_cert,
        "TLS_KEY": settings.tls_key,
    }
    environment = {
        f"{ENVIRONMENT_PREFIX}{name}": str(value) for name, value in told.items() if value is not None
    }
    command = [sys.executable, "-m", "rhinecloud.cli", "admin", "link", "--first"]
    subprocess.run(command, env={**os.environ, **environment}, check=False)
