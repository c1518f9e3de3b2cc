"""Serve a city: PostgreSQL, NATS and the workers, all kept alive until Ctrl-C or SIGTERM.

Without a database address and a NATS address both engines are embedded; all data lie in one folder.
"""

from __future__ import annotations

import argparse
import ipaddress

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.supervisor import Supervisor
from rhinecloud.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All settings are flags."""
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = settings_from(arguments)
    refuse_unsafe(settings)
    return Supervisor(settings, say=say, on_ready=announce).run()


def say(text: str) -> None:
    """One line for the person at the terminal, at once."""
    print(text, flush=True)


def refuse_unsafe(settings: Settings) -> None:
    """Until sign-in exists only --open on a loopback address may be served. Raises EngineError."""
    if not settings.open:
        raise EngineError(
            "Sign-in does not exist yet, so Rhine Cloud serves nothing but an open installation "
            "for this machine alone. To start that: rhinecloud serve --open"
        )
    if not is_loopback(settings.host):
        raise EngineError(
            f"--open lets everyone who reaches the address do anything, so it works on a loopback address "
            f"only (127.0.0.1 or ::1), not on {settings.host}."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address. Names other than localhost are not resolved."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def announce(supervisor: Supervisor) -> None:
    """Tell where the city is."""
    lines = [f"  Pages  {supervisor.settings.public_url or supervisor.url}"]
    if supervisor.engines.mqtt_url is not None:
        lines.append(f"  MQTT   {supervisor.engines.mqtt_url}")
    if supervisor.engines.folder is not None:
        lines.append(f"  Data   {supervisor.engines.folder.path}")
    if supervisor.settings.open:
        lines.append("  OPEN: no sign-in. Whoever reaches these addresses on this machine may do anything.")
    say("\nRhine Cloud is ready. Ctrl-C stops it.\n" + "\n".join(lines) + "\n")
