"""The format `attributes`: a payload is an object of attributes in concise NGSI-LD, or a list of such objects.

The reference for people who program devices is docs/reference/plain-json-profile.md.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rhinecloud.model import CORE, NULL, BadRequestData, normal_time, parse_attribute
from rhinecloud.model.entity import Attributes

from .rules import attribute_iri
from .shapes import Measurement, Unmappable
from .times import clock_lies, is_true

MAX_PAYLOAD = 256 * 1024  # bytes, of any format
MAX_LEVEL = 256  # characters of a level of a topic that names something, of any format
MAX_ITEMS = 1_000  # measurements in one message
_NAMED_BY_TOPIC = frozenset({"id", "@id", "type", "@type", "@context", "scope"})
_iri = lru_cache(maxsize=8192)(attribute_iri)


def measurements(
    document: Any, entity_id: str, types: tuple[str, ...], arrived: str, limit: str, *, told: bool
) -> list[Measurement]:
    """The measurements of one payload, in its order: all of them. Raises Unmappable.

    Attributes that say no `observedAt` get that of their object, else the moment when the message `arrived` (so do all
    if the device's times are not `told`): so every value has a time, the same one however often and wherever the
    message is handled. `limit` is that of times.limit_of.
    """
    if type(document) is dict:
        return [Measurement(entity_id, types, _attributes(document, arrived, limit, "", told))]
    if not isinstance(document, list):
        raise Unmappable("the payload is neither a JSON object nor a list of objects")
    if not 0 < len(document) <= MAX_ITEMS:
        raise Unmappable(f"a list holds 1 to {MAX_ITEMS} measurements, this one has {len(document)}")
    return [
        Measurement(entity_id, types, _attributes(item, arrived, limit, f"/{index}", told))
        for index, item in enumerate(document)
    ]


def _attributes(item: Any, arrived: str, limit: str, place: str, told: bool) -> Attributes:
    if not isinstance(item, dict):
        raise Unmappable(f"{place or 'the payload'} is no JSON object")
    time = arrived
    given = item.get("observedAt")
    if given is not None or "observedAt" in item:
        normal = _time(given, f"{place}/observedAt")
        if told:
            time = normal
            if not is_true(time, limit):
                raise clock_lies("it", time, arrived)
    attributes: Attributes = {}
    for name, value in item.items():
        if name == "observedAt":
            continue
        try:
            iri = _iri(name)
        except BadRequestData as error:
            if name in _NAMED_BY_TOPIC:
                raise Unmappable(
                    f"{place}/{name}: the topic says which entity is meant; this member is not allowed"
                ) from None
            raise Unmappable(f"{place}/{name:.200}: {error.detail}") from None
        if iri in attributes:
            raise Unmappable(f"{place}/{name:.200}: the attribute is given twice, under two names")
        kind = type(value)
        if (
            kind is float
            or kind is int
            or kind is bool
            or (kind is str and value != NULL and "\x00" not in value)
        ):
            attributes[iri] = [{"type": "Property", "value": value, "observedAt": time}]
            continue
        try:
            instances = parse_attribute(name, value, CORE)[1]
        except BadRequestData as error:
            raise Unmappable(f"{place}/{name:.200}{error.field or ''}: {error.detail}") from None
        for instance in instances:
            if not told:
                instance["observedAt"] = time
            elif not is_true(instance.setdefault("observedAt", time), limit):
                raise clock_lies(name, instance["observedAt"], arrived)
        attributes[iri] = instances
    if not attributes:
        raise Unmappable(f"{place or 'the payload'} holds no attribute")
    return attributes


def _time(value: Any, place: str) -> str:
    time = normal_time(value) if isinstance(value, str) else None
    if time is None:
        raise Unmappable(f"{place}: {value!r:.60} is no DateTime such as 2026-01-31T12:00:00Z")
    return time
