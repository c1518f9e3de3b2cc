"""A change as a sight has it: between what was seen before and what is seen after it. Pure."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from rhinecloud.model.sight import Sight

from .operations import Change, Filed, Instances


def seen_change(change: Change, sight: Sight) -> Change | None:
    """What of a change is seen; None if nothing is.

    An entity that comes into sight, for its types or scopes are others now, is a new one to who sees it, and one that
    goes out of sight is deleted.
    """
    if sight.everything:
        return change
    after = change.entity
    last = Filed(change.types, change.scopes if after is None else after.scopes)
    was = None if change.operation == "create" else change.was or last
    names_before = _names(sight, was, {**change.old, **(after.attributes if after is not None else {})})
    names_after = _names(sight, last, after.attributes) if after is not None else None
    if names_before is None and names_after is None:
        return None
    old = _before(change, names_before or frozenset())
    entity = None
    if after is not None and names_after is not None:
        kept = {name: after.attributes[name] for name in after.attributes if name in names_after}
        entity = msgspec.structs.replace(after, attributes=kept)
    now = entity.attributes if entity is not None else {}
    touched = [name for name in change.attributes if name in now or name in old]
    touched += [name for name in {**old, **now} if (name in old) != (name in now) and name not in touched]
    if names_before is None:
        return msgspec.structs.replace(
            change, operation="create", attributes=tuple(now), entity=entity, old={}, was=None
        )
    if entity is None:
        assert was is not None
        created_at = change.created_at if after is None else after.created_at
        return msgspec.structs.replace(
            change,
            operation="delete",
            types=was.types,
            scopes=was.scopes,
            attributes=tuple(touched),
            entity=None,
            old=old,
            created_at=created_at,
            was=None,
        )
    if not touched and change.was is None:
        return None
    changed = {name: old[name] for name in touched if name in old}
    return msgspec.structs.replace(change, attributes=tuple(touched), entity=entity, old=changed)


def _names(sight: Sight, filed: Filed | None, attributes: Collection[str]) -> frozenset[str] | None:
    """Those of the attributes that are seen of an entity that is filed so; None if it is not seen."""
    if filed is None:
        return None
    try:
        seen = sight.attributes_of(filed.types, filed.scopes)
    except LookupError:
        return None
    return frozenset(attributes) if seen is None else seen & frozenset(attributes)


def _before(change: Change, names: Collection[str]) -> Instances:
    """The attributes of these names as they were before the change."""
    now = change.entity.attributes if change.entity is not None else {}
    found = {name: change.old[name] for name in change.old if name in names and change.old[name]}
    for name, instances in now.items():
        if name in names and name not in change.old and name not in change.attributes:
            found[name] = instances
    return found
