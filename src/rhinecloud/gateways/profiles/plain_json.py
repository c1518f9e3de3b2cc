"""The plain-JSON profile: topic `json/<Type>/<localId>`, payload an object of attributes, or a list.

The reference for people who program devices is docs/reference/plain-json-profile.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from rhinecloud.model import CORE, BadRequestData, Context, normal_time, parse_fragment
from rhinecloud.model.entity import Attributes

ROOT = "json"
MAX_PAYLOAD = 256 * 1024  # bytes
MAX_ITEMS = 1_000  # measurements in one message
MAX_LOCAL_ID = 256  # characters
FUTURE = timedelta(days=1)  # a clock this far ahead is wrong
_NAMED_BY_TOPIC = frozenset({"id", "@id", "type", "@type", "@context", "scope"})
_decode = msgspec.json.Decoder().decode


class Unmappable(Exception):  # noqa: N818  # says what the message is
    """A message that the profile cannot read; the text is the reason, for a person."""


class Measurement(msgspec.Struct, frozen=True):
    """Attributes that a device reports of one entity, in the expanded form of the model."""

    entity_id: str
    types: tuple[str, ...]
    attributes: Attributes


def read(topic: str, payload: bytes, arrived: datetime, context: Context = CORE) -> list[Measurement]:
    """The measurements of one message, in its order: all of them, or Unmappable.

    Attributes that say no `observedAt` get that of their object, else the moment when the message `arrived`:
    so every value has a time, the same one however often and wherever the message is handled.
    """
    entity_id, types = _subject(topic, context)
    if len(payload) > MAX_PAYLOAD:
        raise Unmappable(f"the payload has {len(payload)} bytes; {MAX_PAYLOAD} are allowed")
    try:
        document = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unmappable(f"the payload is no JSON: {error}") from None
    if isinstance(document, dict):
        return [_measurement(entity_id, types, document, arrived, context, "")]
    if not isinstance(document, list):
        raise Unmappable("the payload is neither a JSON object nor a list of objects")
    if not 0 < len(document) <= MAX_ITEMS:
        raise Unmappable(f"a list holds 1 to {MAX_ITEMS} measurements, this one has {len(document)}")
    return [
        _measurement(entity_id, types, item, arrived, context, f"/{index}")
        for index, item in enumerate(document)
    ]


def _subject(topic: str, context: Context) -> tuple[str, tuple[str, ...]]:
    """Whom a topic speaks of: entity id and types."""
    levels = topic.split("/")
    if len(levels) != 3 or levels[0] != ROOT or not levels[1] or not levels[2]:
        raise Unmappable(f"the topic {topic!r} does not have the form {ROOT}/<Type>/<localId>")
    _, kind, local_id = levels
    if len(local_id) > MAX_LOCAL_ID:
        raise Unmappable(f"the last level of the topic is longer than {MAX_LOCAL_ID} characters")
    try:
        fragment = parse_fragment(
            {"id": f"urn:ngsi-ld:{kind}:{local_id}", "type": kind}, context, nulls=False
        )
    except BadRequestData as error:
        raise Unmappable(f"the topic {topic!r} names no entity: {error.detail}") from None
    assert fragment.id is not None
    return fragment.id, fragment.types


def _measurement(
    entity_id: str, types: tuple[str, ...], item: Any, arrived: datetime, context: Context, place: str
) -> Measurement:
    if not isinstance(item, dict):
        raise Unmappable(f"{place or 'the payload'} is no JSON object")
    observed_at = _text(arrived)
    members = item
    if "observedAt" in item:
        members = {name: value for name, value in item.items() if name != "observedAt"}
        observed_at = _time(item["observedAt"], f"{place}/observedAt")
    if not members:
        raise Unmappable(f"{place or 'the payload'} holds no attribute")
    for name in _NAMED_BY_TOPIC & members.keys():
        raise Unmappable(f"{place}/{name}: the topic says which entity is meant; this member is not allowed")
    try:
        attributes = parse_fragment(members, context, nulls=False).attributes
    except BadRequestData as error:
        raise Unmappable(f"{place}{error.field or ''}: {error.detail}") from None
    if not attributes:
        raise Unmappable(f"{place or 'the payload'} holds no attribute")
    latest = _text(arrived + FUTURE)
    for name, instances in attributes.items():
        for instance in instances:
            time = instance.setdefault("observedAt", observed_at)
            if time[:19] > latest[:19]:
                short = context.compact_iri(name)
                raise Unmappable(f"{place}: {short} was observed at {time}, more than a day in the future")
    return Measurement(entity_id, types, attributes)


def _time(value: Any, place: str) -> str:
    time = normal_time(value) if isinstance(value, str) else None
    if time is None:
        raise Unmappable(f"{place}: {value!r:.60} is no DateTime such as 2026-01-31T12:00:00Z")
    return time


def _text(moment: datetime) -> str:
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return text + "Z"
