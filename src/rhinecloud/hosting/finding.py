"""Which apps are installed: the entry points of the group `rhinecloud.apps`."""

from __future__ import annotations

import importlib
import importlib.util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import msgspec

from rhinecloud.app import App
from rhinecloud.people import PERMISSIONS
from rhinecloud.store import migrations_in

from .phases import Migration

GROUP = "rhinecloud.apps"


class Found(msgspec.Struct, frozen=True):
    """An installed app; `app` is None where it cannot be served, for the `reason`. `distribution`: pip's name of it."""

    name: str
    distribution: str
    version: str
    app: App | None = None
    reason: str = ""

    @property
    def folder(self) -> Path:
        """Where its sql/, templates/ and locale/ lie. Raises ValueError for an app that is not a package."""
        assert self.app is not None
        spec = importlib.util.find_spec(self.app.package)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"{self.app.package} is no package of Python")
        return Path(spec.submodule_search_locations[0])


def wanted(setting: str | None) -> frozenset[str] | None:
    """The names of the setting `apps`; None for all that are installed."""
    return None if setting is None else frozenset(setting.replace(",", " ").split())


def find(only: frozenset[str] | None = None) -> list[Found]:
    """What is installed, by name; of these only, where they are given. Never raises."""
    found: dict[str, Found] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        if only is not None and point.name not in only:
            continue
        there = found.get(point.name)
        if there is None:
            found[point.name] = _load(point)
        elif (point.dist.name if point.dist else "") != there.distribution:
            found[point.name] = _without(point, f"{there.distribution} is an app of this name, too")
    missing = [
        Found(name, "", "", None, "the setting apps names it, and it is not installed")
        for name in sorted((only or frozenset()) - found.keys())
    ]
    return [*found.values(), *missing]


def schema_of(name: str) -> str:
    """The schema of an app."""
    return f"app_{name}"


def app_migrations(only: frozenset[str] | None = None) -> dict[str, list[Migration]]:
    """The migrations of the apps that are installed by the schemas that they belong to, as `versions.pending_one_way`
    asks for them; of these only, where they are given. An app that cannot be loaded has none."""
    found = [one.app for one in find(only) if one.app is not None]
    return {schema_of(app.name).replace("_", r"\_"): migrations_in(app.package) for app in found}


def _load(point: EntryPoint) -> Found:
    try:
        app = point.load()
    except Exception as error:
        return _without(point, f"it cannot be imported: {type(error).__name__}: {error}")
    if not isinstance(app, App):
        return _without(point, f"{point.value} is no rhinecloud.app.App")
    if app.name != point.name:
        return _without(point, f"its entry point is called {point.name}, and its App {app.name}")
    if problems := list(app.problems(lambda name: name in PERMISSIONS)):
        return _without(point, "; ".join(problems))
    found = msgspec.structs.replace(_without(point, ""), app=app)
    try:
        assert found.folder
    except (ImportError, ValueError) as error:
        return _without(point, str(error))
    return found


def _without(point: EntryPoint, reason: str) -> Found:
    dist = point.dist
    return Found(point.name, dist.name if dist else "", dist.version if dist else "", None, reason)
