"""A sight as SQL: which rows somebody may read, and which of their attributes.

A term about an attribute holds only where the sight includes the attribute of that entity: the answer is that of the
plain reading over the entities as `Sight.of` gives them. Who sees everything adds no condition at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rhinecloud.model.query_tree import ENTITY_MEMBERS
from rhinecloud.model.sight import Grant, Sight

from . import facts
from .parameters import Parameters


class Seen:
    """Conditions on a row `e` with `types` and `scopes`, for one statement. With `indexed` it has `facts` too, by
    which entities in a scope are found."""

    def __init__(self, sight: Sight, parameters: Parameters, *, indexed: bool = True) -> None:
        self.sight = sight
        self._parameters = parameters
        self._indexed = indexed
        self._made: dict[tuple[Grant, ...], str] = {}

    def entity(self) -> list[str]:
        """That the entity is seen."""
        return [] if self.sight.everything else [self._any(self.sight.grants)]

    def gives(self, attribute: str) -> bool:
        """Whether the sight includes the attribute of any entity. What every entity has is not hidden."""
        return self.sight.everything or attribute in ENTITY_MEMBERS or bool(self._giving(attribute))

    def attribute(self, name: str) -> str | None:
        """That the attribute of an entity that is seen is seen too; None where nothing need be asked."""
        if self.sight.everything or name in ENTITY_MEMBERS:
            return None
        giving = self._giving(name)
        return None if giving == self.sight.grants else self._any(giving)

    def attribute_in(self, column: str, always: Iterable[str] = ()) -> list[str]:
        """The same of the attribute that a column names; those that are `always` seen are no attributes."""
        if self.sight.everything or not any(grant.attributes for grant in self.sight.grants):
            return []
        by_names: dict[frozenset[str], list[Grant]] = {}
        for grant in self.sight.grants:
            by_names.setdefault(grant.attributes, []).append(grant)
        parts = [f"{column} = ANY({self._parameters.add(sorted(always))}::text[])"] if always else []
        for names, grants in by_names.items():
            met = self._any(tuple(grants))
            if names:
                met = f"({column} = ANY({self._parameters.add(sorted(names))}::text[]) AND {met})"
            parts.append(met)
        return [f"({' OR '.join(parts)})"]

    def _giving(self, attribute: str) -> tuple[Grant, ...]:
        return tuple(one for one in self.sight.grants if not one.attributes or attribute in one.attributes)

    def _any(self, grants: tuple[Grant, ...]) -> str:
        """That the entity meets one of the grants."""
        if grants not in self._made:
            self._made[grants] = self._condition(grants)
        return self._made[grants]

    def _condition(self, grants: tuple[Grant, ...]) -> str:
        if not grants:
            return "false"
        if any(not grant.types and not grant.scopes for grant in grants):
            return "true"
        # Together, so that the planner has one search of an index for all that differ in their types only.
        by_scopes: dict[frozenset[str], list[frozenset[str]]] = {}
        for grant in grants:
            by_scopes.setdefault(grant.scopes, []).append(grant.types)
        parts = []
        for scopes, types in by_scopes.items():
            both = [self._in(scopes)] if scopes else []
            if all(types):
                both.append(f"e.types && {self._parameters.add(sorted(frozenset().union(*types)))}::text[]")
            parts.append(" AND ".join(both))
        return f"({' OR '.join(parts)})"

    def _in(self, scopes: Iterable[str]) -> str:
        above = "|".join(re.escape(scope.removeprefix("/")) for scope in sorted(scopes))
        beneath = self._parameters.add(rf"^(?:/|(?!/))(?:{above})(?:/|$)")
        exact = f"EXISTS (SELECT FROM unnest(e.scopes) AS scope WHERE scope ~ {beneath})"
        if not self._indexed:
            return exact
        known = self._parameters.add(sorted(facts.of_scopes(scopes)))
        return f"e.facts && {known}::integer[] AND {exact}"
