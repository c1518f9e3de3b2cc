"""Say in words what is wrong with a set-up; the exit code is 1 when something has to be changed.

Nothing is started or changed by it. It takes the same settings as `rhinecloud serve`.
"""

from __future__ import annotations

import argparse

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.checks import check

_SIGNS = {"good": "   ", "note": " ! ", "wrong": " ✗ "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All settings are flags, as for serve."""
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings."""
    problems = 0
    for finding in check(settings_from(arguments)):
        problems += finding.level == "wrong"
        say(_SIGNS[finding.level] + finding.text)
    say("" if problems else "\nEverything is as it should be.")
    if problems:
        say(f"{problems} thing{'s' if problems > 1 else ''} to change.")
    return 1 if problems else 0
