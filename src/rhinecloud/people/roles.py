"""Roles: what somebody may do as a member of an organisation. Fixed sets, so that a name means the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from . import permissions as p


class Role(msgspec.Struct, frozen=True):
    """`permissions` are names; `everything` includes those that apps add."""

    name: str
    german: str
    english: str
    german_meaning: str
    english_meaning: str
    permissions: frozenset[str] = frozenset()
    everything: bool = False

    @property
    def label(self) -> tuple[str, str]:
        """Its name in German and English."""
        return self.german, self.english

    @property
    def meaning(self) -> tuple[str, str]:
        """What it is for, in German and English."""
        return self.german_meaning, self.english_meaning


def _names(*permissions: p.Permission) -> frozenset[str]:
    return frozenset(permission.name for permission in permissions)


ADMINISTRATOR: Final = Role(
    "administrator",
    "Administration",
    "Administrator",
    "darf alles, auch Menschen und Rollen verwalten",
    "may do everything, managing people and roles included",
    everything=True,
)
OPERATOR: Final = Role(
    "operator",
    "Betrieb",
    "Operator",
    "hält Geräte, Daten, Aufgaben und Post am Laufen und sieht alle Objekte",
    "keeps devices, data, jobs and mail running, and sees all entities",
    _names(
        p.SEE_INTERNAL,
        p.WRITE_GRAPH,
        p.SUBSCRIBE,
        p.SEE_SUBSCRIPTIONS,
        p.MANAGE_CONTEXTS,
        p.SEE_DEVICES,
        p.MANAGE_DEVICES,
        p.COMMAND_DEVICES,
        p.SEE_PROFILES,
        p.MANAGE_PROFILES,
        p.SEE_UNMAPPED,
        p.MANAGE_UNMAPPED,
        p.SEE_JOBS,
        p.MANAGE_JOBS,
        p.SEE_MAIL,
        p.MANAGE_MAIL,
        p.SEE_HEALTH,
        p.SEE_API,
    ),
)
EDITOR: Final = Role(
    "editor",
    "Redaktion",
    "Editor",
    "veröffentlicht Daten, pflegt die rechtlichen Seiten und sieht alle Objekte",
    "publishes data, keeps the legal pages, and sees all entities",
    _names(p.SEE_INTERNAL, p.PUBLISH, p.MANAGE_LEGAL, p.SEE_API),
)
MEMBER: Final = Role(
    "member",
    "Mitglied",
    "Member",
    "sieht, was für die Organisation freigegeben ist",
    "sees what has been granted to the organisation",
    _names(p.SUBSCRIBE, p.SEE_API),
)
CITIZEN: Final = Role(
    "citizen",
    "Person mit Konto",
    "Person with an account",
    "verwaltet das eigene Konto",
    "manages their own account",
    _names(p.ACCOUNT),
)

# Those that a membership can have, the mightiest first; everybody with an account is a citizen besides.
ROLES: Final = {role.name: role for role in (ADMINISTRATOR, OPERATOR, EDITOR, MEMBER)}


_granted: dict[str, frozenset[str]] = {}


def grant(role: str, permissions: Iterable[str]) -> None:
    """What an app lets a role do besides, or everybody with an account (`citizen`), for as long as this process lives.

    Raises ValueError for what is no role.
    """
    if role not in ROLES and role != CITIZEN.name:
        raise ValueError(f"there is no role {role}")
    _granted[role] = _granted.get(role, frozenset()) | frozenset(permissions)


def permissions_of(roles: Iterable[str]) -> tuple[frozenset[str], bool]:
    """What an account with these roles may, and whether that is everything. A name that is no role gives nothing."""
    held = [CITIZEN, *(ROLES[name] for name in roles if name in ROLES)]
    given = [role.permissions | _granted.get(role.name, frozenset()) for role in held]
    return frozenset().union(*given), any(role.everything for role in held)
