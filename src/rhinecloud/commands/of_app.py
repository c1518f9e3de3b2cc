"""Commands that apps bring: `rhinecloud NAME COMMAND`. What each does, its app says (docs/reference/apps.md)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rhinecloud.app import Command
from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.hosting import commands


def main(app: str, given: Sequence[str]) -> int:
    """Run a command of an app, or say which there are. Raises EngineError."""
    if not given or given[0] in ("-h", "--help"):
        print(commands.listed(app))
        return 0 if given else 2
    command = commands.command_of(app, given[0])
    arguments = parser_for(app, command).parse_args(given[1:])
    if command.alone:
        return int(command.run(arguments) or 0)
    settings = settings_from(arguments)
    with database(settings, say) as access:
        return commands.run(app, command, settings, access.url, arguments)


def parser_for(app: str, command: Command) -> argparse.ArgumentParser:
    """The complete parser of a command of an app."""
    parser = argparse.ArgumentParser(
        prog=f"rhinecloud {commands.on_the_line(app)} {command.name}", description=command.help
    )
    if command.arguments is not None:
        command.arguments(parser)
    if not command.alone:
        add_settings(parser.add_argument_group("the installation"))
    return parser
