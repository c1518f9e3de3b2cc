"""The city's apps: what is installed, a new one, and the end of one.

    rhinecloud app list
    rhinecloud app new trees            # a folder `trees` with a complete package, tests included
    rhinecloud app texts src/rhinecloud_trees
    rhinecloud app remove trees --yes   # after: pip uninstall rhinecloud-trees

An app is installed with pip and served from the next start on. `texts` brings an app's German catalogue up to date and
names what has no translation. `remove` deletes an app's tables, jobs and files, for good; what it wrote into the graph
is the city's and stays.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.account import EngineError
from rhinecloud.hosting import find, leaving, scaffolding, wanted
from rhinecloud.settings import Settings
from rhinecloud.store import NotLetIn, Unavailable
from rhinecloud.web.texts import untranslated, update


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which installation."""
    parser.add_argument("action", choices=["list", "new", "texts", "remove"], help="what to do")
    parser.add_argument("name", nargs="?", help="the app; for texts the folder of its package")
    parser.add_argument("--folder", type=Path, help="new: where its files go (a folder of its name)")
    parser.add_argument("--yes", action="store_true", help="remove: I know that everything of it is deleted")
    add_settings(parser, ["data", "database_url", "apps", "files_removed_days"])


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    settings = settings_from(arguments)
    if (arguments.name is None) != (arguments.action == "list"):
        takes = "takes no name" if arguments.action == "list" else "needs a name"
        raise EngineError(f"rhinecloud app {arguments.action} {takes}.")
    if arguments.action == "list":
        return _list(settings)
    if arguments.action == "new":
        return _new(arguments.name, arguments.folder)
    if arguments.action == "texts":
        return _texts(Path(arguments.name))
    return _remove(settings, arguments.name, yes=arguments.yes)


def _list(settings: Settings) -> int:
    served = wanted(settings.apps)
    for found in find() + [one for one in find(served) if not one.distribution]:
        if served is not None and found.name not in served:
            state = "not served: the setting apps does not name it"
        else:
            state = found.app.title[1] if found.app else f"not served: {found.reason}"
        say(f"{found.name:<20} {found.distribution} {found.version}   {state}")
    return 0


def _new(name: str, folder: Path | None) -> int:
    target = (folder or Path(name)).absolute()
    try:
        written = scaffolding.write(name, target)
    except (ValueError, OSError) as error:
        raise EngineError(f"Nothing was written: {error}") from None
    for path in written:
        say(f"  {path.relative_to(target)}")
    say(f"The app is in {target}. Next: pip install -e {target}[dev], then pytest in it.")
    return 0


def _texts(folder: Path) -> int:
    catalogue = folder / "locale" / "de.po"
    if not (folder / "__init__.py").exists():
        raise EngineError(f"{folder} is no package of Python (src/rhinecloud_NAME is what is meant).")
    catalogue.parent.mkdir(exist_ok=True)
    update(catalogue, [folder])
    for text in untranslated(catalogue, [folder]):
        say(f"  without a translation: {text}")
    return 0


def _remove(settings: Settings, name: str, *, yes: bool) -> int:
    served = wanted(settings.apps)
    for found in find(served):
        if found.name == name and found.distribution:
            raise EngineError(
                f"The app {name} is installed and would be there again at the next start. First: pip uninstall "
                f"{found.distribution}, or name the other apps in the setting apps; then restart the city."
            )
    if not yes:
        raise EngineError(
            f"This would delete the tables, jobs and files of {name}, for good. Say --yes for that."
        )
    with database(settings, say) as access:
        try:
            removed = asyncio.run(leaving.remove(access.url, name, settings.files_removed_days))
        except (LookupError, *NotLetIn) as error:
            raise EngineError(f"This cannot be done: {error}.") from None
        except Unavailable as error:
            raise EngineError(f"PostgreSQL does not answer: {error or type(error).__name__}") from None
    if removed.nothing:
        raise EngineError(f"There is nothing of an app {name}.")
    say(f"The app {name} is removed: its schema, {removed.jobs} jobs and {removed.files} files.")
    return 0
