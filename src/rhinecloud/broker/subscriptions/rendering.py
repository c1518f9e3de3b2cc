"""What a notification says (CIM 009 §5.3.1, §5.8.6, §6.3.8, §7.2). Pure."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from rhinecloud.model import (
    CORE_CONTEXT_URL,
    NULL,
    VALUE_MEMBER,
    Entity,
    feature_collection,
    normal_time,
    render,
)
from rhinecloud.model.linked import Known, flattened
from rhinecloud.model.projection import Projection
from rhinecloud.model.subscription import Subscription
from rhinecloud.store.entities import rfc3339

from ..operations import Change
from .matching import Watched, differ

JSON, LD_JSON, GEO_JSON = "application/json", "application/ld+json", "application/geo+json"
TENANT = "NGSILD-Tenant"
_SPACE = uuid.UUID("6f5b9d0e-6d0c-5b0e-9f0b-2d6a1f7a3c11")
_PREVIOUS = {member: "previous" + member[0].upper() + member[1:] for member in VALUE_MEMBER.values()}
_encode = msgspec.json.Encoder().encode


class Told(msgspec.Struct, frozen=True):
    """An entity in a notification: its state (None after a deletion), what its changed attributes were before, and
    when it was deleted. Without a change behind it there is nothing before."""

    entity_id: str
    types: tuple[str, ...]
    entity: Entity | None
    old: dict[str, list[dict[str, Any]]] = {}
    created_at: str | None = None
    at: str = ""

    @classmethod
    def of(cls, changes: Sequence[Change]) -> Told:
        """One or several changes of one entity, oldest first, as one: the last state, the first values before.

        What came before the entity was made again is of no concern to it.
        """
        last = changes[-1]
        old: dict[str, list[dict[str, Any]]] = {}
        for change in changes:
            if change.operation == "create":
                old = {}
            for name in change.attributes:
                old.setdefault(name, change.old.get(name, []))
        return cls(last.entity_id, last.types, last.entity, old, last.created_at, last.at)


def notification(
    watched: Watched,
    told: Sequence[Told],
    key: Sequence[Any],
    now: datetime,
    known: Known = MappingProxyType({}),
) -> dict[str, Any]:
    """The notification as JSON values; `key` names what it tells, so that telling it again repeats its id. `known`
    are the linked entities that its `join` leads to (§4.5.23)."""
    parameters = watched.subscription.notification
    accept = parameters.endpoint.accept
    data: Any = [_entity(watched, one, known) for one in told]
    if parameters.join is not None and parameters.join.form == "flat":
        linking = [one.entity for one in told if one.entity is not None]
        follow = flattened(linking, parameters.projection, parameters.join, known)[len(linking) :]
        data += [_shown(watched, entity, projection, known) for entity, projection in follow]
    if accept == LD_JSON:
        member = watched.context.as_member()
        data = [{"@context": member, **one} for one in data]
    elif accept == GEO_JSON:
        data = feature_collection(data)
        if not parameters.endpoint.prefers_json:
            data["@context"] = watched.context.as_member()
    return {
        "id": f"urn:ngsi-ld:Notification:{uuid.uuid5(_SPACE, f'{watched.number}/{list(key)}')}",
        "type": "Notification",
        "subscriptionId": watched.subscription.id,
        "notifiedAt": rfc3339(now),
        "data": data,
    }


def headers(watched: Watched) -> dict[str, str]:
    """What goes along by HTTP as headers, by MQTT as metadata."""
    endpoint = watched.subscription.notification.endpoint
    sent = {"Content-Type": endpoint.accept}
    if endpoint.accept == JSON or (endpoint.accept == GEO_JSON and endpoint.prefers_json):
        sent["Link"] = link(watched)
    sent.update(endpoint.receiver_info)
    if watched.tenant is not None:  # whatever the subscriber wants to be sent under this name (§6.3.14)
        sent = {key: value for key, value in sent.items() if key.lower() != TENANT.lower()}
        sent[TENANT] = watched.tenant
    return sent


def link(watched: Watched) -> str:
    """The Link to the @context of the names (§6.3.5)."""
    urls = watched.context.urls
    url = urls[0] if urls else CORE_CONTEXT_URL
    return f'<{url}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'


def http_body(document: dict[str, Any]) -> bytes:
    """The body of a POST."""
    return _encode(document)


def mqtt_body(document: dict[str, Any], metadata: dict[str, str]) -> bytes:
    """The payload of a publication: what HTTP says in headers stands beside the notification (§7.2)."""
    return _encode({"metadata": metadata, "body": document})


# An entity ---------------------------------------------------------------------------------------------------


def _shown(watched: Watched, entity: Entity, projection: Projection, known: Known) -> dict[str, Any]:
    subscription = watched.subscription
    parameters = subscription.notification
    return render(
        entity,
        watched.context,
        format=parameters.format,
        geojson=parameters.endpoint.accept == GEO_JSON,
        sys_attrs=parameters.sys_attrs,
        projection=projection,
        datasets=subscription.datasets,
        lang=subscription.lang,
        join=parameters.join,
        known=known,
    )


def _entity(watched: Watched, told: Told, known: Known) -> dict[str, Any]:
    parameters = watched.subscription.notification
    shown = told.entity
    gone: dict[str, Any] = {}  # attributes of which nothing but their end is told
    attributes: dict[str, list[dict[str, Any]]] = {} if shown is None else shown.attributes
    if shown is None or told.old:
        attributes, gone = _with_changes(watched.subscription, told)
    document = _shown(
        watched,
        Entity(
            id=told.entity_id,
            types=told.types,
            scopes=shown.scopes if shown else (),
            attributes=attributes,
            created_at=shown.created_at if shown else told.created_at,
            modified_at=shown.modified_at if shown else told.at,
            expires_at=shown.expires_at if shown else None,
        ),
        parameters.projection,
        known,
    )
    members: dict[str, Any] = document.get("properties", document)
    for name, end in gone.items():
        if parameters.projection.shows(name):
            members[watched.context.compact_iri(name)] = end
    if shown is None:
        members["deletedAt"] = normal_time(told.at) or told.at
    return document


def _with_changes(
    subscription: Subscription, told: Told
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """The attributes with what was deleted and, if asked for, with what was before; and the deleted ones of which
    the name is enough: those without a dataset, unless the normalized form or more about them is asked for (§5.8.6)."""
    parameters = subscription.notification
    show_changes, sys_attrs = parameters.show_changes, parameters.sys_attrs
    in_full = parameters.format == "normalized" or show_changes or sys_attrs
    attributes = dict(told.entity.attributes) if told.entity is not None else {}
    gone: dict[str, Any] = {}
    for name, instances in told.old.items():
        if told.entity is None and not _told_with_its_entity(subscription, name):
            continue
        before = {one.get("datasetId"): one for one in instances}
        after = {one.get("datasetId"): one for one in attributes.get(name, ())}
        if show_changes and after:
            attributes[name] = [
                _with_previous(one, before[dataset])
                if dataset in before and differ(one, before[dataset])
                else one
                for dataset, one in after.items()
            ]
        ended = [one for dataset, one in before.items() if dataset not in after]
        if not ended:
            continue
        if not after and None in before and not show_changes:
            ended = [before[None]]  # the attribute is gone, with all its instances
        if not after and not in_full and "datasetId" not in ended[0]:
            gone[name] = NULL
        else:
            attributes[name] = [
                *attributes.get(name, ()),
                *(_deleted(one, told.at, show_changes, sys_attrs) for one in ended),
            ]
    return attributes, gone


def _told_with_its_entity(subscription: Subscription, name: str) -> bool:
    """Whether the end of an attribute is told when its entity ends: with showChanges all are, else those that were
    subscribed and not only the entity (§5.8.6, Table 5.2.12-1)."""
    if subscription.notification.show_changes:
        return True
    if "entityDeleted" in subscription.triggers:
        return False
    return not subscription.watched or name in subscription.watched


def _with_previous(one: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    member = VALUE_MEMBER.get(before["type"], "")
    if member not in before:
        return one
    return {**one, _PREVIOUS[member]: before[member]}


def _deleted(one: dict[str, Any], at: str, show_changes: bool, sys_attrs: bool) -> dict[str, Any]:
    """An instance that is no more, in the form of its type (§4.5.0)."""
    kind = one["type"]
    member = VALUE_MEMBER[kind]
    null: Any = NULL
    if member == "languageMap":
        null = {"@none": NULL}
    elif member in ("valueList", "objectList"):
        null = [NULL]
    ended: dict[str, Any] = {"type": kind, member: null}
    if "datasetId" in one:
        ended["datasetId"] = one["datasetId"]
    if show_changes and member in one:
        ended[_PREVIOUS[member]] = one[member]
    if sys_attrs:
        ended |= {name: one[name] for name in ("createdAt", "modifiedAt") if name in one}
        ended["deletedAt"] = normal_time(at) or at
    return ended
