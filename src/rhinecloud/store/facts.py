"""Facts: what of an entity does not change with each measurement, as numbers in one inverted index.

The column `entity.facts` holds a hash for each statement that a query can ask for by equality or existence: that there
is an attribute (or a sub-attribute), that it says a certain value, that the entity has a scope or one below. Values
with an observation time are no facts: for these it only says that the attribute is measured, so that a measurement
leaves the column alone and stays a heap-only update (docs/decisions/0015-queries-are-planned.md).

A set of facts never says too little. It may say too much (two hashes may be the same), so whoever narrows a search by
facts asks the exact condition as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32

from rhinecloud.model import Q, ScopeQuery
from rhinecloud.model.attribute_members import VALUE_MEMBER
from rhinecloud.model.query_tree import (
    ENTITY_MEMBERS,
    PATH_MEMBERS,
    And,
    AttributePath,
    Comparison,
    Exists,
    Or,
    Temporal,
    Uri,
    ValueList,
)
from rhinecloud.model.scope_query import ScopePattern
from rhinecloud.model.values import normal_clock, normal_date, normal_time

Facts = frozenset[int]

_MOST = 64  # facts of one instance; what says more is treated like what is measured
_BETWEEN = "\x1f"  # no IRI has it
_FLAT = PATH_MEMBERS | {"type", *VALUE_MEMBER.values()}  # members of an instance that hold no sub-attributes
_NORMAL = (("dateTime", normal_time), ("date", normal_date), ("time", normal_clock))


def of_entity(scopes: Iterable[str], attributes: dict[str, list[dict[str, Any]]]) -> set[int]:
    """The facts of an entity."""
    facts: set[int] = set()
    for scope in scopes:
        levels = scope.removeprefix("/").split("/")
        facts.add(_number("/"))
        facts.add(_number("=", *levels))
        facts.update(_number("#", *levels[: n + 1]) for n in range(len(levels)))
        facts.update(_number("@", str(n), level) for n, level in enumerate(levels))
    for name, instances in attributes.items():
        _attribute(name, instances, False, facts)
    return facts


def of_attribute(name: str, instances: list[dict[str, Any]]) -> set[int]:
    """The facts that an attribute adds to its entity's."""
    facts: set[int] = set()
    _attribute(name, instances, False, facts)
    return facts


def as_array(facts: Iterable[int]) -> str:
    """Facts as PostgreSQL reads an integer[]."""
    return f"{{{','.join(map(str, sorted(facts)))}}}"


def are_the_same(name: str, before: list[dict[str, Any]] | None, after: list[dict[str, Any]] | None) -> bool:
    """Whether an attribute's new instances leave the facts as they are: a measurement does."""
    if before and after and len(before) == 1 == len(after):
        old, new = before[0], after[0]
        if "observedAt" in old and "observedAt" in new and old.keys() <= _FLAT and new.keys() <= _FLAT:
            return True
    return of_attribute(name, before or []) == of_attribute(name, after or [])


def _attribute(path: str, instances: list[dict[str, Any]], measured: bool, facts: set[int]) -> None:
    if instances:
        facts.add(_number("?", path))
    for instance in instances:
        kind = instance["type"]
        unsaid = measured or "observedAt" in instance or kind == "GeoProperty"
        if not unsaid:
            said: set[int] = set()
            value = instance.get(VALUE_MEMBER[kind])
            if kind == "LanguageProperty" and isinstance(value, dict):
                for text in value.values():
                    _says(path, (), text, said)
            _says(path, (), value, said)
            unsaid = len(said) > _MOST
            if not unsaid:
                facts |= said
        if unsaid:
            facts.add(_number("~", path))
        for member, inner in instance.items():
            if ":" in member:
                _attribute(f"{path}{_BETWEEN}{member}", inner, measured or "observedAt" in instance, facts)


def _says(path: str, members: tuple[str, ...], value: Any, facts: set[int]) -> None:
    kind = type(value)
    if len(facts) > _MOST:
        return
    if kind is dict:
        if not members and "@value" in value:
            _says(path, members, value["@value"], facts)
        for member, inner in value.items():
            _says(path, (*members, member), inner, facts)
    elif kind is list:
        for one in value:
            if type(one) is not list and type(one) is not dict:
                _says(path, members, one, facts)
    elif kind is str:
        facts.add(_number("s", path, *members, value))
        if "0" <= value[:1] <= "9":  # a time has several spellings
            for name, normal in _NORMAL:
                text = normal(value)
                if text is not None:
                    facts.add(_number(name, path, *members, text.rstrip("Z")))
    elif value is not None:
        facts.add(_number("n", path, *members, _scalar(value)))


def _scalar(value: bool | int | float) -> str:
    if type(value) is float and value.is_integer():
        return str(int(value))
    return repr(value)


def _number(*parts: str) -> int:
    return crc32(_BETWEEN.join(parts).encode("utf-8", "surrogatepass")) - 2**31


# What a query asks for ----------------------------------------------------------------------------------------


def of_attributes(names: Iterable[str]) -> Facts:
    """One of these is a fact of each entity that has one of the attributes."""
    return frozenset(_number("?", name) for name in names)


def of_scopes(scopes: Iterable[str]) -> Facts:
    """One of these is a fact of each entity with one of the scopes, or with one beneath."""
    return frozenset(_number("#", *scope.removeprefix("/").split("/")) for scope in scopes)


def of_path(path: AttributePath) -> Facts:
    """The fact that an entity has the attribute, or sub-attribute, of a path; empty for a member of the entity."""
    return _has(path)[0][0] if path.attribute not in ENTITY_MEMBERS else frozenset()


def of_measured_path(path: AttributePath) -> Facts:
    """The fact that an entity has measured values there: values of which the facts say nothing."""
    return frozenset({_number("~", _BETWEEN.join(_names(path)))})


def of_query(q: Q) -> list[Facts]:
    """What an entity that meets the query must have: of each of these sets one fact."""
    return [facts for facts, _ in _needs(q)]


def of_scope_query(selection: ScopeQuery) -> list[Facts]:
    """What an entity that meets the scope query must have: of each of these sets one fact."""
    alternatives = [
        [fact for pattern in all_of for fact in _scope(pattern)] for all_of in selection.alternatives
    ]
    if len(alternatives) == 1:
        return [frozenset({fact}) for fact in alternatives[0]]
    return [frozenset(all_of[0] for all_of in alternatives)]


def _scope(pattern: ScopePattern) -> list[int]:
    """What an entity with such a scope has all of."""
    levels = pattern.levels
    if "+" in levels:
        fixed = [_number("@", str(n), level) for n, level in enumerate(levels) if level != "+"]
        return fixed[::-1] or [_number("/")]  # the lowest level first, which says most
    return [_number("#" if pattern.below else "=", *levels)] if levels else [_number("/")]


def _needs(q: Q) -> list[tuple[Facts, bool]]:
    """Sets of facts of each of which one is needed, and whether they are about a value (they are few then)."""
    match q:
        case And(terms):
            return [need for term in terms for need in _needs(term)]
        case Or(terms):
            any_of: Facts = frozenset()
            telling = True
            for term in terms:
                needs = _needs(term)
                if not needs:
                    return []
                facts, about_value = max(needs, key=lambda need: need[1])
                any_of |= facts
                telling &= about_value
            return [(any_of, telling)]
        case Exists(path):
            return _has(path)
        case Comparison(path, op, value):
            asked = value.values if isinstance(value, ValueList) else (value,)
            plain = path.linked is None and path.attribute not in ENTITY_MEMBERS
            if op != "==" or not plain or (path.sub_path and path.sub_path[-1] in PATH_MEMBERS):
                return _has(path)
            name = _BETWEEN.join((path.attribute, *path.sub_path))
            any_value = {_number("~", name)}
            for one in asked:
                spelt = _spelt(one)
                if spelt is None:
                    return _has(path)
                any_value.add(_number(spelt[0], name, *path.json_path, spelt[1]))
                if path.json_path == ("*",):  # any language
                    any_value.add(_number(spelt[0], name, spelt[1]))
            return [(frozenset(any_value), True)]


def _spelt(value: Any) -> tuple[str, str] | None:
    if isinstance(value, Temporal):
        return value.kind, value.text.rstrip("Z")
    if isinstance(value, Uri):
        return "s", value.text
    if isinstance(value, str):
        return "s", value
    return ("n", _scalar(value)) if isinstance(value, bool | int | float) else None


def _has(path: AttributePath) -> list[tuple[Facts, bool]]:
    if path.attribute in ENTITY_MEMBERS:
        return []
    return [(frozenset({_number("?", _BETWEEN.join(_names(path)))}), False)]


def _names(path: AttributePath) -> list[str]:
    return [path.attribute, *(name for name in path.sub_path if name not in PATH_MEMBERS)]
