"""Whether an entity meets a query: the plain reading of CIM 009 §4.9, the oracle for every faster one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final

import msgspec

from rhinecloud.model.entity import VALUE_MEMBER, Entity, Instance
from rhinecloud.model.linked import linked_ids
from rhinecloud.model.patterns import compile_pattern
from rhinecloud.model.query_tree import (
    ENTITY_MEMBERS,
    PATH_MEMBERS,
    And,
    AttributePath,
    Comparison,
    Exists,
    Or,
    Pattern,
    Q,
    Range,
    Single,
    Temporal,
    Uri,
    Value,
    ValueList,
)
from rhinecloud.model.values import normal_clock, normal_date, normal_time

Resolve = Callable[[str], Entity | None]
"""Entity id → the entity, for queries that follow Relationships."""

_UNDEFINED: Final = object()
_NORMAL: Final = {"dateTime": normal_time, "date": normal_date, "time": normal_clock}


class Target(msgspec.Struct, frozen=True):
    """A target element and its value. `link` marks Relationships, which have no order (§4.9)."""

    value: Any
    link: bool = False


def matches(q: Q, entity: Entity, resolve: Resolve | None = None) -> bool:
    """Whether the entity meets the query. Without `resolve` no linked entity exists."""
    match q:
        case And(terms):
            return all(matches(term, entity, resolve) for term in terms)
        case Or(terms):
            return any(matches(term, entity, resolve) for term in terms)
        case Exists(path):
            return any(True for _ in targets(path, entity, resolve))
        case Comparison(path, op, value):
            return any(_compare(target, op, value) for target in targets(path, entity, resolve))


def unknown_links(q: Q, entities: Iterable[Entity], known: Collection[str], resolve: Resolve) -> set[str]:
    """The ids of linked entities that must be read before `matches` knows about these; `known` are those that were.

    Asked again after each reading, it goes one Relationship farther, until nothing is left to be read.
    """
    paths = [path for path in _paths(q) if path.linked is not None]
    found: set[str] = set()
    for entity in entities:
        for path in paths:
            for linked_id in _follow(path, entity, resolve):
                if linked_id not in known:
                    found.add(linked_id)
    return found


def _paths(q: Q) -> Iterator[AttributePath]:
    if isinstance(q, And | Or):
        for term in q.terms:
            yield from _paths(term)
    else:
        yield q.path


def _follow(path: AttributePath, entity: Entity, resolve: Resolve) -> Iterator[str]:
    if path.linked is None:
        return
    for linked_id in _links(path, entity):
        yield linked_id
        linked = resolve(linked_id)
        if linked is not None and _is_meant(linked, path.linked.types):
            yield from _follow(path.linked.path, linked, resolve)


def _links(path: AttributePath, entity: Entity) -> Iterator[str]:
    for instance in entity.attributes.get(path.attribute, ()):
        yield from linked_ids(instance)


def _is_meant(linked: Entity, types: tuple[str, ...]) -> bool:
    return not types or not set(types).isdisjoint(linked.types)


def targets(path: AttributePath, entity: Entity, resolve: Resolve | None = None) -> Iterator[Target]:
    """The target elements of a path, one for each instance; one must match for the entity to match."""
    if path.attribute in ENTITY_MEMBERS:
        times = {
            "createdAt": entity.created_at,
            "modifiedAt": entity.modified_at,
            "expiresAt": entity.expires_at,
        }
        if times[path.attribute] is not None:
            yield Target(times[path.attribute])
        return
    if path.linked is not None:
        for linked in map(resolve, _links(path, entity)) if resolve is not None else ():
            if linked is not None and _is_meant(linked, path.linked.types):
                yield from targets(path.linked.path, linked, resolve)
        return
    for instance in _descend(entity.attributes.get(path.attribute, []), path.sub_path):
        member = path.sub_path[-1] if path.sub_path and path.sub_path[-1] in PATH_MEMBERS else None
        if member is None:
            target = _target(instance, path.json_path)
        else:
            target = Target(instance.get(member, _UNDEFINED) if not path.json_path else _UNDEFINED)
        if target.value is not _UNDEFINED:
            yield target


def _descend(instances: list[Instance], sub_path: tuple[str, ...]) -> list[Instance]:
    for name in sub_path:
        if name in PATH_MEMBERS:
            break
        instances = [inner for one in instances for inner in one.get(name, ())]
    return instances


def _target(instance: Instance, json_path: tuple[str, ...]) -> Target:
    kind = instance.get("type", "Property")
    value = instance.get(VALUE_MEMBER[kind], _UNDEFINED)
    link = kind in ("Relationship", "ListRelationship")
    if kind == "LanguageProperty" and isinstance(value, dict):
        return Target(_in_language(value, json_path))
    if not json_path and kind == "Property":
        value = _literal(value)
    for member in json_path:
        if link or kind == "VocabProperty" or not isinstance(value, dict) or member not in value:
            return Target(_UNDEFINED, link)
        value = value[member]
    return Target(value, link)


def _in_language(language_map: dict[str, Any], json_path: tuple[str, ...]) -> Any:
    """The texts of one language, or of all of them as one list, so that each is an element of it."""
    if len(json_path) > 1:
        return _UNDEFINED
    if json_path and json_path[0] != "*":
        return language_map.get(json_path[0], _UNDEFINED)
    texts: list[Any] = []
    for text in language_map.values():
        texts.extend(text if isinstance(text, list) else [text])
    return texts


def _compare(target: Target, op: str, wanted: Value) -> bool:
    value = target.value
    if op == "==":
        return _equal(value, wanted)
    if op == "!=":
        return not _equal(value, wanted)
    if target.link:
        return False
    if isinstance(wanted, Pattern):
        return _meets_pattern(value, op, wanted)
    assert not isinstance(wanted, Range | ValueList)
    order = _order(value, wanted)
    if order is None:
        return False
    return {">": order > 0, ">=": order >= 0, "<": order < 0, "<=": order <= 0}[op]


def _equal(value: Any, wanted: Value) -> bool:
    if isinstance(wanted, ValueList):
        return any(_equal(value, one) for one in wanted.values)
    if isinstance(value, list):
        # One level only: a list in a list is no literal that could be equal.
        return any(not isinstance(one, list) and _equal(one, wanted) for one in value)
    if isinstance(wanted, Range):
        low, high = _order(value, wanted.low), _order(value, wanted.high)
        return low is not None and high is not None and low >= 0 >= high
    if isinstance(wanted, bool):
        return value is wanted
    return not isinstance(wanted, Pattern) and _order(value, wanted) == 0


def _order(value: Any, wanted: Single) -> int | None:
    """-1, 0 or 1 for less than, equal to or greater than what is wanted; None for unlike types."""
    left: Any
    right: Any
    if isinstance(wanted, bool):
        return None
    if isinstance(wanted, int | float):
        if type(value) is not int and type(value) is not float:
            return None
        left, right = value, wanted
    elif type(value) is not str:
        return None
    elif isinstance(wanted, Temporal):
        text = _NORMAL[wanted.kind](value)
        if text is None:
            return None
        # Without the Z a fraction sorts behind the whole second.
        left, right = text.rstrip("Z"), wanted.text.rstrip("Z")
    else:
        left, right = value, wanted.text if isinstance(wanted, Uri) else wanted
    return int(left > right) - int(left < right)


def _literal(value: Any) -> Any:
    """The literal of a JSON-LD typed value, all else as it is (§4.6.3)."""
    return value["@value"] if isinstance(value, dict) and "@value" in value else value


def _meets_pattern(value: Any, op: str, wanted: Pattern) -> bool:
    """A list matches if an element does, as for equality; what is no text never matches (§4.9)."""
    if isinstance(value, list):
        texts = [one for one in value if isinstance(one, str)]
        found = any(compile_pattern(wanted.text).found_in(one) for one in texts)
        return found if op == "~=" else bool(texts) and not found
    if not isinstance(value, str):
        return False
    return compile_pattern(wanted.text).found_in(value) == (op == "~=")
