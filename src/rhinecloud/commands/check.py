"""Say in words what is wrong with a set-up; the exit code is 1 when something has to be changed.

Nothing is started or changed by it. It takes the same settings as `rhinecloud serve`.
"""

from __future__ import annotations

import argparse
import asyncio

from rhinecloud.backups.examination import examine_backups
from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.checks import Finding, check
from rhinecloud.engines.folder import DataFolder
from rhinecloud.files.examination import examine_files
from rhinecloud.gateways.devices.checking import check_door
from rhinecloud.mail.examination import examine_mail
from rhinecloud.people.examination import examine_sign_in
from rhinecloud.settings import Settings
from rhinecloud.store.examination import examine_tenants, examine_version

_SIGNS = {"good": "   ", "note": " ! ", "wrong": " ✗ "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All settings are flags, as for serve."""
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings."""
    settings = settings_from(arguments)
    problems = 0
    for finding in check(settings):
        problems += finding.level == "wrong"
        say(_SIGNS[finding.level] + finding.text)
    for finding in asyncio.run(_at_the_door(settings)):
        problems += finding.level == "wrong"
        say(_SIGNS[finding.level] + finding.text)
    for finding in asyncio.run(_tenants(settings)):
        problems += finding.level == "wrong"
        say(_SIGNS[finding.level] + finding.text)
    for examine in (examine_files, examine_backups, examine_mail, examine_sign_in):
        level, text = asyncio.run(examine(settings))
        problems += level == "wrong"
        say(_SIGNS[level] + text)
    say("" if problems else "\nNothing has to be changed.")
    if problems:
        say(f"{problems} thing{'s' if problems > 1 else ''} to change.")
    return 1 if problems else 0


async def _tenants(settings: Settings) -> list[Finding]:
    """The version of the data; of a city's own PostgreSQL also whether it has what tenants need. Nothing is started."""
    if settings.database_url is None:
        try:
            if DataFolder(settings.data).supervisor() is None:
                return []
            with database(settings, say) as access:
                return [Finding(level, text) async for level, text in examine_version(access.url)]
        except EngineError:
            return []  # told by who looks at PostgreSQL itself
    url = settings.database_url
    found = [Finding(level, text) async for level, text in examine_version(url)]
    return found + [Finding(level, text) async for level, text in examine_tenants(url)]


async def _at_the_door(settings: Settings) -> list[Finding]:
    return [finding async for finding in check_door(settings)]
