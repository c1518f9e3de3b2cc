"""The NGSI-LD core @context as a table of facts: which term means which IRI (CIM 009 §4.4, annex B).

It holds the terms of versions 1.8 and 1.9. The core context is always in force, is taken last, and no
user term overrides it (§5.5.7); that is why it is part of the program and never fetched.
"""

from __future__ import annotations

from typing import Any, Final

NGSI_LD: Final = "https://uri.etsi.org/ngsi-ld/"
DEFAULT_VOCABULARY: Final = "https://uri.etsi.org/ngsi-ld/default-context/"
GEOJSON: Final = "https://purl.org/geojson/vocab#"
DUBLIN_CORE: Final = "http://purl.org/dc/terms/"

CORE_CONTEXT_URL: Final = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
"""The published context that responses name last; 1.8 is the newest one without remote parts of its own."""

# Published under v1/, once without a version and once for each version of the standard, first by http.
_VERSIONS = ("", *(f"-v1.{minor}" for minor in range(10)))
CORE_CONTEXT_URLS: Final = frozenset(
    f"{scheme}://uri.etsi.org/ngsi-ld/{folder}ngsi-ld-core-context{version}.jsonld"
    for scheme in ("https", "http")
    for folder in ("v1/", "")
    for version in _VERSIONS
)
"""What names the core @context in requests and documents. Each means the one that is built in, of which there is one
only and which is invariant (§4.4): what an older version calls otherwise is called so in no answer."""

KEYWORD_ALIASES: Final = {"id": "@id", "type": "@type"}

PREFIXES: Final = {"ngsi-ld": NGSI_LD, "geojson": GEOJSON}

_PLAIN = """
    Attribute AttributeList ContextSourceIdentity ContextSourceNotification ContextSourceRegistration Date
    DateTime EntityType EntityTypeInfo EntityTypeList GeoProperty JsonProperty LanguageProperty ListProperty
    ListRelationship Notification Property Relationship Subscription TemporalProperty Time VocabProperty
    accept attrs cacheDuration contextSourceAlias contextSourceInfo contextSourceUptime cooldown csf data
    detail endpoint entities entity entityCount error errors expandValues format geoQ geoproperty georel
    idPattern information isActive join jsonKeys lang linkedMaps localOnly location management
    managementInterval mode notification notificationTrigger notifierInfo notUpdated observationInterval
    observationSpace omit operationSpace operations pick q reason receiverInfo refreshRate registrationId
    registrationName scope scopeQ showChanges status subscriptionName sysAttrs temporalQ throttling
    timeInterval timeout timeproperty timerel timesFailed timesSent triggerReason unchanged unitCode updated
    uri
"""
_GEOJSON_PLAIN = """
    Feature FeatureCollection GeometryCollection LineString MultiLineString MultiPoint MultiPolygon Point
    Polygon geometry geometryProperty properties
"""
_TIMES = """
    contextSourceTimeAt createdAt deletedAt endAt endTimeAt expiresAt lastFailure lastNotification
    lastSuccess modifiedAt notifiedAt observedAt startAt timeAt
"""
_IDENTIFIERS = "datasetId entityId instanceId subscriptionId success tenant"
_VOCABULARY = """
    attributeList attributeName attributeNames attributeTypes attributes propertyNames relationshipNames
    typeList typeName typeNames watchedAttributes
"""
_LISTS = "avg distinctCount entityList jsons max min stddev sum sumsq totalCount"
_RENAMED = {
    "containedBy": "isContainedBy",
    "entityMap": "hasEntityMap",
    "joinLevel": "hasJoinLevel",
    "key": "hasKey",
    "value": "hasValue",
    "previousValue": "hasPreviousValue",
}
_RENAMED_LISTS = {
    "languageMaps": "hasLanguageMaps",
    "objectList": "hasObjectList",
    "objects": "hasObjects",
    "objectsLists": "hasObjectsLists",
    "previousObjectList": "hasPreviousObjectList",
    "previousValueList": "hasPreviousValueList",
    "valueList": "hasValueList",
    "valueLists": "hasValueLists",
    "values": "hasValues",
    "vocabs": "hasVocabs",
}
_RENAMED_COERCED = {
    "json": ("hasJSON", "@json"),
    "previousJson": ("hasPreviousJson", "@json"),
    "contextSourceExtras": ("contextSourceExtras", "@json"),
    "object": ("hasObject", "@id"),
    "previousObject": ("hasPreviousObject", "@id"),
    "objectType": ("hasObjectType", "@vocab"),
    "vocab": ("hasVocab", "@vocab"),
    "previousVocab": ("hasPreviousVocab", "@vocab"),
    "valueType": ("hasValueType", "@vocab"),
}
# Since 1.9, annex B; they carry a sealed proof of an attribute's origin (§4.5.2.2).
_PROOF = "ngsildproof entityIdSealed entityTypeSealed"


def _terms() -> dict[str, str]:
    terms = dict(PREFIXES)
    plain = (_PLAIN, _TIMES, _IDENTIFIERS, _VOCABULARY, _LISTS, _PROOF)
    terms.update({name: NGSI_LD + name for names in plain for name in names.split()})
    terms.update({name: GEOJSON + name for name in _GEOJSON_PLAIN.split()})
    terms.update({name: GEOJSON + name for name in ("bbox", "coordinates", "features")})
    terms.update({name: NGSI_LD + iri for name, iri in (_RENAMED | _RENAMED_LISTS).items()})
    terms.update({name: NGSI_LD + iri for name, (iri, _) in _RENAMED_COERCED.items()})
    terms["dataset"] = NGSI_LD + "hasDataset"
    terms["languageMap"] = NGSI_LD + "hasLanguageMap"
    terms["previousLanguageMap"] = NGSI_LD + "hasPreviousLanguageMap"
    terms["description"] = DUBLIN_CORE + "description"
    terms["title"] = DUBLIN_CORE + "title"
    # The published context maps these two to their own names, which the vocabulary then completes.
    terms["attributeCount"] = DEFAULT_VOCABULARY + "attributeCount"
    terms["attributeDetails"] = DEFAULT_VOCABULARY + "attributeDetails"
    return terms


def _coercions() -> dict[str, str]:
    coercions = dict.fromkeys(_TIMES.split(), NGSI_LD + "DateTime")
    coercions.update(dict.fromkeys(_IDENTIFIERS.split(), "@id"))
    coercions.update(dict.fromkeys(_VOCABULARY.split(), "@vocab"))
    coercions.update({name: coercion for name, (_, coercion) in _RENAMED_COERCED.items()})
    return coercions


TERMS: Final[dict[str, str]] = _terms()
"""Core term → IRI, without the keyword aliases."""

COERCIONS: Final[dict[str, str]] = _coercions()
"""Core term → type coercion: ``@id``, ``@vocab``, ``@json`` or a datatype IRI."""


def is_core_context_url(url: str) -> bool:
    """Whether the URL names a version of the core @context, which is never fetched."""
    return url in CORE_CONTEXT_URLS


def core_document() -> dict[str, Any]:
    """The core @context as a JSON-LD document."""
    terms: dict[str, Any] = {"@version": 1.1, **KEYWORD_ALIASES}
    for term, iri in TERMS.items():
        terms[term] = {"@id": iri, "@type": COERCIONS[term]} if term in COERCIONS else iri
    return {"@context": {**terms, "@vocab": DEFAULT_VOCABULARY}}
