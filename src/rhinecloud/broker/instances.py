"""What holds for instances of attributes, whatever is done with them. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from rhinecloud.model import NULL, VALUE_MEMBER
from rhinecloud.store.entities import Place

STAMPS = frozenset({"createdAt", "modifiedAt"})
_PLAIN_MEMBERS = frozenset({"type", "value", "unitCode", "observedAt", "datasetId", *STAMPS})
_FIRST = datetime.min.replace(tzinfo=UTC) + timedelta(microseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(microseconds=1)
_EXACT = 2**53  # integers up to here are exact as a float64


@lru_cache(8192)  # the attributes of a measurement share their time
def instant(text: str) -> datetime:
    """A normalised RFC 3339 text as an instant; the first and the last of all, which PostgreSQL's driver takes for
    infinity and some clocks say instead of nothing, a microsecond inwards."""
    return min(max(datetime.fromisoformat(text), _FIRST), _LAST)


def is_plain_number(instance: dict[str, Any]) -> bool:
    """Whether an instance is nothing but a number in a unit at a time: what compaction may put into arrays."""
    value = instance.get("value")
    kind = type(value)
    return (
        (kind is float or (kind is int and -_EXACT <= value <= _EXACT))  # type: ignore[operator]
        and instance["type"] == "Property"
        and instance.keys() <= _PLAIN_MEMBERS
    )


def without_stamps(instance: dict[str, Any]) -> dict[str, Any]:
    """The instance as its document has it."""
    if STAMPS.isdisjoint(instance):
        return instance
    return {key: value for key, value in instance.items() if key not in STAMPS}


def ended(instance: dict[str, Any], at: str) -> dict[str, Any]:
    """What the history says when an instance is deleted (CIM 009 §4.5.7, §4.5.8)."""
    kind = instance["type"]
    null: Any = {"@none": NULL} if kind == "LanguageProperty" else NULL
    end = {"type": kind, VALUE_MEMBER[kind]: null, "deletedAt": at}
    if "datasetId" in instance:
        end["datasetId"] = instance["datasetId"]
    return end


def unchanged(current: dict[str, Any], instance: dict[str, Any]) -> bool:
    """Whether an instance says nothing that was not known: the same again, and not as a new observation."""
    if "observedAt" in instance or current["type"] != instance["type"]:
        return False
    for key, value in instance.items():
        if key not in STAMPS and (key not in current or current[key] != value):
            return False
    return all(key in instance or key in STAMPS for key in current)


_NOWHERE: dict[str, Any] = {}


def geometries(instances: Iterable[dict[str, Any]] | None) -> dict[str, Any]:
    """Dataset ('' for none) → geometry (GeoJSON) of the GeoProperties among the instances of an attribute."""
    for instance in instances or ():
        if instance["type"] == "GeoProperty":
            break
    else:
        return _NOWHERE
    return {i.get("datasetId") or "": i["value"] for i in instances or () if i["type"] == "GeoProperty"}


def place(entity_id: str, attribute: str, dataset: str, geometry: dict[str, Any]) -> Place:
    """The row of a geometry: its box in degrees and its WKB."""
    if geometry["type"] == "Point":
        x, y = geometry["coordinates"][:2]
        return Place(entity_id, attribute, dataset, (x, y, x, y), struct.pack("<BIdd", 1, 1, x, y))
    from shapely.geometry import shape

    made = shape(geometry)
    return Place(entity_id, attribute, dataset, made.bounds, made.wkb)
