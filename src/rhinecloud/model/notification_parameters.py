"""How a subscriber wants to be told: NotificationParams, Endpoint, KeyValuePair (CIM 009 §5.2.14, §5.2.15, §5.2.22)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from rhinecloud.model.context import Context
from rhinecloud.model.errors import BadRequestData, OperationNotSupported, json_pointer
from rhinecloud.model.linked import MAX_LEVEL, Join, parse_join
from rhinecloud.model.projection import (
    ENTITY_PARTS,
    ENTITY_TIMES,
    EVERYTHING,
    Members,
    Projection,
    only_attributes,
    parse_members,
    print_members,
    projection_of,
)
from rhinecloud.model.representation import Format
from rhinecloud.model.values import Path, bad, check_uri

FORMATS: Final[dict[str, Format]] = {
    "normalized": "normalized",
    "concise": "concise",
    "simplified": "simplified",
    "keyValues": "simplified",
}
MEDIA_TYPES: Final = ("application/json", "application/ld+json", "application/geo+json")

_SCHEMES: Final = ("http", "https", "mqtt", "mqtts")
_MOST: Final = 1_000
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*")
_HOP: Final = frozenset(
    {"connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_LONGEST_TIMEOUT: Final = 60_000.0  # milliseconds
_LONGEST_COOLDOWN: Final = 86_400_000.0  # milliseconds


class Endpoint(msgspec.Struct, frozen=True):
    """Where notifications go. `timeout` and `cooldown` in seconds."""

    uri: str
    accept: str = MEDIA_TYPES[0]
    receiver_info: tuple[tuple[str, str], ...] = ()
    notifier_info: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None
    cooldown: float | None = None

    @property
    def is_mqtt(self) -> bool:
        """Whether the MQTT binding is meant (§7)."""
        return self.uri[:4].lower() == "mqtt"

    @property
    def prefers_json(self) -> bool:
        """Whether GeoJSON shall come without an @context in its body (§5.3.1)."""
        return any(key.lower() == "prefer" and value == "body=json" for key, value in self.receiver_info)


class NotificationParameters(msgspec.Struct, frozen=True):
    """What of an entity is told, and in which form."""

    endpoint: Endpoint
    format: Format = "normalized"
    projection: Projection = EVERYTHING
    join: Join | None = None
    sys_attrs: bool = False
    show_changes: bool = False


def check_notification(value: Any, path: Path, context: Context) -> dict[str, Any]:
    """The notification member of a subscription, its names expanded. Raises BadRequestData."""
    if not isinstance(value, dict):
        raise bad(path, "notification is an object")
    checked: dict[str, Any] = {}
    for name, member in value.items():
        if name in OUTPUT_ONLY:
            continue
        check = _CHECKS.get(name)
        if check is None:
            raise bad((*path, name), f"{name!r} is no member of notification")
        checked[name] = check(member, (*path, name), context)
    if "endpoint" not in checked:
        raise bad((*path, "endpoint"), "the notification has no endpoint")
    if "attributes" in checked and "pick" in checked:
        raise bad((*path, "attributes"), "attributes and pick do not go together")
    if checked.get("showChanges") and FORMATS[checked.get("format", "normalized")] == "simplified":
        raise bad((*path, "showChanges"), "showChanges does not go with the simplified format")
    if "attributes" in checked and "omit" in checked:
        raise bad((*path, "attributes"), "attributes and omit do not go together")
    if "joinLevel" in checked and "join" not in checked:
        raise bad((*path, "joinLevel"), "joinLevel goes with join only")
    try:
        projection, join = _read_projection(checked), _read_join(checked)
    except BadRequestData as error:
        raise bad((*path, error.field or ""), error.detail) from None
    if projection.depth > (join.level if join else 0):
        raise bad((*path, "joinLevel"), "pick and omit name members that are farther away than join reaches")
    return checked


def _boolean(value: Any, path: Path, context: Context) -> bool:
    if not isinstance(value, bool):
        raise bad(path, f"{path[-1]} is true or false")
    return value


def _format(value: Any, path: Path, context: Context) -> str:
    if not isinstance(value, str) or value not in FORMATS:
        raise bad(path, f"format is one of {', '.join(FORMATS)}")
    return value


def _attributes(value: Any, path: Path, context: Context) -> list[str]:
    members = _members(value, path, context)
    for index, text in enumerate(value):
        for name, inside in parse_members(text, context, "attributes").items():
            if name in ENTITY_PARTS or name in ENTITY_TIMES or inside:
                raise bad((*path, index), f"{name} is no attribute; use pick")
    return list(members)


def _members(value: Any, path: Path, context: Context) -> Members:
    """A projection in the elements of a list (§4.21)."""
    if not isinstance(value, list) or not value or len(value) > _MOST:
        raise bad(path, f"{path[-1]} is a list of 1 to {_MOST} names")
    for index, text in enumerate(value):
        if not isinstance(text, str):
            raise bad((*path, index), "a name is a text")
        try:
            parse_members(text, context, str(path[-1]))
        except BadRequestData as error:
            raise bad((*path, index), error.detail) from None
    return parse_members(",".join(value), context, str(path[-1]))


def _join(value: Any, path: Path, context: Context) -> str:
    try:
        parse_join(value)
    except BadRequestData as error:
        raise bad(path, error.detail) from None
    return str(value)


def _level(value: Any, path: Path, context: Context) -> int:
    if type(value) is not int or not 1 <= value <= MAX_LEVEL:
        raise bad(path, f"joinLevel is a whole number from 1 to {MAX_LEVEL}")
    return value


def _endpoint(value: Any, path: Path, context: Context) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad(path, "endpoint is an object")
    if "uri" not in value:
        raise bad((*path, "uri"), "the endpoint has no uri")
    checked: dict[str, Any] = {}
    for name, member in value.items():
        place = (*path, name)
        if name == "uri":
            checked[name] = _endpoint_uri(member, place)
        elif name == "accept":
            if member not in MEDIA_TYPES:
                raise bad(place, f"accept is one of {', '.join(MEDIA_TYPES)}")
            checked[name] = member
        elif name in ("receiverInfo", "notifierInfo"):
            checked[name] = _pairs(member, place)
        elif name in ("timeout", "cooldown"):
            most = _LONGEST_TIMEOUT if name == "timeout" else _LONGEST_COOLDOWN
            if type(member) not in (int, float) or not 0 < member <= most:
                raise bad(place, f"{name} is a number of milliseconds above 0, {most:.0f} at most")
            checked[name] = member
        else:
            raise bad(place, f"{name!r} is no member of endpoint")
    if checked["uri"][:4].lower() == "mqtt":
        if checked.get("accept") == MEDIA_TYPES[2]:
            raise bad((*path, "accept"), "by MQTT notifications are JSON or JSON-LD (§7.2)")
        _check_mqtt(checked.get("notifierInfo", ()), (*path, "notifierInfo"))
    else:
        _check_headers(checked.get("receiverInfo", ()), (*path, "receiverInfo"))
    return checked


def _endpoint_uri(value: Any, path: Path) -> str:
    uri = check_uri(value, path)
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise bad(path, f"the uri cannot be read: {error}") from None
    if parts.scheme.lower() not in _SCHEMES:
        raise OperationNotSupported(f"an endpoint is one of {', '.join(_SCHEMES)}", field=json_pointer(path))
    if not parts.hostname or port == 0:
        raise bad(path, "the uri names no host")
    if parts.scheme.lower().startswith("mqtt"):
        topic = unquote(parts.path.removeprefix("/"))
        if not topic or any(sign in topic for sign in "+#\x00") or len(topic.encode()) > 65_535:
            raise bad(path, "the path of an MQTT uri is a topic, without + and #")
        if parts.query or parts.fragment:
            raise bad(path, "an MQTT uri has a topic, no query and no fragment")
    return uri


def _pairs(value: Any, path: Path) -> list[dict[str, str]]:
    if not isinstance(value, list) or len(value) > _MOST:
        raise bad(path, f"{path[-1]} is a list of keys and values")
    for index, pair in enumerate(value):
        place = (*path, index)
        if not isinstance(pair, dict) or pair.keys() != {"key", "value"}:
            raise bad(place, "an element has a key and a value")
        for name in ("key", "value"):
            if not isinstance(pair[name], str) or "\x00" in pair[name]:
                raise bad((*place, name), f"the {name} is a text")
    return value


def _check_headers(pairs: Any, path: Path) -> None:
    for index, pair in enumerate(pairs):
        if _TOKEN.fullmatch(pair["key"]) is None or pair["key"].lower() in _HOP:
            raise bad((*path, index, "key"), f"{pair['key']!r} is no header that can be sent along")
        if _HEADER_VALUE.fullmatch(pair["value"]) is None:
            raise bad((*path, index, "value"), "the value is no value of a header")


def _check_mqtt(pairs: Any, path: Path) -> None:
    allowed = {"MQTT-QoS": ("0", "1", "2"), "MQTT-Version": ("mqtt3.1.1", "mqtt5.0")}
    for index, pair in enumerate(pairs):
        values = allowed.get(pair["key"])
        if values is not None and pair["value"] not in values:
            raise bad((*path, index, "value"), f"{pair['key']} is one of {', '.join(values)}")


_CHECKS: Final[dict[str, Callable[[Any, Path, Context], Any]]] = {
    "attributes": _attributes,
    "pick": _members,
    "omit": _members,
    "format": _format,
    "sysAttrs": _boolean,
    "showChanges": _boolean,
    "join": _join,
    "joinLevel": _level,
    "endpoint": _endpoint,
}
OUTPUT_ONLY: Final = frozenset(
    {"status", "timesSent", "timesFailed", "lastNotification", "lastSuccess", "lastFailure"}
)
"""Members that only we give (§5.2.14.2)."""


def read_notification(
    document: dict[str, Any], datasets: frozenset[str] | None = None
) -> NotificationParameters:
    """The parts of a checked notification member; only instances in `datasets` are told."""
    endpoint = document["endpoint"]
    return NotificationParameters(
        Endpoint(
            endpoint["uri"],
            endpoint.get("accept", MEDIA_TYPES[0]),
            _read_pairs(endpoint.get("receiverInfo", ())),
            _read_pairs(endpoint.get("notifierInfo", ())),
            endpoint["timeout"] / 1_000 if "timeout" in endpoint else None,
            endpoint["cooldown"] / 1_000 if "cooldown" in endpoint else None,
        ),
        FORMATS[document.get("format", "normalized")],
        _read_projection(document),
        _read_join(document, datasets),
        document.get("sysAttrs", False),
        document.get("showChanges", False),
    )


def _read_projection(document: dict[str, Any]) -> Projection:
    if "attributes" in document:
        return only_attributes(document["attributes"])
    pick, omit = (_read_members(document.get(name)) for name in ("pick", "omit"))
    return projection_of(pick, omit or {})


def _read_members(kept: Any) -> Members | None:
    """Subscriptions that were made before linked entities could be told hold lists of names."""
    return {name: {} for name in kept} if isinstance(kept, list) else kept


def _read_join(document: dict[str, Any], datasets: frozenset[str] | None = None) -> Join | None:
    return parse_join(document.get("join"), document.get("joinLevel"), datasets=datasets)


def _read_pairs(pairs: Any) -> tuple[tuple[str, str], ...]:
    return tuple((pair["key"], pair["value"]) for pair in pairs)


def show_notification(document: dict[str, Any], context: Context) -> dict[str, Any]:
    """A checked notification member, its names shortened by the context."""
    shown = {name: document[name] for name in _CHECKS if name in document}
    for name in ("attributes", "pick", "omit"):
        if name in shown:
            shown[name] = print_members(_read_members(shown[name]) or {}, context)
    return shown
