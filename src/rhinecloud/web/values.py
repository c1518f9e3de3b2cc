"""Attributes of an entity as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rhinecloud.model import VALUE_MEMBER

from .names import short
from .units import symbol

_CORE_MEMBERS = frozenset(
    {
        "type", "value", "object", "languageMap", "vocab", "json", "valueList", "objectList", "unitCode", "observedAt",
        "datasetId", "createdAt", "modifiedAt", "objectType", "instanceId", "entity", "entityList",
    }
)  # fmt: skip
_LONG = 400  # characters of JSON that are shown


class Shown(msgspec.Struct, frozen=True):
    """One attribute instance for the page. `form` says how the value is drawn: text, number, flag, moment, links,
    languages, position or json."""

    iri: str
    name: str
    kind: str
    form: str
    value: Any
    unit: str
    observed_at: str | None
    dataset: str | None
    parts: tuple[Shown, ...] = ()


def rows(attributes: Mapping[str, list[dict[str, Any]]]) -> list[Shown]:
    """The instances in the order of their names, the default instance of each first."""
    found = [_shown(iri, instance) for iri, instances in attributes.items() for instance in instances]
    return sorted(found, key=lambda row: (row.name.casefold(), row.dataset or ""))


def _shown(iri: str, instance: Mapping[str, Any]) -> Shown:
    kind = instance.get("type", "Property")
    form, value = _value(kind, instance.get(VALUE_MEMBER.get(kind, "value")))
    parts = [
        _shown(name, part)
        for name, inner in instance.items()
        if name not in _CORE_MEMBERS
        for part in (inner if isinstance(inner, list) else [inner])
        if isinstance(part, Mapping)
    ]
    return Shown(
        iri, short(iri), kind, form, value, symbol(instance.get("unitCode")), instance.get("observedAt"),
        instance.get("datasetId"), tuple(sorted(parts, key=lambda part: part.name.casefold())),
    )  # fmt: skip


def _value(kind: str, value: Any) -> tuple[str, Any]:
    if kind in ("Relationship", "ListRelationship"):
        return "links", [_object(one) for one in (value if isinstance(value, list) else [value])]
    if kind == "LanguageProperty":
        return "languages", sorted(value.items()) if isinstance(value, Mapping) else []
    if kind == "VocabProperty":
        return "text", ", ".join(short(str(one)) for one in (value if isinstance(value, list) else [value]))
    if kind == "GeoProperty" and isinstance(value, Mapping):
        return _position(value)
    if isinstance(value, bool):
        return "flag", value
    if isinstance(value, (int, float)):
        return "number", value
    if isinstance(value, str):
        return "text", value
    if (
        isinstance(value, Mapping)
        and value.get("@type") in ("DateTime", "Date", "Time")
        and "@value" in value
    ):
        return "moment", value["@value"]
    if isinstance(value, list) and value and all(isinstance(one, (str, int, float)) for one in value):
        return "text", ", ".join(str(one) for one in value)
    return "json", _json(value)


def _object(value: Any) -> str:
    return str(value.get("object", "")) if isinstance(value, Mapping) else str(value)


def _position(geometry: Mapping[str, Any]) -> tuple[str, Any]:
    if geometry.get("type") == "Point":
        lon, lat = geometry["coordinates"][:2]
        return "position", (lon, lat)
    return "json", _json(geometry)


def _json(value: Any) -> str:
    text = msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    return text if len(text) <= _LONG else text[:_LONG] + " …"


def numeric(row: Shown) -> bool:
    """Whether a history of it can be drawn as a line."""
    return row.form in ("number", "flag") and row.dataset is None
