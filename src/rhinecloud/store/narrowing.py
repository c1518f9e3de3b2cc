"""What the indexes know of a query: conditions on `entity e` that hold for every match, and perhaps for more.

They narrow the search; each part of the query has its exact condition, or its plain reading, beside them. Facts answer
equality, existence and scopes; rankings answer order, where a path was asked for often enough to have one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rhinecloud.model import Q, ScopeQuery
from rhinecloud.model.query_tree import (
    TIME_MEMBERS,
    And,
    AttributePath,
    Comparison,
    Or,
    Pattern,
    Range,
    Temporal,
    Uri,
    ValueList,
)

from . import facts
from .parameters import Parameters
from .rankings import MODIFIED_AT, Rankings
from .seeing import Seen

_TEXT = 256  # characters of a text that a ranking knows
_LITERAL_BEGINNING = re.compile(r"\^([^\\^$.|?*+()\[\]{}]+)")
_LAST = chr(0x10FFFF)


def by_facts(
    attributes: Sequence[str], scope_q: ScopeQuery | None, q: Q | None, parameters: Parameters, row: str = "e"
) -> list[str]:
    """What the facts of an entity that matches, the `row`, must be: of each set one."""
    needs: list[facts.Facts] = []
    if attributes:
        needs.append(facts.of_attributes(attributes))
    if scope_q is not None:
        needs += facts.of_scope_query(scope_q)
    if q is not None:
        needs += facts.of_query(q)
    all_of = {fact for need in needs if len(need) == 1 for fact in need}
    any_of = {need for need in needs if len(need) > 1 and need.isdisjoint(all_of)}
    conditions = [f"{row}.facts @> {parameters.add(sorted(all_of))}::integer[]"] if all_of else []
    return conditions + [
        f"{row}.facts && {parameters.add(sorted(need))}::integer[]" for need in sorted(any_of, key=sorted)
    ]


async def by_rankings(q: Q, parameters: Parameters, rankings: Rankings, seen: Seen) -> list[str]:
    """Where the rankings say that values lie. Asking for them may have one made, but not of what is never seen."""
    terms = q.terms if isinstance(q, And) else (q,)
    # Beside an equality, which is likely to leave little, an order is not worth a ranking of its own.
    alone = not any(_is_equality(term) for term in terms)
    found = [await _ranked(term, rankings, seen, ask=alone or _is_equality(term)) for term in terms]
    return [
        f"e.id IN ({' UNION ALL '.join(_selected(number, term, parameters) for number, term in among)})"
        for among in found
        if among and any(number is not None for number, _ in among)
    ]


def _is_equality(q: Q) -> bool:
    return isinstance(q, Comparison) and q.op == "==" and not isinstance(q.value, Range)


_Where = tuple[int | None, Q]  # a ranking, or None for the facts, and what to look for there


def _selected(number: int | None, term: Q, parameters: Parameters) -> str:
    if number is None:
        return f"SELECT f.id FROM entity f WHERE {' AND '.join(by_facts((), None, term, parameters, 'f'))}"
    assert isinstance(term, Comparison)
    within = bounds(term.path, term.op, term.value, parameters)
    return f"SELECT r.entity_id FROM ranked r WHERE r.ranking = {number} AND {within}"


async def _ranked(q: Q, rankings: Rankings, seen: Seen, *, ask: bool) -> list[_Where] | None:
    """Rankings and what they are asked, in one of which each match stands; or None. Of alternatives some may be left
    to the facts."""
    match q:
        case And(terms):
            for term in terms:
                found = await _ranked(term, rankings, seen, ask=ask)
                if found is not None:
                    return found
        case Or(terms):
            among: list[_Where] = []
            for term in terms:
                found = await _ranked(term, rankings, seen, ask=ask)
                if found is None and not facts.of_query(term):
                    return None
                among += [(None, term)] if found is None else found
            return among
        case Comparison(path, op, value):
            # What no ranking could answer does not ask for one.
            if seen.gives(path.attribute) and bounds(path, op, value, Parameters()) is not None:
                number = await rankings.number(path, ask=ask, measured=_is_equality(q))
                return None if number is None else [(number, q)]
    return None


def bounds(path: AttributePath, op: str, value: Any, parameters: Parameters) -> str | None:
    """A condition on `ranked r` that each value which compares so meets, or None if there is none.

    The ranking knows the beginnings of texts only, so that orders of texts include their bound.
    """

    is_time = bool(path.sub_path) and path.sub_path[-1] in TIME_MEMBERS

    def compared(op: str, one: Any) -> str | None:
        if isinstance(one, bool):
            return None
        if isinstance(one, int | float):
            return f"r.number {op} {parameters.add(repr(one))}::text::numeric"
        if isinstance(one, Temporal):
            if path == MODIFIED_AT and one.kind == "dateTime":
                return f"r.number {op} {parameters.add(microseconds(one))}::text::numeric"
            if not is_time or one.kind != "dateTime":
                return None
            text = one.text.rstrip("Z")
        elif isinstance(one, Uri):
            text = one.text
        elif isinstance(one, str) and path != MODIFIED_AT:
            text = one
        else:
            return None
        if is_time and not isinstance(one, Temporal):  # a ranking has times without their Z
            if op != "=":
                return None
            text = text.rstrip("Z")
        return f"r.text {op if op == '=' else op[0] + '='} {parameters.add(text[:_TEXT])}::text"

    match op, value:
        case "~=", Pattern(text) if not is_time:
            beginning = _beginning(text)
            if beginning is None:
                return None
            low, high = parameters.add(beginning), parameters.add(beginning + _LAST)
            return f"r.text >= {low}::text AND r.text < {high}::text"
        case "==", Range(low, high):
            parts = (compared(">=", low), compared("<=", high))
            return None if None in parts else f"{parts[0]} AND {parts[1]}"
        case "==", ValueList(values):
            each = [compared("=", one) for one in values]
            return None if None in each else "(" + " OR ".join(str(one) for one in each) + ")"
        case "==", _:
            return compared("=", value)
        case (("<" | "<=" | ">" | ">="), _):
            return compared(op, value)
    return None


def microseconds(moment: Temporal) -> str:
    """An instant in microseconds since 1970, as text."""
    at = datetime.fromisoformat(moment.text)
    since = at - datetime(1970, 1, 1, tzinfo=at.tzinfo)
    return str((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _beginning(pattern: str) -> str | None:
    """The literal text that whatever meets the pattern begins with, if there is one."""
    found = _LITERAL_BEGINNING.match(pattern)
    if found is None or "|" in pattern:
        return None
    text = found[1]
    if pattern[found.end() : found.end() + 1] in ("?", "*", "+", "{"):
        text = text[:-1]
    return text[:100] or None
