"""The `rhinecloud` command: finds the asked-for command's module and runs it.

A command is a module of `rhinecloud.commands` with `add_arguments(parser)` and `run(arguments) -> int`; it is
imported only when it is asked for, so that the supervisor stays small. Whatever is none of them may be an app, whose
commands these are (`rhinecloud.commands.of_app`); apps are looked for only then.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Sequence
from types import ModuleType

from rhinecloud.engines.account import EngineError
from rhinecloud.settings import SettingsError

# Name on the command line, of one word or two → one line of help.
COMMANDS = {
    "demo": "start a simulated Duisburg on this machine",
    "serve": "serve a city",
    "device": "add, look at and remove devices, give them secrets, want states of them",
    "profile": "look at, try and write device profiles",
    "unmapped": "look at, replay and discard messages that could not be mapped",
    "import": "bring a CSV, GeoJSON or NDJSON file into the graph",
    "replay": "replay recorded traffic over MQTT",
    "check": "say in words what is wrong with a set-up",
    "tenant": "make, list and remove tenants",
    "app": "list, begin and remove the city's apps",
    "admin": "make a link with which somebody becomes an administrator",
    "token": "make, list and revoke API tokens",
    "backup": "write everything into one file",
    "backup list": "list the backups in their folder or bucket",
    "backup fetch": "fetch a backup from its folder or bucket",
    "backup verify": "prove a backup by restoring it into an installation made for it",
    "backup-key": "make the keys for encrypted backups",
    "restore": "fill an empty installation from a backup",
    "files": "look after uploaded files",
    "mail": "try, see and follow mail",
    "upgrade": "bring the data of an older PostgreSQL to the installed one",
}

# Where a command is that is not the module of its name in `rhinecloud.commands`.
_ELSEWHERE = {"import": "rhinecloud.gateways.importing.command", "replay": "rhinecloud.demo.replay"}


def command_module(name: str) -> ModuleType:
    """The module of one command."""
    return importlib.import_module(_ELSEWHERE.get(name, "rhinecloud.commands." + re.sub("[- ]", "_", name)))


def parser_for(name: str) -> argparse.ArgumentParser:
    """The complete parser of one command (the documentation test reads it)."""
    module = command_module(name)
    parser = argparse.ArgumentParser(prog=f"rhinecloud {name}", description=module.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    module.add_arguments(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 done, 1 a problem that was told in words, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return 0 if given else 2
    if given[0] == "--version":
        import importlib.metadata

        print("Rhine Cloud", importlib.metadata.version("rhinecloud"))
        return 0
    if " ".join(given[:2]) in COMMANDS:
        given[:2] = [" ".join(given[:2])]
    of_app = given[0] not in COMMANDS
    if of_app and given[0] not in _apps():
        print(f"There is no command '{given[0]}'.\n\n{_overview()}", file=sys.stderr)
        return 2
    try:
        if of_app:
            from rhinecloud.commands.of_app import main as main_of_app

            return main_of_app(_apps()[given[0]], given[1:])
        code: int = command_module(given[0]).run(parser_for(given[0]).parse_args(given[1:]))
        return code
    except (EngineError, SettingsError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _apps() -> dict[str, str]:
    """The installed apps, which are not imported: name on the command line → name."""
    from importlib.metadata import entry_points

    names = entry_points(group="rhinecloud.apps").names
    return {name.replace("_", "-"): name for name in sorted(names)}


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{text}" for name, text in COMMANDS.items()]
    return (
        "Rhine Cloud connects everyone and everything in a city.\n\nUsage: rhinecloud COMMAND [--help]\n\n"
        + "\n".join(lines)
        + f"\n\nApps with commands of their own: rhinecloud APP --help, for {', '.join(_apps())}."
    )


if __name__ == "__main__":
    raise SystemExit(main())
