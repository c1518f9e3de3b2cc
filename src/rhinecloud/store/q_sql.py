"""The query language as SQL (CIM 009 §4.9 over the `attributes` of an entity).

What jsonpath says exactly as the standard means it becomes an exact condition. For the rest the condition is wider
than the query (`exact` is false), and whoever runs it holds each entity against `model.matches`, the naive reading.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from rhinecloud.model import ScopeQuery, TypeSelection
from rhinecloud.model.query_tree import (
    ENTITY_MEMBERS,
    PATH_MEMBERS,
    TIME_MEMBERS,
    And,
    AttributePath,
    Comparison,
    Exists,
    LinkedPath,
    Or,
    Pattern,
    Q,
    Range,
    Temporal,
    Uri,
    Value,
    ValueList,
)

from .parameters import Parameters
from .seeing import Seen

# The members that hold values; an instance has one of them. Links have no order (§4.9).
_STRUCTURED = ("value", "json")
_FLAT = ("vocab", "valueList")
_LINKS = ("object", "objectList")
_COLUMNS = {"createdAt": "e.created_at", "modifiedAt": "e.modified_at"}
_SQL_OPERATORS = {"==": "=", "!=": "<>"}


class Condition(NamedTuple):
    """A condition on `entity e`; not exact means that it may let too much through."""

    sql: str
    exact: bool


def type_condition(selection: TypeSelection, parameters: Parameters) -> str:
    """An entity type selection (§4.17): alternatives, each a set of types that must all be there."""
    single = [alternative[0] for alternative in selection.alternatives if len(alternative) == 1]
    parts = [f"e.types && {parameters.add(single)}::text[]"] if single else []
    parts += [
        f"e.types @> {parameters.add(list(alternative))}::text[]"
        for alternative in selection.alternatives
        if len(alternative) > 1
    ]
    return "(" + " OR ".join(parts) + ")" if parts else "true"


def scope_condition(selection: ScopeQuery, parameters: Parameters) -> str:
    """A scope query (§4.19): alternatives, each with patterns that must all be met, each by some scope."""
    alternatives = [
        " AND ".join(
            f"EXISTS (SELECT FROM unnest(e.scopes) AS scope WHERE scope ~ {parameters.add(pattern.regex())})"
            for pattern in all_of
        )
        for all_of in selection.alternatives
    ]
    return "(" + " OR ".join(f"({one})" for one in alternatives) + ")"


def condition(q: Q, parameters: Parameters, seen: Seen) -> Condition:
    """A query as a condition. What is not seen is not there: a term about it does not hold."""
    match q:
        case And(terms):
            return _joined(" AND ", [condition(term, parameters, seen) for term in terms])
        case Or(terms):
            return _joined(" OR ", [condition(term, parameters, seen) for term in terms])
    if not seen.gives(q.path.attribute):
        return Condition("false", True)
    found = _term(q, parameters, seen)
    visible = seen.attribute(q.path.attribute)
    return found if visible is None else Condition(f"({found.sql} AND {visible})", found.exact)


def _term(q: Comparison | Exists, parameters: Parameters, seen: Seen) -> Condition:
    if q.path.linked is not None:
        return _linked(q, q.path.attribute, q.path.linked, parameters, seen)
    match q:
        case Exists(path):
            return _exists(path, parameters)
        case Comparison(path, op, value):
            return _comparison(path, op, value, parameters)


def _joined(word: str, parts: list[Condition]) -> Condition:
    return Condition("(" + word.join(part.sql for part in parts) + ")", all(part.exact for part in parts))


def _linked(
    term: Comparison | Exists, relationship: str, linked: LinkedPath, parameters: Parameters, seen: Seen
) -> Condition:
    """The term holds for an entity that the Relationship leads to. Within the parentheses that one is e."""
    inner = condition(msgspec.structs.replace(term, path=linked.path), parameters, seen)
    links = " UNION ALL ".join(
        f"SELECT jsonb_path_query(e.attributes, {parameters.add(f'$.{json.dumps(relationship)}[*].{member}[*]')}"
        "::jsonpath, silent => true)"
        for member in _LINKS
    )
    hint = f"e.types && {parameters.add(list(linked.types))}::text[] AND " if linked.types else ""
    return Condition(
        f"EXISTS (SELECT FROM ({links}) AS link (id) JOIN entity AS e ON e.id = link.id #>> '{{}}' "
        f"WHERE {hint}{' AND '.join((inner.sql, *seen.entity()))})",
        inner.exact,
    )


def _exists(path: AttributePath, parameters: Parameters) -> Condition:
    if path.attribute in ENTITY_MEMBERS:
        return Condition("true", False)
    if path.sub_path and not path.json_path and path.sub_path[-1] not in PATH_MEMBERS:
        document = "$" + "".join(f".{json.dumps(name)}[*]" for name in (path.attribute, *path.sub_path))
        return Condition(f"jsonb_path_exists(e.attributes, {parameters.add(document)}::jsonpath)", True)
    plain = not path.sub_path and not path.json_path
    return Condition(f"jsonb_exists(e.attributes, {parameters.add(path.attribute)}::text)", plain)


def _comparison(path: AttributePath, op: str, value: Value, parameters: Parameters) -> Condition:
    if path.attribute in _COLUMNS:
        instant = _instant(_COLUMNS[path.attribute], op, value, parameters)
        if instant is not None:
            return instant
    variables: dict[str, Any] = {}
    plain = path.attribute not in ENTITY_MEMBERS and op not in ("!=", "~=", "!~=")
    test = _test(path, op, value, variables) if plain else None
    if test is None:
        return _exists(path, parameters)._replace(exact=False)
    # An instance without the sub-attribute is an error in strict mode: inside a predicate it is merely not true.
    for name in reversed([name for name in path.sub_path if name not in PATH_MEMBERS]):
        test = f"exists(@.{json.dumps(name)}[*] ? ({test}))"
    document = f"strict $.{json.dumps(path.attribute)}[*] ? ({test})"
    given = msgspec.json.encode(variables).decode()
    return Condition(
        f"jsonb_path_exists(e.attributes, {parameters.add(document)}::jsonpath, {parameters.add(given)}::jsonb, true)",
        True,
    )


def _instant(column: str, op: str, value: Value, parameters: Parameters) -> Condition | None:
    """A time of the entity itself, compared with instants."""
    ends = (value.low, value.high) if isinstance(value, Range) else (value,)
    given = [end.text for end in ends if isinstance(end, Temporal) and end.kind == "dateTime"]
    if len(given) < len(ends) or op in ("~=", "!~="):
        return None
    low, *high = [f"{parameters.add(text)}::text::timestamptz" for text in given]
    if high:
        return Condition(f"{column} {'NOT ' if op == '!=' else ''}BETWEEN {low} AND {high[0]}", True)
    return Condition(f"{column} {_SQL_OPERATORS.get(op, op)} {low}", True)


def _test(path: AttributePath, op: str, value: Value, variables: dict[str, Any]) -> str | None:
    """A jsonpath predicate on one instance, or None where jsonpath has no exact words for it."""
    if isinstance(value, ValueList):
        parts = [_test(path, op, one, variables) for one in value.values]
        return None if None in parts else " || ".join(f"({part})" for part in parts)
    if isinstance(value, Range):
        bounds = (_scalar(value.low), _scalar(value.high))
        if None in bounds:
            return None
        low, high = (_variable(bound, variables) for bound in bounds)
        predicate = f"(@ >= {low} && @ <= {high})"
    else:
        scalar = _scalar(value)
        if scalar is None:
            return None
        predicate = f"(@ {op} {_variable(scalar, variables)})"
    member = path.sub_path[-1] if path.sub_path and path.sub_path[-1] in PATH_MEMBERS else None
    if member in TIME_MEMBERS or (member is not None and path.json_path):
        return None
    if member is not None:
        targets = [f"@.{member}"]
    else:
        inner = "".join(f".{json.dumps(name)}" for name in path.json_path)
        targets = [f"@.{name}{inner}" for name in _STRUCTURED]
        if not path.json_path:
            targets += [f"@.{name}" for name in (*_FLAT, *(_LINKS if op == "==" else ()))]
        if not path.json_path:
            targets.append('@.value."@value"')
        if path.json_path and path.json_path[0] != "*" and len(path.json_path) == 1:
            targets.append(f"@.languageMap{inner}")
        elif op == "==" and (not path.json_path or path.json_path == ("*",)):
            targets.append("@.languageMap.*")
    if op == "==":  # one element of a list is enough; an order on a list is not defined
        predicate = f"({predicate} || exists(@[*] ? {predicate}))"
    return " || ".join(f"exists({target} ? {predicate})" for target in targets)


def _scalar(value: Any) -> str | int | float | None:
    if isinstance(value, Uri):
        return value.text
    if isinstance(value, bool | Temporal | Pattern | Range | ValueList):
        return None
    return value if isinstance(value, str | int | float) else None


def _variable(value: Any, variables: dict[str, Any]) -> str:
    name = f"v{len(variables)}"
    variables[name] = value
    return f"${name}"
