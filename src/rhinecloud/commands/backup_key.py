"""Make the pair of keys for encrypted backups. The private key is printed once and kept nowhere on this machine.

    rhinecloud backup-key create

Put the private key where the backups are not and this machine is not: a password safe, and a sheet of paper in
another house. Whoever loses it can read none of the backups.
"""

from __future__ import annotations

import argparse

from rhinecloud.commands.serve import say
from rhinecloud.engines.sealing import new_key


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("create", help="print a new private key, this once, and its public key")


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    private, public = new_key()
    say(
        "# Private key: keep it off this machine. It is shown this once; without it no backup can be read.\n"
        f"{private}\n\n"
        "# Public key: the installation encrypts with it. As a setting:\n"
        f"# RHINECLOUD_BACKUP_RECIPIENT={public}"
    )
    return 0
