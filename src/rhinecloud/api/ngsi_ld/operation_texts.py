"""What each operation of NGSI-LD does, in German and English, and what parameters mean."""

from __future__ import annotations

from typing import Final

import msgspec


class Words(msgspec.Struct, frozen=True):
    """What an operation does, the status of its success, the schema of the answer ("" for none), its clause."""

    german: str
    english: str
    clause: str
    status: int = 200
    answer: str = ""


_W = Words
OPERATIONS: Final[dict[tuple[str, str], Words]] = {
    ("entities", "GET"): _W("Objekte abfragen", "Query entities", "5.7.2", 200, "Entities"),
    ("entities", "POST"): _W("Ein Objekt anlegen", "Create an entity", "5.6.1", 201),
    ("entities", "PATCH"): _W(
        "Gibt es nicht: Die Kennung fehlt", "Not possible: the identifier is missing", "6.4", 400
    ),
    ("entities", "PUT"): _W(
        "Gibt es nicht: Die Kennung fehlt", "Not possible: the identifier is missing", "6.4", 400
    ),
    ("entities", "DELETE"): _W(
        "Alle passenden Objekte löschen", "Delete all entities that match", "5.6.21", 204
    ),
    ("entities/{uri}", "GET"): _W("Ein Objekt lesen", "Retrieve an entity", "5.7.1", 200, "Entity"),
    ("entities/{uri}", "PUT"): _W("Ein Objekt ersetzen", "Replace an entity", "5.6.18", 204),
    ("entities/{uri}", "PATCH"): _W("In ein Objekt einarbeiten", "Merge into an entity", "5.6.17", 204),
    ("entities/{uri}", "DELETE"): _W("Ein Objekt löschen", "Delete an entity", "5.6.6", 204),
    ("entities/{uri}/attrs", "POST"): _W("Attribute anfügen", "Append attributes", "5.6.3", 204),
    ("entities/{uri}/attrs", "PATCH"): _W("Attribute ändern", "Update attributes", "5.6.2", 204),
    ("entities/{uri}/attrs/{name}", "PATCH"): _W(
        "Ein Attribut teilweise ändern", "Update an attribute in part", "5.6.4", 204
    ),
    ("entities/{uri}/attrs/{name}", "PUT"): _W(
        "Ein Attribut ersetzen", "Replace an attribute", "5.6.19", 204
    ),
    ("entities/{uri}/attrs/{name}", "DELETE"): _W(
        "Ein Attribut löschen", "Delete an attribute", "5.6.5", 204
    ),
    ("entityOperations/create", "POST"): _W(
        "Viele Objekte anlegen", "Create many entities", "5.6.7", 201, "Identifiers"
    ),
    ("entityOperations/upsert", "POST"): _W(
        "Viele Objekte anlegen oder ändern", "Create or update many entities", "5.6.8", 201, "Identifiers"
    ),
    ("entityOperations/update", "POST"): _W("Viele Objekte ändern", "Update many entities", "5.6.9", 204),
    ("entityOperations/merge", "POST"): _W(
        "In viele Objekte einarbeiten", "Merge into many entities", "5.6.20", 204
    ),
    ("entityOperations/query", "POST"): _W(
        "Objekte abfragen, die Frage im Inhalt", "Query entities by a document", "5.7.2", 200, "Entities"
    ),
    ("entityOperations/delete", "POST"): _W("Viele Objekte löschen", "Delete many entities", "5.6.10", 204),
    ("temporal/entities", "GET"): _W(
        "Verläufe abfragen", "Query temporal evolutions", "5.7.4", 200, "Evolutions"
    ),
    ("temporal/entities", "POST"): _W(
        "Einen Verlauf anlegen oder ergänzen", "Create or extend a temporal evolution", "5.6.11", 201
    ),
    ("temporal/entities/{uri}", "GET"): _W(
        "Einen Verlauf lesen", "Retrieve a temporal evolution", "5.7.3", 200, "Evolution"
    ),
    ("temporal/entities/{uri}", "DELETE"): _W(
        "Einen Verlauf löschen", "Delete a temporal evolution", "5.6.16", 204
    ),
    ("temporal/entityOperations/query", "POST"): _W(
        "Verläufe abfragen, die Frage im Inhalt",
        "Query temporal evolutions by a document",
        "5.7.4",
        200,
        "Evolutions",
    ),
    ("temporal/entities/{uri}/attrs", "POST"): _W(
        "Einem Verlauf Werte anfügen", "Add values to a temporal evolution", "5.6.12", 204
    ),
    ("temporal/entities/{uri}/attrs/{name}", "DELETE"): _W(
        "Den Verlauf eines Attributs löschen", "Delete the evolution of an attribute", "5.6.13", 204
    ),
    ("temporal/entities/{uri}/attrs/{name}/{uri}", "PATCH"): _W(
        "Einen einzelnen Wert berichtigen", "Correct a single value", "5.6.14", 204
    ),
    ("temporal/entities/{uri}/attrs/{name}/{uri}", "DELETE"): _W(
        "Einen einzelnen Wert löschen", "Delete a single value", "5.6.15", 204
    ),
    ("types", "GET"): _W("Welche Typen es gibt", "Which types there are", "5.7.5", 200, "Document"),
    ("types/{name}", "GET"): _W("Was ein Typ enthält", "What a type consists of", "5.7.7", 200, "Document"),
    ("attributes", "GET"): _W(
        "Welche Attribute es gibt", "Which attributes there are", "5.7.8", 200, "Document"
    ),
    ("attributes/{name}", "GET"): _W(
        "Wo es ein Attribut gibt", "Where an attribute occurs", "5.7.10", 200, "Document"
    ),
    ("subscriptions", "GET"): _W(
        "Abonnements auflisten", "List subscriptions", "5.8.4", 200, "Subscriptions"
    ),
    ("subscriptions", "POST"): _W("Ein Abonnement anlegen", "Create a subscription", "5.8.1", 201),
    ("subscriptions/{uri}", "GET"): _W(
        "Ein Abonnement lesen", "Retrieve a subscription", "5.8.3", 200, "Subscription"
    ),
    ("subscriptions/{uri}", "PATCH"): _W("Ein Abonnement ändern", "Update a subscription", "5.8.2", 204),
    ("subscriptions/{uri}", "DELETE"): _W("Ein Abonnement löschen", "Delete a subscription", "5.8.5", 204),
    ("jsonldContexts", "GET"): _W(
        "Gespeicherte @contexts auflisten", "List stored @contexts", "5.13.3", 200, "Document"
    ),
    ("jsonldContexts", "POST"): _W("Einen @context speichern", "Store an @context", "5.13.2", 201),
    ("jsonldContexts/{name}", "GET"): _W(
        "Einen @context lesen", "Serve an @context", "5.13.4", 200, "Document"
    ),
    ("jsonldContexts/{name}", "DELETE"): _W(
        "Einen @context löschen oder neu laden", "Delete or reload an @context", "5.13.5", 204
    ),
}

PARAMETERS: Final[dict[str, str]] = {
    "id": "Identifiers, separated by commas",
    "idPattern": "A regular expression that identifiers meet",
    "type": "Types: a selection such as A,B or (A|B)",
    "q": 'Conditions on attributes, such as temperature>20;status=="ok"',
    "scopeQ": "Scopes, such as /Duisburg/#",
    "csf": "A filter of context sources; there are none here",
    "georel": "How the geometries relate: near;maxDistance==500, within, intersects, …",
    "geometry": "Type of the GeoJSON geometry to compare with",
    "coordinates": "Coordinates of that geometry, as JSON, longitude first (WGS 84)",
    "geoproperty": "The GeoProperty to compare; location unless said otherwise",
    "expandValues": "Attributes whose values are terms to expand",
    "jsonKeys": "Attributes whose values are JSON and nothing else",
    "splitEntities": "Whether entities that are in several places come apart",
    "attrs": "Attributes that entities must have one of, and that are shown (superseded by pick)",
    "pick": "Members that are shown, those of linked entities in braces",
    "omit": "Members that are not shown",
    "lang": "Language of LanguageProperties in the answer",
    "datasetId": "Datasets of attributes; @none is the default instance",
    "join": "Linked entities in the answer: inline or flat",
    "joinLevel": "How far links are followed",
    "containedBy": "Entities that a linked entity is not told again within",
    "orderBy": "Members to order by, each with ;desc if descending",
    "orderFrom": "Coordinates that distances are measured from",
    "orderGeometry": "Type of the geometry of orderFrom",
    "collation": "How texts are ordered",
    "limit": "Items a page; 20 unless said otherwise, 1,000 at most",
    "offset": "Items that are passed over",
    "count": "Whether the number of all is told (NGSILD-Results-Count)",
    "timerel": "Before, after or between",
    "timeAt": "A time (RFC 3339)",
    "endTimeAt": "The end of between (RFC 3339)",
    "timeproperty": "The time that counts: observedAt, createdAt, modifiedAt, deletedAt",
    "lastN": "The newest so many instances of each attribute",
    "aggrMethods": "How values are aggregated: avg, min, max, sum, totalCount, …",
    "aggrPeriodDuration": "Length of the periods (ISO 8601), such as PT1H",
    "options": "Words for the form of the answer and what is done",
    "format": "Form of the answer",
    "geometryProperty": "The GeoProperty that is the geometry of a GeoJSON feature",
    "local": "Whether only this broker is asked",
    "observedAt": "The time of values that say none (RFC 3339)",
    "keep": "Attributes that are kept while all others are deleted",
    "drop": "Attributes that are deleted, instead of the entities",
    "deleteAll": "Whether all datasets of the attribute are deleted",
    "details": "Whether details are told",
    "kind": "Kind of stored @contexts: Hosted, Cached, ImplicitlyCreated",
    "reload": "Whether the @context is fetched again instead",
}
