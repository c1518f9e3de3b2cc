"""Entities as documents: normalized, concise, simplified and GeoJSON (CIM 009 §4.5).

What is rendered has no @context member; whoever sends it adds that. Nothing of the entity is changed, but
values are shared with the result, so treat it as read-only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from types import MappingProxyType
from typing import Any, Final, Literal

from rhinecloud.model.context import Context
from rhinecloud.model.core_context import TERMS
from rhinecloud.model.entity import VALUE_MEMBER, Entity, Instance
from rhinecloud.model.geojson import is_geometry
from rhinecloud.model.language import Preference, choose, parse_languages
from rhinecloud.model.linked import LINKS, MAX_LINKED, Join, Known, linked_ids, too_many
from rhinecloud.model.projection import EVERYTHING, Projection
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
    sys_attrs: bool = False,
    projection: Projection = EVERYTHING,
    datasets: Collection[str] | None = None,
    lang: str | None = None,
    join: Join | None = None,
    known: Known = MappingProxyType({}),
) -> dict[str, Any]:
    """The document of an entity, its names shortened by the context; empty if nothing of it is to be seen.

    `projection` says which members are shown (§4.21); `datasets` keeps only instances with these datasetIds,
    ``@none`` being the default one (§4.5.5); `sys_attrs` adds createdAt, modifiedAt and expiresAt (§6.3.11);
    `lang` turns LanguageProperties into one text each (§4.15), in the wording of Accept-Language. With an
    inline `join` the entities in `known` stand within the Relationships that lead to them (§4.5.23.2); TooManyResults
    if they are too many. With `geojson` the result is a Feature whose geometry is the value of
    `geometry_property` (an IRI), null where there is none.
    """
    languages = parse_languages(lang) if lang else None
    inline = join if join is not None and join.form == "inline" else None
    shown = _Renderer(context, format, sys_attrs, datasets, languages, inline, known)
    document = shown.document(entity, projection, (entity.id,))
    if not geojson or not document:
        return document
    document.pop("id", None)
    feature: dict[str, Any] = {"id": entity.id} if projection.shows("id") else {}
    feature["type"] = "Feature"
    feature["geometry"] = geometry_of(entity, geometry_property, datasets)
    feature["properties"] = document
    return feature


def feature_collection(features: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Features as one GeoJSON document (§4.5.16.3)."""
    return {"type": "FeatureCollection", "features": list(features)}


def geometry_of(
    entity: Entity, geometry_property: str = LOCATION, datasets: Collection[str] | None = None
) -> Any:
    """The geometry that stands for the entity on a map (§4.5.16.1), or None: that of the default instance, or of
    one that `datasets` names."""
    geometries = {
        instance.get("datasetId", "@none"): instance["value"]
        for instance in entity.attributes.get(geometry_property, ())
        if is_geometry(instance.get("value"))
    }
    if datasets is None or "@none" in datasets:
        default = geometries.get("@none")
        if default is not None or datasets is None:
            return default
    return next((geometry for dataset, geometry in geometries.items() if dataset in datasets), None)


class _Renderer:
    """The choices of one rendering, and the context's names."""

    __slots__ = (
        "attribute",
        "compact",
        "context",
        "datasets",
        "format",
        "inline",
        "inlined",
        "instance",
        "known",
        "languages",
        "sys_attrs",
    )

    def __init__(
        self,
        context: Context,
        format: Format,
        sys_attrs: bool,
        datasets: Collection[str] | None,
        languages: tuple[Preference, ...] | None,
        inline: Join | None,
        known: Known,
    ) -> None:
        self.context = context
        self.compact = context.compact_iri
        self.format = format
        self.sys_attrs = sys_attrs
        self.datasets = datasets
        self.languages = languages
        self.inline = inline
        self.known = known
        self.inlined = 0
        self.attribute: Callable[[list[Instance]], Any]
        self.instance: Callable[[Instance], Any]
        self.attribute, self.instance = {
            "normalized": (self.normalized, self.members),
            "concise": (self.concise, self.concise_members),
            "simplified": (self.simplified, self.simple_value),
        }[format]

    def document(self, entity: Entity, projection: Projection, path: tuple[str, ...]) -> dict[str, Any]:
        """An entity; `path` are the ids that led to it, with its own."""
        pick, omit = projection.pick, projection.omit
        document: dict[str, Any] = {}
        if projection.shows("id"):
            document["id"] = entity.id
        if projection.shows("type"):
            document["type"] = self.names(entity.types)
        if entity.scopes and projection.shows("scope"):
            document["scope"] = entity.scopes[0] if len(entity.scopes) == 1 else list(entity.scopes)
        if self.sys_attrs:
            self.system_times(entity, projection, document)
        joins = self.inline is not None and len(path) <= self.inline.level
        for iri, instances in entity.attributes.items():
            if (pick is not None and iri not in pick) or iri in omit:
                continue
            kept = instances if self.datasets is None else self.in_datasets(instances)
            if kept:
                document[self.compact(iri)] = (
                    self.joined(kept, projection.behind(iri), path) if joins else self.attribute(kept)
                )
        return document

    def joined(self, instances: list[Instance], inner: Projection, path: tuple[str, ...]) -> Any:
        """An attribute with the entities that it leads to (§4.5.23.2)."""
        if not any(map(linked_ids, instances)):
            return self.attribute(instances)
        shown = [self.with_entities(one, inner, path) for one in instances]
        if len(instances) == 1:
            return shown[0]
        if self.format != "simplified":
            return shown
        datasets = (one.get("datasetId", "@none") for one in instances)
        return {"dataset": dict(zip(datasets, shown, strict=True))}

    def with_entities(self, instance: Instance, inner: Projection, path: tuple[str, ...]) -> Any:
        shown = self.instance(instance)
        ids = linked_ids(instance)
        documents = [self.linked(linked_id, inner, path) for linked_id in ids]
        if not any(documents):
            return shown
        member, entity_member = LINKS[instance["type"]]
        several = isinstance(instance[member], list)
        if self.format == "simplified":
            # An id stays where its entity is unknown, so that nothing is lost.
            values = [found or one for found, one in zip(documents, ids, strict=True)]
            return values if several else values[0]
        found = [document for document in documents if document]
        shown[entity_member] = found if several else found[0]
        return shown

    def linked(self, linked_id: str, inner: Projection, path: tuple[str, ...]) -> dict[str, Any] | None:
        assert self.inline is not None
        entity = self.known.get(linked_id)
        if entity is None or linked_id in path or linked_id in self.inline.contained_by:
            return None
        self.inlined += 1
        if self.inlined > MAX_LINKED:
            raise too_many()
        return self.document(entity, inner, (*path, linked_id))

    def names(self, iris: tuple[str, ...] | list[str]) -> str | list[str]:
        return self.compact(iris[0]) if len(iris) == 1 else [self.compact(iri) for iri in iris]

    def system_times(self, entity: Entity, projection: Projection, document: dict[str, Any]) -> None:
        for name, time in (
            ("createdAt", entity.created_at),
            ("modifiedAt", entity.modified_at),
            ("expiresAt", entity.expires_at),
        ):
            if time is not None and projection.shows(name):
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
