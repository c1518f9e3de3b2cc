"""Subscriptions (CIM 009 §5.2.12 to §5.2.15, §5.2.33): their parser, their parts, and how they are shown.

A subscription is kept as a document whose names mean what the core @context says, so that it can be shown in any
other one. `parse_subscription` makes that document from what a subscriber sends, `merge_subscription` applies a
fragment to it, `read_subscription` turns it into a `Subscription` to be matched, `show_subscription` shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

import msgspec

from rhinecloud.model.context import CORE, Context
from rhinecloud.model.errors import BadRequestData, NgsiLdError, OperationNotSupported, json_pointer
from rhinecloud.model.geo import GeoQuery, parse_geo_query
from rhinecloud.model.notification_parameters import (
    FORMATS,
    NotificationParameters,
    check_notification,
    read_notification,
    show_notification,
)
from rhinecloud.model.patterns import SafePattern, compile_pattern
from rhinecloud.model.query_language import parse_q, print_q
from rhinecloud.model.query_tree import And, Or, Q
from rhinecloud.model.representation import LOCATION
from rhinecloud.model.scope_query import ScopeQuery, parse_scope_q
from rhinecloud.model.type_selection import TypeSelection, parse_type_selection, print_type_selection
from rhinecloud.model.values import NULL, Path, bad, check_time, check_uri

__all__ = [
    "FORMATS",
    "NotificationParameters",
    "Selector",
    "Subscription",
    "Trigger",
    "merge_subscription",
    "parse_subscription",
    "read_subscription",
    "show_subscription",
]

Trigger = Literal[
    "entityCreated",
    "entityUpdated",
    "entityDeleted",
    "attributeCreated",
    "attributeUpdated",
    "attributeDeleted",
]
Result = TypeVar("Result")
TRIGGERS: Final = frozenset(Trigger.__args__)  # type: ignore[attr-defined]
_UPDATED: Final = frozenset({"attributeCreated", "attributeUpdated", "attributeDeleted"})
_DEFAULT_TRIGGERS: Final = frozenset({"attributeCreated", "attributeUpdated"})
_MOST: Final = 1_000  # selectors, attributes, datasets of one subscription
_LONGEST: Final = 10_000  # characters of a description
_LONGEST_PERIOD: Final = 366 * 86_400.0  # seconds


class Selector(msgspec.Struct, frozen=True):
    """Which entities (§5.2.33): of these types, and with one of these ids, else with an id like the pattern."""

    types: TypeSelection
    ids: frozenset[str] = frozenset()
    pattern: SafePattern | None = None
    pattern_text: str | None = None

    def selects(self, entity_id: str, types: tuple[str, ...]) -> bool:
        """Whether an entity is selected; ids take precedence over the pattern."""
        if self.ids:
            if entity_id not in self.ids:
                return False
        elif self.pattern is not None and not self.pattern.found_in(entity_id):
            return False
        return self.types.matches(types)


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What is matched and how it is told. Periods in seconds; `watched` empty means any attribute."""

    id: str
    entities: tuple[Selector, ...]
    watched: frozenset[str]
    triggers: frozenset[str]
    q: Q | None
    geo: GeoQuery | None
    scope_q: ScopeQuery | None
    datasets: frozenset[str] | None
    lang: str | None
    time_interval: float | None
    throttling: float | None
    is_active: bool
    expires_at: datetime | None
    notification: NotificationParameters

    def status(self, now: datetime) -> str:
        """active, paused or expired (Table 5.2.12-2)."""
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "active" if self.is_active else "paused"

    def selects(self, entity_id: str, types: tuple[str, ...]) -> bool:
        """Whether an entity is among the subscribed ones; without selectors every entity is (§5.8.1.4)."""
        return not self.entities or any(one.selects(entity_id, types) for one in self.entities)


# From a subscriber's document to ours ----------------------------------------------------------------------


def parse_subscription(document: Any, context: Context, now: datetime) -> dict[str, Any]:
    """Check a subscription (§5.8.1) and turn it into the document that is kept; an id may be missing.

    Raises BadRequestData naming the member, OperationNotSupported for what is not offered.
    """
    checked = _members(document, context, now, fragment=False)
    if "type" not in checked:
        raise bad(("type",), "the subscription has no type")
    if "notification" not in checked:
        raise bad(("notification",), "the subscription has no notification")
    _check_whole(checked)
    return checked


def merge_subscription(
    kept: dict[str, Any], fragment: Any, context: Context, now: datetime
) -> dict[str, Any]:
    """The document after a fragment was applied (§5.8.2, §5.5.8): members are replaced, nulls take them away."""
    changes = _members(fragment, context, now, fragment=True)
    if changes.get("id", kept["id"]) != kept["id"]:
        raise bad(("id",), "the id of a subscription cannot be changed")
    merged = {**kept, **changes}
    merged = {name: value for name, value in merged.items() if value is not None}
    _check_whole(merged)
    return merged


def _members(document: Any, context: Context, now: datetime, *, fragment: bool) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise bad((), "a subscription is a JSON object")
    checked: dict[str, Any] = {}
    for name, value in document.items():
        member = _ALIASES.get(name) or str(name)
        if member in _OURS:
            continue
        check = _CHECKS.get(member)
        if check is None:
            raise bad((name,), f"{name!r} is no member of a subscription")
        if value is None or value == NULL:
            if not fragment or member in ("id", "type", "notification"):
                raise bad((name,), f"{member} cannot be null")
            checked[member] = None
            continue
        checked[member] = check(value, (name,), context)
    expires = checked.get("expiresAt")
    if expires is not None and datetime.fromisoformat(expires) <= now:
        raise bad(("expiresAt",), "the subscription would have expired already")
    return checked


def _check_whole(document: dict[str, Any]) -> None:
    """The restrictions of Table 5.2.12-1 that concern several members."""
    local = document.get("localOnly") is True
    if "entities" not in document and "watchedAttributes" not in document and not local:
        raise bad((), "a subscription has entities or watchedAttributes, unless localOnly is true")
    if "timeInterval" in document:
        for other in ("watchedAttributes", "throttling"):
            if other in document:
                raise bad((other,), f"{other} does not go with timeInterval")
        if "entities" not in document and not local:
            raise bad(("entities",), "timeInterval needs entities, unless localOnly is true")


def _boolean(value: Any, path: Path, context: Context) -> bool:
    if not isinstance(value, bool):
        raise bad(path, f"{path[-1]} is true or false")
    return value


def _text(value: Any, path: Path, context: Context) -> str:
    if not isinstance(value, str) or not value.strip() or "\x00" in value or len(value) > _LONGEST:
        raise bad(path, f"{path[-1]} is a text of 1 to {_LONGEST} characters")
    return value


def _uri(value: Any, path: Path, context: Context) -> str:
    return check_uri(value, path)


def _type(value: Any, path: Path, context: Context) -> str:
    if value not in ("Subscription", CORE.expand_term("Subscription")):
        raise bad(path, 'the type is "Subscription"')
    return "Subscription"


def _time(value: Any, path: Path, context: Context) -> str:
    return check_time(value, path)


def _period(value: Any, path: Path, context: Context) -> float:
    if type(value) not in (int, float) or not 0 < value <= _LONGEST_PERIOD:
        raise bad(path, f"{path[-1]} is a number of seconds above 0, a year at most")
    return float(value) if isinstance(value, float) and not value.is_integer() else int(value)


def _list(value: Any, path: Path) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise bad(path, f"{path[-1]} is a list that is not empty")
    if len(value) > _MOST:
        raise bad(path, f"{path[-1]} has more than {_MOST} elements")
    return value


def _entities(value: Any, path: Path, context: Context) -> list[dict[str, Any]]:
    return [_selector(one, (*path, index), context) for index, one in enumerate(_list(value, path))]


def parse_selectors(value: Any, path: Path, context: Context) -> tuple[Selector, ...]:
    """Read a list of EntitySelectors (§5.2.33), names expanded. Raises BadRequestData."""
    return tuple(map(_read_selector, _entities(value, path, context)))


def _selector(value: Any, path: Path, context: Context) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad(path, "a selector is an object with type, id, idPattern")
    selector: dict[str, Any] = {}
    for name, member in value.items():
        place = (*path, name)
        if name in ("type", "@type"):
            if not isinstance(member, str):
                raise bad(place, "type is a selection of types, as text")
            selected = _at(place, parse_type_selection, member, context)
            selector["type"] = print_type_selection(selected, CORE)
        elif name in ("id", "@id"):
            ids = _list(member, place) if isinstance(member, list) else [member]
            checked = [check_uri(one, place) for one in ids]
            selector["id"] = checked if isinstance(member, list) else checked[0]
        elif name == "idPattern":
            if not isinstance(member, str):
                raise bad(place, "idPattern is a text")
            try:
                compile_pattern(member)
            except ValueError as error:
                raise bad(place, f"the pattern {error}") from None
            selector["idPattern"] = member
        else:
            raise bad(place, f"{name!r} is no member of a selector of entities")
    if "type" not in selector:
        raise bad((*path, "type"), 'a selector names a type, "*" for any')
    return selector


def _names(value: Any, path: Path, context: Context) -> list[str]:
    names = []
    for index, name in enumerate(_list(value, path)):
        place = (*path, index)
        if not isinstance(name, str):
            raise bad(place, "an attribute's name is a text")
        iri = _at(place, context.expand_name, name)
        if iri[0] == "@":
            raise bad(place, f"{name!r} is no attribute")
        names.append(iri)
    return list(dict.fromkeys(names))


def _triggers(value: Any, path: Path, context: Context) -> list[str]:
    for index, trigger in enumerate(_list(value, path)):
        if not isinstance(trigger, str) or trigger not in TRIGGERS:
            raise bad((*path, index), f"a trigger is one of {', '.join(sorted(TRIGGERS))}")
    return list(dict.fromkeys(value))


def _q(value: Any, path: Path, context: Context) -> str:
    q = _at(path, parse_q, _text(value, path, context), context)
    if _follows_links(q):
        raise OperationNotSupported("q cannot look into linked entities here", field=json_pointer(path))
    return print_q(q, CORE)


def _follows_links(q: Q) -> bool:
    if isinstance(q, And | Or):
        return any(_follows_links(term) for term in q.terms)
    return q.path.linked is not None


def _scope_q(value: Any, path: Path, context: Context) -> str:
    return str(_at(path, parse_scope_q, _text(value, path, context)))


def _geo_q(value: Any, path: Path, context: Context) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad(path, "geoQ is an object with georel, geometry, coordinates")
    for name in ("georel", "geometry", "coordinates"):
        if name not in value:
            raise bad((*path, name), f"geoQ needs {name}")
    for name in value:
        if name not in ("georel", "geometry", "coordinates", "geoproperty"):
            raise bad((*path, name), f"{name!r} is no member of a geoquery")
    for name in ("georel", "geometry", "geoproperty"):
        if not isinstance(value.get(name, ""), str):
            raise bad((*path, name), f"{name} is a text")
    query = _at(
        path,
        parse_geo_query,
        value["georel"],
        value["geometry"],
        value["coordinates"],
        value.get("geoproperty"),
        context,
    )
    return {
        "georel": value["georel"],
        "geometry": value["geometry"],
        "coordinates": query.geometry["coordinates"],
        **({"geoproperty": query.property} if query.property != LOCATION else {}),
    }


def _datasets(value: Any, path: Path, context: Context) -> list[str]:
    return [
        one if one == "@none" else check_uri(one, (*path, index))
        for index, one in enumerate(_list(value, path))
    ]


def _conformance(value: Any, path: Path, context: Context) -> str:
    if value not in ("1.8", "1.9"):
        raise OperationNotSupported(
            "notifications are told as of version 1.8 and 1.9 only", field=json_pointer(path)
        )
    return str(value)


def _at(path: Path, parse: Callable[..., Result], *arguments: Any) -> Result:
    """What `parse` returns; its error names the place in the document."""
    try:
        return parse(*arguments)
    except NgsiLdError as error:
        if isinstance(error, BadRequestData):
            raise bad(path, error.detail) from None
        raise


_Check = Callable[[Any, Path, Context], Any]
_CHECKS: Final[dict[str, _Check]] = {
    "id": _uri,
    "type": _type,
    "subscriptionName": _text,
    "description": _text,
    "entities": _entities,
    "watchedAttributes": _names,
    "notificationTrigger": _triggers,
    "timeInterval": _period,
    "q": _q,
    "geoQ": _geo_q,
    "scopeQ": _scope_q,
    "csf": _text,
    "datasetId": _datasets,
    "lang": _text,
    "expandValues": _text,
    "jsonKeys": _text,
    "localOnly": _boolean,
    "splitEntities": _boolean,
    "ngsildConformance": _conformance,
    "isActive": _boolean,
    "expiresAt": _time,
    "throttling": _period,
    "jsonldContext": _uri,
    "notification": check_notification,
}
_ALIASES: Final[dict[str, str]] = {"@id": "id", "@type": "type"}
_OURS: Final = frozenset({"status", "createdAt", "modifiedAt"})
"""Members that only we give; from others they are ignored (§5.2.12)."""


# From our document to what is matched, and to what is shown --------------------------------------------------


def read_subscription(document: dict[str, Any]) -> Subscription:
    """The parts of a document that is kept, ready to be matched."""
    triggers = frozenset(document.get("notificationTrigger", _DEFAULT_TRIGGERS))
    if "entityUpdated" in triggers:
        triggers |= _UPDATED
    geo = document.get("geoQ")
    expires = document.get("expiresAt")
    datasets = frozenset(document["datasetId"]) if "datasetId" in document else None
    return Subscription(
        id=document["id"],
        entities=tuple(_read_selector(one) for one in document.get("entities", ())),
        watched=frozenset(document.get("watchedAttributes", ())),
        triggers=triggers,
        q=parse_q(document["q"], CORE) if "q" in document else None,
        geo=parse_geo_query(geo["georel"], geo["geometry"], geo["coordinates"], geo.get("geoproperty"), CORE)
        if geo
        else None,
        scope_q=parse_scope_q(document["scopeQ"]) if "scopeQ" in document else None,
        datasets=datasets,
        lang=document.get("lang"),
        time_interval=document.get("timeInterval"),
        throttling=document.get("throttling"),
        is_active=document.get("isActive", True),
        expires_at=datetime.fromisoformat(expires) if expires else None,
        notification=read_notification(document["notification"], datasets),
    )


def _read_selector(document: dict[str, Any]) -> Selector:
    ids = document.get("id", ())
    pattern = document.get("idPattern")
    return Selector(
        parse_type_selection(document["type"], CORE),
        frozenset((ids,) if isinstance(ids, str) else ids),
        compile_pattern(pattern) if pattern is not None else None,
        pattern,
    )


def show_subscription(document: dict[str, Any], context: Context) -> dict[str, Any]:
    """A document that is kept, its names shortened by the context; what triggers by default is said."""
    shown = {"notificationTrigger": sorted(_DEFAULT_TRIGGERS), **document}
    if "entities" in document:
        shown["entities"] = [
            {**one, "type": print_type_selection(parse_type_selection(one["type"], CORE), context)}
            for one in document["entities"]
        ]
    if "watchedAttributes" in document:
        shown["watchedAttributes"] = [context.compact_iri(iri) for iri in document["watchedAttributes"]]
    if "q" in document:
        shown["q"] = print_q(parse_q(document["q"], CORE), context)
    if "geoproperty" in document.get("geoQ", ()):
        geo = document["geoQ"]
        shown["geoQ"] = {**geo, "geoproperty": context.compact_iri(geo["geoproperty"])}
    shown["notification"] = show_notification(document["notification"], context)
    # In the order of the standard's table; PostgreSQL keeps no order.
    return {name: shown[name] for name in _CHECKS if name in shown}
