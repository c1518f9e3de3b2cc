"""The temporal evolution of an entity as a document: instances, values, aggregates (CIM 009 §4.5.6 to §4.5.9, §4.5.19).

As in `representation`, what is rendered has no @context member and shares its values with the entity.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
import numpy as np

from rhinecloud.model.context import Context
from rhinecloud.model.entity import Entity, Instance
from rhinecloud.model.evolution import SCOPE
from rhinecloud.model.projection import EVERYTHING, Projection
from rhinecloud.model.representation import Format, render
from rhinecloud.model.temporal_aggregates import Figures
from rhinecloud.model.temporal_periods import Periods, Times

TemporalFormat = Literal["normalized", "concise", "temporalValues", "aggregatedValues"]

_VALUES: Final = {
    "Property": "values",
    "GeoProperty": "values",
    "LanguageProperty": "languageMaps",
    "ListProperty": "valueLists",
    "JsonProperty": "jsons",
    "VocabProperty": "vocabs",
    "Relationship": "objects",
    "ListRelationship": "objectLists",
}
"""Type of attribute → the member that holds its values in the simplified form (§4.5.9)."""
_SYSTEM: Final = frozenset({"createdAt", "modifiedAt", "expiresAt"})


class Event(msgspec.Struct, frozen=True):
    """An instance, and the time by which it was asked for."""

    at: str
    instance: Instance


class Aggregated(msgspec.Struct, frozen=True):
    """Figures of the instances of one dataset; `unit` only if the attribute has several."""

    type: str
    dataset: str
    unit: str
    figures: Figures
    periods: Periods


class EntityTemporal(msgspec.Struct, frozen=True):
    """An entity over time (§5.2.20). An attribute whose instances all lie beyond what one answer holds is there without
    any.

    `events` by attribute in the order of time, or `aggregated`; `entity` has no attributes, and is no more since
    `deleted_at`.
    """

    entity: Entity
    deleted_at: str | None = None
    events: dict[str, list[Event]] = {}
    aggregated: dict[str, list[Aggregated]] = {}


def render_temporal(
    evolution: EntityTemporal,
    context: Context,
    *,
    format: TemporalFormat = "normalized",
    timeproperty: str | None = None,
    sys_attrs: bool = False,
    lang: str | None = None,
    projection: Projection = EVERYTHING,
) -> dict[str, Any]:
    """The document of an evolution, names shortened by the context; empty if nothing of it is to be seen.

    `timeproperty` is always shown, other system times with `sys_attrs` (§6.3.11); `lang` and `projection` as for
    entities.
    """
    document = render(evolution.entity, context, sys_attrs=sys_attrs, projection=projection)
    if evolution.deleted_at is not None and (sys_attrs or timeproperty == "deletedAt"):
        document["deletedAt"] = evolution.deleted_at
    hidden = frozenset() if sys_attrs else _SYSTEM - {timeproperty}
    if SCOPE in evolution.events:
        document.pop("scope", None)
    for name in (*evolution.events, *evolution.aggregated):
        if not projection.shows("scope" if name == SCOPE else name):
            continue
        shown: Any
        if name in evolution.aggregated:
            shown = _alone([_aggregated(one) for one in evolution.aggregated[name]])
        elif format == "temporalValues":
            shown = _alone(_simplified(name, evolution.events[name], context, lang))
        else:
            shape: Format = "concise" if format == "concise" else "normalized"
            shown = _instances(name, evolution.events[name], context, shape, lang, hidden)
        document[context.compact_iri(name)] = shown
    return document


def _alone(parts: list[dict[str, Any]]) -> Any:
    return parts[0] if len(parts) == 1 else parts


def _instances(
    name: str, events: list[Event], context: Context, shape: Format, lang: str | None, hidden: frozenset[str]
) -> list[Any]:
    """Always a list, also of one instance (§4.5.7)."""
    kept = [
        event.instance
        if hidden.isdisjoint(event.instance)
        else {key: value for key, value in event.instance.items() if key not in hidden}
        for event in events
    ]
    if not kept:
        return []
    shown = _rendered(name, kept, context, shape, lang)
    return shown if len(kept) > 1 else [shown]


def _simplified(name: str, events: list[Event], context: Context, lang: str | None) -> list[dict[str, Any]]:
    """Pairs of value and time, apart by type and dataset (§4.5.9, as 4.5.5 has it for datasets)."""
    if not events:
        return [{"type": "Property", "values": []}]
    parts: dict[tuple[str, str], list[Any]] = {}
    for event in events:
        instance = event.instance
        kind = instance.get("type", "Property")
        if kind == "Property":
            value = instance["value"]
        else:
            value = _rendered(name, [instance], context, "simplified", lang)
            if kind == "LanguageProperty" and not (isinstance(value, dict) and "languageMap" in value):
                kind = "Property"  # one text in the language asked for (§4.15)
        parts.setdefault((kind, instance.get("datasetId", "")), []).append([value, event.at])
    return [
        {"type": kind, **({"datasetId": dataset} if dataset else {}), _VALUES[kind]: values}
        for (kind, dataset), values in parts.items()
    ]


def _rendered(name: str, instances: list[Instance], context: Context, shape: Format, lang: str | None) -> Any:
    entity = Entity(id="urn:x", types=("urn:x",), attributes={name: instances})
    document = render(entity, context, format=shape, sys_attrs=True, lang=lang)
    return document[context.compact_iri(name)]


def _aggregated(part: Aggregated) -> dict[str, Any]:
    starts, ends = part.periods.bounds(part.figures.periods)
    begin, end = texts(starts), texts(ends)
    shown: dict[str, Any] = {"type": part.type}
    if part.dataset:
        shown["datasetId"] = part.dataset
    if part.unit:
        shown["unitCode"] = part.unit
    for method, figures in part.figures.methods.items():
        shown[method] = [
            [figure, first, last]
            for figure, first, last in zip(figures, begin, end, strict=True)
            if figure is not None
        ]
    return shown


def texts(times: Times) -> list[str]:
    """Microseconds since 1970 as DateTimes, without trailing zeros in the fraction."""
    whole = not (times % 1_000_000).any()
    found = np.datetime_as_string(times.astype("datetime64[us]"), unit="s" if whole else "us").tolist()
    return [text + "Z" for text in found] if whole else [_text(text) for text in found]


def _text(text: str) -> str:
    seconds, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return f"{seconds}.{fraction}Z" if fraction else f"{seconds}Z"
