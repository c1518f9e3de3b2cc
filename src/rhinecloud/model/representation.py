"""Entities as documents: normalized, concise, simplified and GeoJSON (CIM 009 §4.5).

What is rendered has no @context member; whoever sends it adds that. Nothing of the entity is changed, but
values are shared with the result, so treat it as read-only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, Literal

from rhinecloud.model.context import Context
from rhinecloud.model.core_context import TERMS
from rhinecloud.model.entity import VALUE_MEMBER, Entity, Instance
from rhinecloud.model.geojson import is_geometry
from rhinecloud.model.language import Preference, choose, parse_languages
from rhinecloud.model.values import NULL

Format = Literal["normalized", "concise", "simplified"]

LOCATION: Final = TERMS["location"]
"""The GeoProperty that geometry is taken from unless another is named (§4.5.16.1)."""

_SYSTEM: Final = frozenset({"createdAt", "modifiedAt", "deletedAt", "expiresAt"})
"""Members shown only on request (§4.22, §6.3.11)."""
_INFERRED: Final = frozenset(VALUE_MEMBER) - {"GeoProperty"}
_VALUE_MEMBERS: Final = frozenset(VALUE_MEMBER.values())
_TYPED: Final = frozenset({"type", "@type"})


def render(
    entity: Entity,
    context: Context,
    *,
    format: Format = "normalized",
    geojson: bool = False,
    geometry_property: str = LOCATION,
    geometry_dataset: str | None = None,
    sys_attrs: bool = False,
    attrs: Collection[str] | None = None,
    omit: Collection[str] = (),
    datasets: Collection[str] | None = None,
    lang: str | None = None,
) -> dict[str, Any]:
    """The document of an entity, its names shortened by the context.

    `attrs` keeps only these attributes (IRIs) and `omit` leaves some out; `datasets` keeps only instances
    with these datasetIds, ``@none`` being the default one (§4.5.5); `sys_attrs` adds createdAt, modifiedAt
    and expiresAt (§6.3.11); `lang` turns LanguageProperties into one text each (§4.15), in the wording of
    Accept-Language. With `geojson` the result is a Feature whose geometry is the value of
    `geometry_property` (an IRI), null where there is none.
    """
    shown = _Renderer(context, format, sys_attrs, datasets, parse_languages(lang) if lang else None)
    document: dict[str, Any] = {"id": entity.id, "type": shown.names(entity.types)}
    if entity.scopes:
        document["scope"] = entity.scopes[0] if len(entity.scopes) == 1 else list(entity.scopes)
    if sys_attrs:
        shown.system_times(entity, document)
    compact = context.compact_iri
    for iri, instances in entity.attributes.items():
        if (attrs is not None and iri not in attrs) or iri in omit:
            continue
        kept = instances if datasets is None else shown.in_datasets(instances)
        if kept:
            document[compact(iri)] = shown.attribute(kept)
    if not geojson:
        return document
    del document["id"]
    geometry = geometry_of(entity, geometry_property, geometry_dataset)
    return {"id": entity.id, "type": "Feature", "geometry": geometry, "properties": document}


def feature_collection(features: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Features as one GeoJSON document (§4.5.16.3)."""
    return {"type": "FeatureCollection", "features": list(features)}


def geometry_of(entity: Entity, geometry_property: str = LOCATION, dataset: str | None = None) -> Any:
    """The geometry that stands for the entity on a map (§4.5.16.1), or None."""
    for instance in entity.attributes.get(geometry_property, ()):
        if instance.get("datasetId") == dataset and is_geometry(instance.get("value")):
            return instance["value"]
    return None


class _Renderer:
    """The choices of one rendering, and the context's names."""

    __slots__ = ("attribute", "compact", "context", "datasets", "format", "languages", "sys_attrs")

    def __init__(
        self,
        context: Context,
        format: Format,
        sys_attrs: bool,
        datasets: Collection[str] | None,
        languages: tuple[Preference, ...] | None,
    ) -> None:
        self.context = context
        self.compact = context.compact_iri
        self.format = format
        self.sys_attrs = sys_attrs
        self.datasets = datasets
        self.languages = languages
        self.attribute: Callable[[list[Instance]], Any] = {
            "normalized": self.normalized,
            "concise": self.concise,
            "simplified": self.simplified,
        }[format]

    def names(self, iris: tuple[str, ...] | list[str]) -> str | list[str]:
        return self.compact(iris[0]) if len(iris) == 1 else [self.compact(iri) for iri in iris]

    def system_times(self, entity: Entity, document: dict[str, Any]) -> None:
        for name, time in (
            ("createdAt", entity.created_at),
            ("modifiedAt", entity.modified_at),
            ("expiresAt", entity.expires_at),
        ):
            if time is not None:
                document[name] = time

    def in_datasets(self, instances: list[Instance]) -> list[Instance]:
        wanted = self.datasets or ()
        return [one for one in instances if one.get("datasetId", "@none") in wanted]

    def normalized(self, instances: list[Instance]) -> Any:
        if len(instances) == 1:
            return self.members(instances[0])
        return [self.members(one) for one in instances]

    def members(self, instance: Instance) -> dict[str, Any]:
        """An instance in full, in the format's form of its sub-attributes (§4.5.2.2)."""
        if self.languages is not None and "languageMap" in instance:
            instance = self.in_language(instance, self.languages)
        shown: dict[str, Any] = {}
        for key, value in instance.items():
            if ":" in key:
                shown[self.compact(key)] = self.attribute(value)
            elif key in _SYSTEM:
                if self.sys_attrs:
                    shown[key] = value
            elif key in _RENDERED:
                shown[key] = self.special(key, value)
            else:
                shown[key] = value
        return shown

    def special(self, key: str, value: Any) -> Any:
        if key in ("objectList", "previousObjectList"):
            return (
                value if self.format == "concise" or value == [NULL] else [{"object": one} for one in value]
            )
        return [self.compact(one) for one in value] if isinstance(value, list) else self.compact(value)

    def in_language(self, instance: Instance, languages: tuple[Preference, ...]) -> Instance:
        """A LanguageProperty as a Property in the best language it has (§4.15)."""
        if instance["languageMap"] == {"@none": NULL}:
            return instance
        tag, text = choose(instance["languageMap"], languages)
        rest = {key: value for key, value in instance.items() if key not in ("type", "languageMap")}
        return {"type": "Property", "value": text, "lang": tag, **rest}

    def concise(self, instances: list[Instance]) -> Any:
        if len(instances) > 1:
            return [self.concise_members(one) for one in instances]
        shown = self.concise_members(instances[0])
        if len(shown) == 1 and "value" in shown and _stands_alone(shown["value"]):
            return shown["value"]
        return shown

    def concise_members(self, instance: Instance) -> dict[str, Any]:
        """An instance without the type where that follows from its members (§4.5.2.3)."""
        shown = self.members(instance)
        kind = shown.get("type")
        # A plain Property with a geometry for its value would be taken for a GeoProperty.
        inferred = is_geometry(shown.get("value")) == (kind == "GeoProperty")
        if inferred and (kind == "GeoProperty" or VALUE_MEMBER.get(kind or "") in shown):
            del shown["type"]
        return shown

    def simplified(self, instances: list[Instance]) -> Any:
        """Values only (§4.5.4); several instances by datasetId."""
        if len(instances) == 1:
            return self.simple_value(instances[0])
        return {"dataset": {one.get("datasetId", "@none"): self.simple_value(one) for one in instances}}

    def simple_value(self, instance: Instance) -> Any:
        kind = instance.get("type", "Property")
        if kind == "LanguageProperty":
            if self.languages is not None:
                return self.in_language(instance, self.languages).get("value", NULL)
            return {"languageMap": instance["languageMap"]}
        if kind == "JsonProperty":
            return {"json": instance["json"]}
        if kind == "VocabProperty":
            return {"vocab": self.special("vocab", instance["vocab"])}
        return instance.get(VALUE_MEMBER[kind])


_RENDERED: Final = frozenset(
    {"objectList", "previousObjectList", "vocab", "objectType", "valueType", "previousVocab"}
)
"""Members that hold names or are stored in another form than they are shown."""


def _stands_alone(value: Any) -> bool:
    """Whether a bare value is read as itself again, not as an instance or several (§4.5.2.3)."""
    kind = type(value)
    if kind is dict:
        if is_geometry(value):
            return True
        return _TYPED.isdisjoint(value) and _VALUE_MEMBERS.isdisjoint(value) and value.keys() != {"dataset"}
    if kind is list:
        return all(type(one) is not dict or _stands_alone(one) for one in value)
    return bool(value != NULL)
