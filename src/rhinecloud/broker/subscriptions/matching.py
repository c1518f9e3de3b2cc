"""Which subscriptions a change meets (CIM 009 §5.8.6). Pure.

A subscription is found by the ids it names, else by its types and watched attributes, else among those that want
everything: a change is held against those only that could want it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from rhinecloud.model import Context, Entity
from rhinecloud.model.sight import EVERYTHING, Sight
from rhinecloud.model.subscription import Subscription

from ..operations import Change, Head
from ..seeing import seen_change
from .conditions import Test, geo_test, q_test

_STAMPS = frozenset({"createdAt", "modifiedAt"})


class Watched(msgspec.Struct, frozen=True):
    """A subscription as it is matched and told. Changes up to `since` are not its subscriber's. `tenant` is None for
    the default tenant, of which nobody speaks (§6.3.14). `sight` is what its `owner` may read: what is matched and told
    is what they see of a change."""

    number: int
    since: int
    subscription: Subscription
    context: Context
    meets_q: Test | None = None
    meets_geo: Test | None = None
    tenant: str | None = None
    owner: str = "open"
    sight: Sight = EVERYTHING

    @classmethod
    def of(
        cls,
        number: int,
        since: int,
        subscription: Subscription,
        context: Context,
        tenant: str | None = None,
        owner: str = "open",
        sight: Sight = EVERYTHING,
    ) -> Watched:
        """With its conditions made ready once."""
        q, geo = subscription.q, subscription.geo
        return cls(
            number,
            since,
            subscription,
            context,
            q_test(q) if q is not None else None,
            geo_test(geo) if geo is not None else None,
            tenant,
            owner,
            sight,
        )

    def accepts(self, entity: Entity) -> bool:
        """Whether the entity meets scopeQ, q and geoQ."""
        scope_q = self.subscription.scope_q
        return (
            (scope_q is None or scope_q.matches(entity.scopes))
            and (self.meets_q is None or self.meets_q(entity))
            and (self.meets_geo is None or self.meets_geo(entity))
        )


class Effects(msgspec.Struct, frozen=True):
    """Which attributes a change made, altered and took away."""

    created: frozenset[str]
    updated: frozenset[str]
    deleted: frozenset[str]


def effects_of(change: Change) -> Effects:
    """An attribute is altered when a member of it, times of storage aside, has another value (§5.8.6)."""
    now = change.entity.attributes if change.entity is not None else {}
    created, updated, deleted = set(), set(), set()
    for name in change.attributes:
        before = {one.get("datasetId"): one for one in change.old.get(name, ())}
        after = {one.get("datasetId"): one for one in now.get(name, ())}
        if not before.keys() >= after.keys():
            created.add(name)
        if not after.keys() >= before.keys():
            deleted.add(name)
        if any(differ(one, before[dataset]) for dataset, one in after.items() if dataset in before):
            updated.add(name)
    return Effects(frozenset(created), frozenset(updated), frozenset(deleted))


def differ(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two instances differ in more than the times of their storage."""
    if len(one.keys() - _STAMPS) != len(other.keys() - _STAMPS):
        return True
    return any(key not in _STAMPS and (key not in other or other[key] != value) for key, value in one.items())


def state_of(change: Change) -> Entity:
    """The entity after the change, or as it was before it was deleted."""
    if change.entity is not None:
        return change.entity
    return Entity(
        id=change.entity_id,
        types=change.types,
        scopes=change.scopes,
        attributes=change.old,
        created_at=change.created_at,
        modified_at=change.at,
    )


def triggered(subscription: Subscription, change: Change, effects: Effects) -> bool:
    """Whether the change is of a kind that triggers, and of a watched attribute (Table 5.2.12-1).

    A new entity brings new attributes with it, and the end of an entity is the end of its attributes.
    """
    triggers, watched = subscription.triggers, subscription.watched
    if change.operation != "update":
        kind = "entityCreated" if change.operation == "create" else "entityDeleted"
        if kind in triggers and (not watched or not watched.isdisjoint(change.attributes)):
            return True
    return any(
        kind in triggers and names and (not watched or not watched.isdisjoint(names))
        for kind, names in (
            ("attributeUpdated", effects.updated),
            ("attributeCreated", effects.created),
            ("attributeDeleted", effects.deleted),
        )
    )


class Index:
    """The active subscriptions that are told of changes."""

    def __init__(self, watched: Iterable[Watched] = ()) -> None:
        self._by_id: dict[str, list[Watched]] = {}
        self._by_type: dict[tuple[str, str | None], list[Watched]] = {}
        self._by_attribute: dict[str, list[Watched]] = {}
        self._others: list[Watched] = []
        self._not_all_seeing: list[Watched] = []
        for one in watched:
            self._add(one)

    def _add(self, one: Watched) -> None:
        wanted = one.subscription
        if wanted.time_interval is not None:
            return
        if wanted.watched and not one.sight.everything:
            self._not_all_seeing.append(one)
        if not wanted.entities:
            self._add_by_attribute(one)
            return
        for selector in wanted.entities:
            if selector.ids:
                for entity_id in selector.ids:
                    self._by_id.setdefault(entity_id, []).append(one)
            elif not selector.types.alternatives:
                self._add_by_attribute(one)
            else:
                # Of types that must all be there, looking under one suffices.
                for all_of in selector.types.alternatives:
                    for attribute in wanted.watched or (None,):
                        self._by_type.setdefault((all_of[0], attribute), []).append(one)

    def _add_by_attribute(self, one: Watched) -> None:
        if not one.subscription.watched:
            self._others.append(one)
        for attribute in one.subscription.watched:
            self._by_attribute.setdefault(attribute, []).append(one)

    def concerns(self, change: Head) -> bool:
        """Whether any subscription could want the change."""
        return next(self.candidates(change), None) is not None

    def candidates(self, change: Change | Head) -> Iterator[Watched]:
        """Each subscription, once, that could want the change."""
        seen: set[int] = set()
        for found in self._buckets(change):
            for one in found:
                if one.number not in seen:
                    seen.add(one.number)
                    yield one

    def _buckets(self, change: Change | Head) -> Iterator[list[Watched]]:
        none: list[Watched] = []
        yield self._others
        yield self._by_id.get(change.entity_id, none)
        if (
            change.was is not None
        ):  # into sight or out of it with all its attributes, though none of them changed
            yield self._not_all_seeing
        for attribute in change.attributes:
            yield self._by_attribute.get(attribute, none)
        for kind in change.types:
            yield self._by_type.get((kind, None), none)
            for attribute in change.attributes:
                yield self._by_type.get((kind, attribute), none)

    def matching(self, change: Change, now: datetime) -> list[Watched]:
        """The subscriptions that the change meets."""
        views: dict[Sight, tuple[Change, Effects, Entity] | None] = {}
        found = []
        for one in self.candidates(change):
            wanted = one.subscription
            if change.id <= one.since or wanted.status(now) != "active":
                continue
            if one.sight not in views:
                views[one.sight] = _view(change, one.sight)
            view = views[one.sight]
            if view is None:
                continue
            seen, effects, state = view
            if not wanted.selects(seen.entity_id, seen.types):
                continue
            if triggered(wanted, seen, effects) and one.accepts(state):
                found.append(one)
        return found


def _view(change: Change, sight: Sight) -> tuple[Change, Effects, Entity] | None:
    seen = seen_change(change, sight)
    return None if seen is None else (seen, effects_of(seen), state_of(seen))
