"""Conditions made ready for many entities: what is frequent and simple is decided without the general reading.

A thousand subscriptions to one type are a thousand questions for each change. The plain reading (model.matches, the
geometry matcher) stays the judge: a shortcut answers only where it cannot differ, and a test compares them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from rhinecloud.model import (
    ENTITY_MEMBERS,
    And,
    Comparison,
    Entity,
    Exists,
    GeoQuery,
    Or,
    Pattern,
    Q,
    geometry_matcher,
    matches,
)
from rhinecloud.model.patterns import compile_pattern
from rhinecloud.store.geo import search_box

Test = Callable[[Entity], bool]

_ORDERED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_NUMBERS: Final = frozenset({int, float})
_TEXTS: Final = frozenset({str})


def q_test(q: Q) -> Test:
    """Whether an entity meets the query."""
    match q:
        case And(terms):
            tests = [q_test(term) for term in terms]
            return lambda entity: all(test(entity) for test in tests)
        case Or(terms):
            tests = [q_test(term) for term in terms]
            return lambda entity: any(test(entity) for test in tests)
        case Exists(path):
            needed = path.attribute
        case Comparison(path, op, value):
            needed = path.attribute
            plain = not path.sub_path and not path.json_path and path.linked is None
            if plain and needed not in ENTITY_MEMBERS:
                if isinstance(value, Pattern):
                    pattern, wanted = compile_pattern(value.text), op == "~="
                    return _plain_test(q, needed, _TEXTS, lambda found: pattern.found_in(found) is wanted)
                if type(value) in _NUMBERS or type(value) is str:
                    holds, right = _ORDERED[op], value
                    kinds = _NUMBERS if type(value) in _NUMBERS else _TEXTS
                    return _plain_test(q, needed, kinds, lambda found: holds(found, right))
    if needed in ENTITY_MEMBERS:
        return lambda entity: matches(q, entity)
    # A path that begins at an attribute which is not there leads nowhere.
    return lambda entity: needed in entity.attributes and matches(q, entity)


def _plain_test(q: Q, attribute: str, kinds: frozenset[type], holds: Callable[[Any], bool]) -> Test:
    """Of an attribute whose instances are Properties with a value of these kinds; else the plain reading."""

    def test(entity: Entity) -> bool:
        instances = entity.attributes.get(attribute)
        if instances is None:
            return False
        found = False
        for instance in instances:
            value = instance.get("value")
            if type(value) not in kinds or instance["type"] != "Property":
                return matches(q, entity)
            found = found or holds(value)
        return found

    return test


def geo_test(query: GeoQuery) -> Test:
    """Whether any instance of the GeoProperty meets the query (§5.8.6). Points far off are known by their box."""
    meets = geometry_matcher(query)
    box = search_box(query)
    west, south, east, north = box or (-180.0, -90.0, 180.0, 90.0)
    attribute = query.property

    def test(entity: Entity) -> bool:
        for instance in entity.attributes.get(attribute, ()):
            if instance["type"] != "GeoProperty":
                continue
            geometry = instance.get("value")
            if box is not None and isinstance(geometry, dict) and geometry.get("type") == "Point":
                lon, lat = geometry["coordinates"][:2]
                if not (west <= lon <= east and south <= lat <= north):
                    continue
            if meets(geometry):
                return True
        return False

    return test
