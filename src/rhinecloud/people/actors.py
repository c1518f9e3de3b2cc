"""Who is asking: a person, a program with a token, anybody, or whoever reaches an open installation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from rhinecloud.model.sight import EVERYTHING, Sight

from .permissions import PUBLIC, Permission

Kind = Literal["person", "token", "anonymous", "open"]

# Where the gate puts who asks into the ASGI scope.
ACTOR: Final = "rhinecloud.actor"


class Actor(msgspec.Struct, frozen=True):
    """Who asks, what they may do and what they may see. `id` is what the audit log names (`person:17`, `token:3`,
    `anonymous`, `open`); `organisations` are the identifiers of those they act for."""

    id: str
    kind: Kind
    name: str = ""
    permissions: frozenset[str] = frozenset()
    sight: Sight = Sight()
    organisations: frozenset[int] = frozenset()
    may_everything: bool = False

    def may(self, permission: str | Permission) -> bool:
        """Whether they have the permission."""
        name = permission if isinstance(permission, str) else permission.name
        return self.may_everything or name == PUBLIC.name or name in self.permissions


# Whoever reaches an installation that is served without sign-in, on a loopback address.
OPEN = Actor("open", "open", "open", sight=EVERYTHING, may_everything=True)

# Anybody, as long as nothing is published.
ANONYMOUS = Actor("anonymous", "anonymous")


def of_scope(scope: Mapping[str, Any]) -> Actor:
    """Who sent a request; anybody where no gate has looked, so that what is served without one shows nothing."""
    found: Actor = scope.get(ACTOR, ANONYMOUS)
    return found
