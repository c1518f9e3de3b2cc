"""What somebody may read of the graph: entities by their types and scopes, and of these which attributes.

What a sight does not include is as if it were not there, wherever the graph is read: in queries and within their
conditions, in counts, in the past, in notifications and on live pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import msgspec

from rhinecloud.model.entity import Entity


class Grant(msgspec.Struct, frozen=True):
    """Entities that may be read. Empty `types`, `scopes` or `attributes` mean any.

    `types` and `attributes` are IRIs; an entity meets `types` with one of its types, and `scopes` with one of its
    scopes that is one of these or beneath one of these (`/Duisburg` includes `/Duisburg/Ruhrort`).
    """

    types: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()

    def includes(self, types: Collection[str], scopes: Collection[str]) -> bool:
        """Whether an entity of these types and scopes is among them."""
        if self.types and self.types.isdisjoint(types):
            return False
        return not self.scopes or any(_beneath(scope, above) for scope in scopes for above in self.scopes)


class Sight(msgspec.Struct, frozen=True):
    """All that one may read: the union of what each grant gives. `everything` leaves nothing out."""

    grants: tuple[Grant, ...] = ()
    everything: bool = False

    @property
    def key(self) -> str:
        """The same for all that see the same: what is made for one of them can be shown to the others."""
        if self.everything:
            return "everything"
        parts = sorted(
            "\x1f".join("\x1e".join(sorted(names)) for names in (one.types, one.scopes, one.attributes))
            for one in self.grants
        )
        return hashlib.sha256("\x1d".join(parts).encode()).hexdigest()[:32]

    def attributes_of(self, types: Collection[str], scopes: Collection[str]) -> frozenset[str] | None:
        """The attributes that are seen of such an entity, None for all of them. Raises LookupError if the entity
        is not seen at all."""
        if self.everything:
            return None
        met = [grant for grant in self.grants if grant.includes(types, scopes)]
        if not met:
            raise LookupError("not seen")
        if any(not grant.attributes for grant in met):
            return None
        return frozenset().union(*(grant.attributes for grant in met))

    def of(self, entity: Entity) -> Entity | None:
        """The entity as this sight has it, None if it has not."""
        try:
            seen = self.attributes_of(entity.types, entity.scopes)
        except LookupError:
            return None
        if seen is None or seen >= entity.attributes.keys():
            return entity
        kept = {name: instances for name, instances in entity.attributes.items() if name in seen}
        return msgspec.structs.replace(entity, attributes=kept)


EVERYTHING = Sight(everything=True)
NOTHING = Sight()


def _beneath(scope: str, above: str) -> bool:
    """Whether a scope is another or beneath it; a slash at the beginning makes no difference (CIM 009 §4.18)."""
    scope, above = scope.removeprefix("/"), above.removeprefix("/")
    return scope == above or scope.startswith(above + "/")
