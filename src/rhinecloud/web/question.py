"""From the controls of the query builder to an NGSI-LD request: the only place that makes one. Pure.

What the request means is for the API to say: nothing here reads it again. `of_parameters` reads the controls from the
address of the page, `Question.request` gives the path and the parameters below `/ngsi-ld/v1/`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import zip_longest
from typing import Final, Literal
from urllib.parse import quote, urlencode

import msgspec

from rhinecloud.model import CORE, And, NgsiLdError, Q
from rhinecloud.model.query_language import parse_path, print_q
from rhinecloud.model.query_tree import (
    AttributePath,
    Comparison,
    Exists,
    Operator,
    Or,
    Pattern,
    Range,
    Single,
    Temporal,
    Uri,
)
from rhinecloud.model.values import normal_time

Form = Literal["number", "text", "flag", "moment", "links", "languages", "position", "json"]
Forms = Mapping[AttributePath, str]
MOST_CONDITIONS: Final = 12
_MOST_ROWS: Final = 100  # of a form, with those that are empty
MOST_FIELDS: Final = 40
SIZES: Final = (25, 100, 500)
LAST: Final = 1_000  # values of a series, unless fewer are asked for

# What may be asked of a value of each form, in the order of the menu.
OPERATORS: Final[dict[str, tuple[str, ...]]] = {
    "number": ("gt", "ge", "lt", "le", "eq", "ne", "between", "exists"),
    "text": ("contains", "begins", "eq", "ne", "exists"),
    "languages": ("contains", "begins", "exists"),
    "flag": ("yes", "no", "exists"),
    "moment": ("ge", "lt", "between", "exists"),
    "links": ("eq", "ne", "exists"),
}
ALL_OPERATORS: Final = (
    "eq", "ne", "gt", "ge", "lt", "le", "between", "contains", "begins", "yes", "no", "exists",
)  # fmt: skip
WITHOUT_VALUE: Final = frozenset({"yes", "no", "exists"})
_COMPARED: Final[dict[str, Operator]] = {
    "eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<=",
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_SPECIAL = re.compile(r"([\\.^$|?*+()\[\]{}\"/-])")


class Wrong(Exception):
    """A field cannot be used; `reason` is a key that the page has words for."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Condition(msgspec.Struct, frozen=True):
    """What is compared, an operator of `ALL_OPERATORS`, and the value as it was typed.

    `attribute` is a path as in q: an attribute (IRI or term), its sub-attribute (`height.accuracy`), the text of a
    language (`name[de]`), a member (`height.observedAt`, `height.datasetId`).
    """

    attribute: str
    operator: str
    value: str = ""


class Group(msgspec.Struct, frozen=True):
    """Conditions that hold together, or of which one suffices (`any_of`)."""

    conditions: tuple[Condition, ...]
    any_of: bool = False


class Question(msgspec.Struct, frozen=True):
    """The controls as they were filled in; all texts as typed.

    All `groups` of conditions hold, or one suffices (`any_group`). `near` is "lon, lat" with
    `radius` in metres, `area` are corners "lon,lat lon,lat lon,lat"; `since` and `until` are
    times of the city unless they name their zone. `history` asks for what was, not for what is.
    """

    type: str = ""
    groups: tuple[Group, ...] = ()
    any_group: bool = False
    scope: str = ""
    area: str = ""
    near: str = ""
    radius: str = ""
    history: bool = False
    since: str = ""
    until: str = ""
    last: str = ""
    show: tuple[str, ...] = ()
    order: str = ""
    descending: bool = False
    limit: int = SIZES[0]
    offset: int = 0

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of all groups, as they are numbered."""
        return tuple(one for group in self.groups for one in group.conditions)

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to ask for."""
        return bool(self.type or self.conditions or self.area or self.near or self.scope)

    def address(self) -> list[tuple[str, str]]:
        """The parameters of the page's own address, which can be shared; `of_parameters` reads them back."""
        given = [
            (name, getattr(self, name))
            for name in ("type", "scope", "area", "near", "radius", "since", "until", "last", "order")
        ]
        pairs = [(name, value) for name, value in given if value]
        for number, group in enumerate(self.groups, 1):
            for one in group.conditions:
                pairs += [("group", str(number))] if len(self.groups) > 1 else []
                pairs += [("attribute", one.attribute), ("operator", one.operator), ("value", one.value)]
            pairs += [("any", str(number))] if group.any_of else []
        pairs += [("groups", "any")] if self.any_group else []
        pairs += [("show", name) for name in self.show]
        pairs += [("mode", "history")] if self.history else []
        pairs += [("direction", "desc")] if self.descending else []
        pairs += [("limit", str(self.limit))] if self.limit != SIZES[0] else []
        return [*pairs, ("offset", str(self.offset))] if self.offset else pairs


class Request(msgspec.Struct, frozen=True):
    """A GET below `/ngsi-ld/v1/`: the parts of its path and its parameters."""

    parts: tuple[str, ...]
    parameters: dict[str, str]

    @property
    def path(self) -> str:
        """With its parameters, from the root of the site."""
        head = "/ngsi-ld/v1/" + "/".join(quote(part, safe="") for part in self.parts)
        return f"{head}?{urlencode(self.parameters, quote_via=quote, safe='')}" if self.parameters else head


def of_parameters(given: Sequence[tuple[str, str]]) -> Question:
    """The controls that an address says; what it says of others is left aside, numbers that are none are the usual
    ones. A condition without an attribute is none."""
    one = {name: _clean(value) for name, value in given}
    lists: dict[str, list[str]] = {
        name: [] for name in ("group", "attribute", "operator", "value", "any", "show")
    }
    for name, value in given:
        if name in lists:
            lists[name].append(_clean(value))
    limit, offset = one.get("limit", ""), one.get("offset", "")
    return Question(
        **{
            name: one.get(name, "")
            for name in ("type", "scope", "area", "near", "radius", "since", "until", "last", "order")
        },
        groups=_groups(lists),
        any_group=one.get("groups") == "any",
        history=one.get("mode") == "history",
        show=tuple(dict.fromkeys(filter(None, lists["show"])))[:MOST_FIELDS],
        descending=one.get("direction") == "desc",
        limit=int(limit) if limit in map(str, SIZES) else SIZES[0],
        offset=int(offset) if offset.isascii() and offset.isdigit() and len(offset) < 10 else 0,
    )


def _groups(lists: Mapping[str, list[str]]) -> tuple[Group, ...]:
    """Conditions by the number of their group, in the order in which these are first named."""
    found: dict[str, list[Condition]] = {}
    rows = zip_longest(lists["attribute"][:_MOST_ROWS], lists["operator"], lists["value"], lists["group"])
    usable = [row for row in rows if row[0]][:MOST_CONDITIONS]
    for attribute, operator, value, group in usable:
        condition = Condition(attribute, operator or "exists", value or "")
        found.setdefault(group or "1", []).append(condition)
    return tuple(Group(tuple(held), number in lists["any"]) for number, held in found.items())


def request_of(question: Question, forms: Forms, zone: tzinfo) -> Request:
    """The request of these controls. `forms` says of which form the values are that a path leads to; of others the
    value itself tells. Raises Wrong."""
    given: dict[str, str] = {}
    if question.type:
        given["type"] = question.type
    if q := condition_tree(question.groups, forms, zone, any_group=question.any_group):
        given["q"] = print_q(q, CORE)
    if question.scope:
        given["scopeQ"] = question.scope
    given |= _place(question)
    if question.history:
        given |= _times(question, zone)
        given["format"] = "temporalValues"
    if question.show:
        given["pick"] = ",".join(("id", "type", *map(_named, question.show)))
    if question.order and not question.history:
        given["orderBy"] = _named(question.order) + (";desc" if question.descending else "")
    given["limit"] = str(question.limit)
    if question.offset:
        given["offset"] = str(question.offset)
    given["count"] = "true"
    if not (question.type or question.conditions or question.area or question.near):
        given["local"] = "true"  # a scope alone is no question; that it is answered here only makes it one
    return Request(("temporal", "entities") if question.history else ("entities",), given)


def condition_tree(
    groups: Sequence[Group], forms: Forms, zone: tzinfo, *, any_group: bool = False
) -> Q | None:
    """All groups, joined by "and" or by "or"; None for none. Raises Wrong; its field is `value-2` for the second
    condition of all."""
    parts, number = [], 0
    for group in groups:
        terms = []
        for one in group.conditions:
            number += 1
            try:
                terms.append(_term(one, forms, zone))
            except Wrong as wrong:
                raise Wrong(f"{wrong.field}-{number}", wrong.reason) from None
        parts.append(_joined(terms, Or if group.any_of else And))
    return _joined(parts, Or if any_group else And) if parts else None


def _joined(terms: Sequence[Q], kind: type[And] | type[Or]) -> Q:
    """Neither holds its own kind: what is joined likewise is joined at once."""
    flat: list[Q] = []
    for term in terms:
        flat += term.terms if isinstance(term, And | Or) and isinstance(term, kind) else (term,)
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def path_of(text: str) -> AttributePath | None:
    """The path that somebody wrote; None for what is none."""
    try:
        return parse_path(text, CORE, field="attribute")
    except NgsiLdError:
        return None


def _term(one: Condition, forms: Forms, zone: tzinfo) -> Q:
    path = path_of(one.attribute)
    if path is None:
        raise Wrong("attribute", "name")
    form = forms.get(path)
    if one.operator == "exists":
        return Exists(path)
    if one.operator in ("yes", "no"):
        return Comparison(path, "==", one.operator == "yes")
    if not one.value:
        raise Wrong("value", "missing")
    if one.operator in ("contains", "begins"):
        escaped = _SPECIAL.sub(r"\\\1", one.value).replace('\\"', '"')
        return Comparison(path, "~=", Pattern(f"^{escaped}" if one.operator == "begins" else escaped))
    read = _reader(form, zone)
    if one.operator == "between":
        low, dots, high = one.value.partition("..")
        if not dots:
            raise Wrong("value", "range")
        first, last = read(low.strip()), read(high.strip())
        if type(first) is not type(last) and not (_is_number(first) and _is_number(last)):
            raise Wrong("value", "range")
        if isinstance(first, bool | Uri):
            raise Wrong("value", "range")
        return Comparison(path, "==", Range(first, last))
    if one.operator not in _COMPARED:
        raise Wrong("operator", "operator")
    value = read(one.value)
    if isinstance(value, bool | Uri) and one.operator not in ("eq", "ne"):
        raise Wrong("operator", "operator")
    return Comparison(path, _COMPARED[one.operator], value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reader(form: str | None, zone: tzinfo) -> Callable[[str], Single]:
    if form == "number":
        return number
    if form == "moment":
        return lambda text: Temporal("dateTime", moment(text, zone))
    if form == "links":
        return _uri
    if form is not None:
        return str
    return lambda text: number(text) if _NUMBER.fullmatch(text) else text


def number(text: str) -> int | float:
    """A number as people write it, with a comma or a point. Raises Wrong."""
    if not _NUMBER.fullmatch(text) or len(text) > 40:
        raise Wrong("value", "number")
    plain = text.replace(",", ".")
    value = float(plain)
    if not math.isfinite(value):
        raise Wrong("value", "number")
    return int(plain) if plain.lstrip("+-").isdigit() else value


def moment(text: str, zone: tzinfo, field: str = "value") -> str:
    """A time or a day as an RFC 3339 instant; of the city unless it names its zone. Raises Wrong."""
    try:
        at = datetime.fromisoformat(text)
        told = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Wrong(field, "moment") from None
    normal = normal_time(told.isoformat().replace("+00:00", "Z"))
    if normal is None:
        raise Wrong(field, "moment")
    return normal


def _uri(text: str) -> Uri:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`;,()]+", text):
        raise Wrong("value", "uri")
    return Uri(text)


def _place(question: Question) -> dict[str, str]:
    if question.area:
        ring = [_position(corner, "area") for corner in question.area.split()]
        if len(ring) < 3:
            raise Wrong("area", "corners")
        coordinates = msgspec.json.encode([[*ring, ring[0]]]).decode()
        return {"georel": "within", "geometry": "Polygon", "coordinates": coordinates}
    if question.near:
        lon, lat = _position(question.near.replace(" ", ""), "near")
        try:
            metres = number(question.radius or "500")
        except Wrong:
            raise Wrong("radius", "number") from None
        if not 0 < metres <= 1_000_000:
            raise Wrong("radius", "radius")
        return {
            "georel": f"near;maxDistance=={_plain(metres)}",
            "geometry": "Point",
            "coordinates": msgspec.json.encode([lon, lat]).decode(),
        }
    return {}


def _plain(metres: float) -> str:
    return f"{metres:.3f}".rstrip("0").rstrip(".") if metres >= 0.001 else "0.001"


def _position(text: str, field: str) -> tuple[float, float]:
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise Wrong(field, "position") from None
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise Wrong(field, "position")
    return lon, lat


def _times(question: Question, zone: tzinfo) -> dict[str, str]:
    since = moment(question.since, zone, "since") if question.since else None
    until = moment(question.until, zone, "until") if question.until else None
    last = question.last or str(LAST)
    if not last.isascii() or not last.isdigit() or not 0 < int(last) <= 10_000 or len(last) > 5:
        raise Wrong("last", "last")
    given = {"lastN": last}
    if since and until:
        if since >= until:
            raise Wrong("until", "order")
        return {**given, "timerel": "between", "timeAt": since, "endTimeAt": until}
    if until:
        return {**given, "timerel": "before", "timeAt": until}
    return {**given, "timerel": "after", "timeAt": since or "1970-01-01T00:00:00Z"}


def _named(name: str) -> str:
    """A name for lists of attributes: what has signs of their own in them stands in angle brackets."""
    return f"<{name}>" if re.search(r"[,|{}\s;]", name) or "://" in name else name


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).strip()[:2_000]
