"""What somebody may be allowed: each permission has a name that roles and tokens speak of, and a text for people.

Every route, page and topic names one; who lacks it is refused. An app adds its own (`PERMISSIONS.add`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec


class Permission(msgspec.Struct, frozen=True):
    """`name` is `area.verb`; the texts say, after "may", what it allows."""

    name: str
    german: str
    english: str


class Permissions:
    """All permissions of an installation, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Permission] = {}

    def add(self, name: str, german: str, english: str) -> Permission:
        """Make one known. Raises ValueError for a name that is taken by another."""
        permission = Permission(name, german, english)
        if self._by_name.setdefault(name, permission) != permission:
            raise ValueError(f"there is a permission {name} already")
        return permission

    def __getitem__(self, name: str) -> Permission:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Permission]:
        return iter(self._by_name.values())


PERMISSIONS: Final = Permissions()
_add = PERMISSIONS.add

# Everybody has this one: the start page, sign-in, the legal pages, what the graph shows to one's sight.
PUBLIC: Final = _add("public", "sehen, was für alle da ist", "see what is there for everybody")
ACCOUNT: Final = _add("account", "das eigene Konto verwalten", "manage one's own account")

SEE_INTERNAL: Final = _add(
    "graph.internal", "alle Objekte sehen, auch interne", "see all entities, internal ones too"
)
WRITE_GRAPH: Final = _add(
    "graph.write", "Objekte anlegen, ändern und löschen", "create, change and delete entities"
)
SUBSCRIBE: Final = _add(
    "subscriptions.manage", "eigene Abonnements verwalten", "manage their own subscriptions"
)
SEE_SUBSCRIPTIONS: Final = _add("subscriptions.see", "alle Abonnements sehen", "see all subscriptions")
MANAGE_CONTEXTS: Final = _add(
    "contexts.manage", "@contexts speichern und löschen", "store and delete @contexts"
)

SEE_DEVICES: Final = _add(
    "devices.see",
    "Geräte, ihre Alarme und Sollzustände sehen",
    "see devices, their alarms and what is wanted of them",
)
MANAGE_DEVICES: Final = _add(
    "devices.manage",
    "Geräte und ihre Geheimnisse anlegen, ändern und entfernen",
    "add, change and remove devices and their secrets",
)
COMMAND_DEVICES: Final = _add("devices.command", "Sollzustände von Geräten setzen", "want states of devices")
SEE_PROFILES: Final = _add(
    "profiles.see", "Geräteprofile sehen und ausprobieren", "see and try device profiles"
)
MANAGE_PROFILES: Final = _add(
    "profiles.manage",
    "eigene Geräteprofile schreiben und löschen",
    "write and delete the city's own device profiles",
)
SEE_UNMAPPED: Final = _add(
    "unmapped.see",
    "nicht zugeordnete Nachrichten mit Inhalt sehen",
    "see messages that could not be mapped, with their payload",
)
MANAGE_UNMAPPED: Final = _add(
    "unmapped.manage",
    "nicht zugeordnete Nachrichten wiederholen und verwerfen",
    "replay and discard unmapped messages",
)
SEE_JOBS: Final = _add("jobs.see", "Aufgaben sehen", "see jobs")
MANAGE_JOBS: Final = _add("jobs.manage", "Aufgaben wiederholen und verwerfen", "retry and discard jobs")
SEE_MAIL: Final = _add("mail.see", "Post und Rückläufer sehen", "see letters and what was returned")
MANAGE_MAIL: Final = _add("mail.manage", "Post erneut senden", "send letters again")
SEE_HEALTH: Final = _add("health.see", "den Zustand der Anlage sehen", "see the installation's health")
SEE_API: Final = _add(
    "api.see", "die Beschreibung der Schnittstellen lesen", "read the description of the APIs"
)

PUBLISH: Final = _add(
    "publishing.manage", "Daten veröffentlichen und zurückziehen", "publish data and withdraw it"
)
MANAGE_PEOPLE: Final = _add(
    "people.manage",
    "Menschen einladen, Organisationen und Rollen verwalten",
    "invite people, manage organisations and roles",
)
MANAGE_TOKENS: Final = _add("tokens.manage", "Zugriffstoken ausstellen", "issue API tokens")
SEE_AUDIT: Final = _add("audit.see", "das Protokoll der Verwaltung lesen", "read the audit log")
MANAGE_LEGAL: Final = _add(
    "legal.manage",
    "Impressum, Datenschutz und Barrierefreiheit bearbeiten",
    "edit the legal notice and its like",
)
MANAGE_PRIVACY: Final = _add(
    "privacy.manage",
    "Auskunft, Berichtigung und Löschung bearbeiten",
    "answer requests for access, correction, erasure",
)
