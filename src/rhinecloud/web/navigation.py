"""The navigation: rooms and apps register where one can go, and everybody is shown what they may see.

An entry stands by itself or in a group. A group is shown to whoever may see one of its entries; it leads to the first
of these, and its entries stand in a second row while one of them is looked at. An app that has several entries in a
group is one of them there, and has a row of its own while one is inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from rhinecloud.people import PERMISSIONS, Actor

Label = tuple[str, str]  # German, English


class Entry(msgspec.Struct, frozen=True):
    """A place: its path, its name, the permission of its page, and where it stands: in which group ("" for none), and
    after which others (`order`, smallest first). `app`: the title of the app that it belongs to. `also`: other paths
    that are a part of it."""

    path: str
    label: Label
    permission: str
    group: str = ""
    order: int = 50
    app: Label | None = None
    also: tuple[str, ...] = ()

    def holds(self, path: str) -> int:
        """How much of an address is that of the place: the nearest place holds the most, others nothing."""
        return max((len(one) for one in (self.path, *self.also) if _holds(one, path)), default=0)


class Group(msgspec.Struct, frozen=True):
    """Places that belong together, and where they stand among the others."""

    key: str
    label: Label
    order: int = 50


class Item(msgspec.Struct, frozen=True):
    """What one reader is shown. `current`: "page" for the place that is looked at, "true" for its group, else "".
    A group has `items`, and so has an app with several places; `key` is that of a group."""

    path: str
    label: Label
    current: str
    items: tuple[Item, ...] = ()
    key: str = ""


DATA = Group("data", ("Daten", "Data"), 30)
APPS = Group("apps", ("Anwendungen", "Applications"), 40)
OPERATIONS = Group("operations", ("Betrieb", "Operations"), 60)
ADMINISTRATION = Group("administration", ("Verwaltung", "Administration"), 70)
GROUPS = (DATA, APPS, OPERATIONS, ADMINISTRATION)

ENTRIES = (
    Entry("/", ("Übersicht", "Overview"), "public", order=10),
    Entry("/map", ("Karte", "Map"), "public", order=20),
    Entry("/objects", ("Objekte", "Objects"), "public", "data", 10),
    Entry("/queries", ("Abfragen", "Queries"), "public", "data", 20),
    Entry("/api-reference", ("Schnittstellen", "Interfaces"), "public", "data", 90),
    Entry("/wall", ("Leinwand", "Big screen"), "health.see", "operations", 95),
    Entry("/health", ("Zustand", "Health"), "health.see", "operations", 10),
    Entry("/devices", ("Geräte", "Devices"), "devices.see", "operations", 20),
    Entry("/profiles", ("Profile", "Profiles"), "profiles.see", "operations", 30),
    Entry("/unmapped", ("Nicht zugeordnet", "Not assigned"), "unmapped.see", "operations", 40),
    Entry("/subscriptions", ("Abonnements", "Subscriptions"), "subscriptions.see", "operations", 50),
    Entry("/jobs", ("Aufträge", "Jobs"), "jobs.see", "operations", 60),
    Entry("/mail", ("E-Mail", "Mail"), "mail.see", "operations", 70),
    Entry(
        "/people",
        ("Menschen und Organisationen", "People and organisations"),
        "people.manage",
        "administration",
        10,
    ),
    Entry("/publishing", ("Veröffentlichen", "Publishing"), "publishing.manage", "administration", 20),
    Entry("/audit", ("Protokoll", "Audit log"), "audit.see", "administration", 90),
)


class Navigation:
    """The places of one installation."""

    def __init__(self, entries: Iterable[Entry] = ENTRIES, groups: Iterable[Group] = GROUPS) -> None:
        self._groups: dict[str, Group] = {}
        self._entries: dict[str, Entry] = {}
        for group in groups:
            self.add_group(group)
        self.add(*entries)

    def add_group(self, group: Group) -> None:
        """Make a group known. Raises ValueError for a key that another has."""
        if self._groups.setdefault(group.key, group) != group:
            raise ValueError(f"there is a group {group.key} of the navigation already")

    def add(self, *entries: Entry) -> None:
        """Make places known. Raises ValueError for a path that another has, for a group and for a permission that are
        not known."""
        for entry in entries:
            if entry.group and entry.group not in self._groups:
                raise ValueError(f"the navigation has no group {entry.group}")
            if entry.permission not in PERMISSIONS:
                raise ValueError(f"there is no permission {entry.permission}")
            if self._entries.setdefault(entry.path, entry) != entry:
                raise ValueError(f"{entry.path} is in the navigation already")

    def labels(self) -> dict[str, Label]:
        """What the places are called, by their path."""
        return {path: entry.label for path, entry in self._entries.items()}

    def of(self, actor: Actor, path: str) -> tuple[Item, ...]:
        """What somebody is shown who looks at an address, in order."""
        seen = [entry for entry in self._entries.values() if actor.may(entry.permission)]
        nearest = max(
            seen, key=lambda entry: entry.holds(path), default=None
        )  # of /a and /a/b the nearer one
        here = nearest.path if nearest is not None and nearest.holds(path) else None
        placed: list[tuple[int, str, Item]] = []
        for entry in seen:
            if not entry.group:
                placed.append((entry.order, entry.path, _item(entry, here)))
        for group in self._groups.values():
            inner = sorted((e for e in seen if e.group == group.key), key=lambda e: (e.order, e.path))
            if inner:
                items = tuple(_by_app(inner, here))
                placed.append((group.order, group.key, _holding(group.label, items, group.key)))
        return tuple(item for _, _, item in sorted(placed, key=lambda one: one[:2]))


def _by_app(entries: list[Entry], here: str | None) -> Iterator[Item]:
    """The entries in their order, those of an app in one place: that of its first."""
    told: set[Label] = set()
    for entry in entries:
        of_app = [one for one in entries if one.app == entry.app] if entry.app is not None else [entry]
        if entry.app is None or len(of_app) == 1:
            yield _item(entry, here)
        elif entry.app not in told:
            told.add(entry.app)
            yield _holding(entry.app, tuple(_item(one, here) for one in of_app))


def _holding(label: Label, items: tuple[Item, ...], key: str = "") -> Item:
    current = "true" if any(item.current for item in items) else ""
    return Item(items[0].path, label, current, items, key)


def _item(entry: Entry, here: str | None) -> Item:
    return Item(entry.path, entry.label, "page" if entry.path == here else "")


def _holds(place: str, path: str) -> bool:
    """Whether an address is a place, or lies below it."""
    return path == place or (place != "/" and path.startswith(place + "/"))
