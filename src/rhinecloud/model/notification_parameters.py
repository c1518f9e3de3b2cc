"""How a subscriber wants to be told: NotificationParams, Endpoint, KeyValuePair (CIM 009 §5.2.14, §5.2.15, §5.2.22)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from rhinecloud.model.context import Context
from rhinecloud.model.errors import BadRequestData, OperationNotSupported, json_pointer
from rhinecloud.model.representation import Format
from rhinecloud.model.values import Path, bad, check_uri

FORMATS: Final[dict[str, Format]] = {
    "normalized": "normalized",
    "concise": "concise",
    "simplified": "simplified",
    "keyValues": "simplified",
}
MEDIA_TYPES: Final = ("application/json", "application/ld+json", "application/geo+json")
ENTITY_PARTS: Final = frozenset({"id", "type", "scope"})
"""Members of an entity that `pick` and `omit` may name beside attributes (§4.21)."""

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
    """What of an entity is told, and in which form. Names in `pick` and `omit` are IRIs, or id, type, scope."""

    endpoint: Endpoint
    format: Format = "normalized"
    pick: frozenset[str] | None = None
    omit: frozenset[str] = frozenset()
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
    if "joinLevel" in checked and "join" not in checked:
        raise bad((*path, "joinLevel"), "joinLevel goes with join only")
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
    names = _projection(value, path, context)
    for index, name in enumerate(names):
        if name in ENTITY_PARTS:
            raise bad((*path, index), f"{name} is no attribute; use pick")
    return names


def _projection(value: Any, path: Path, context: Context) -> list[str]:
    """Attributes as IRIs, and id, type, scope as they are (§4.21)."""
    if not isinstance(value, list) or not value or len(value) > _MOST:
        raise bad(path, f"{path[-1]} is a list of 1 to {_MOST} names")
    names: list[str] = []
    for index, text in enumerate(value):
        place = (*path, index)
        if not isinstance(text, str):
            raise bad(place, "a name is a text")
        if "{" in text:
            raise OperationNotSupported(
                "attributes of linked entities are not told", field=json_pointer(place)
            )
        for name in re.split(r"[,|]", text):
            if name in ENTITY_PARTS:
                names.append(name)
                continue
            try:
                iri = context.expand_name(name)
            except BadRequestData as error:
                raise bad(place, error.detail) from None
            if iri[0] == "@":
                raise bad(place, f"{name!r} is no attribute")
            names.append(iri)
    return list(dict.fromkeys(names))


def _join(value: Any, path: Path, context: Context) -> str:
    if value not in ("@none", "flat", "inline"):
        raise bad(path, "join is one of flat, inline, @none")
    if value != "@none":
        raise OperationNotSupported("linked entities are not told; join is @none", field=json_pointer(path))
    return str(value)


def _level(value: Any, path: Path, context: Context) -> int:
    if type(value) is not int or value < 1:
        raise bad(path, "joinLevel is a whole number above 0")
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
    "pick": _projection,
    "omit": _projection,
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


def read_notification(document: dict[str, Any]) -> NotificationParameters:
    """The parts of a checked notification member."""
    endpoint = document["endpoint"]
    pick = document.get("pick")
    if pick is None and "attributes" in document:
        pick = [*ENTITY_PARTS, *document["attributes"]]
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
        frozenset(pick) if pick is not None else None,
        frozenset(document.get("omit", ())),
        document.get("sysAttrs", False),
        document.get("showChanges", False),
    )


def _read_pairs(pairs: Any) -> tuple[tuple[str, str], ...]:
    return tuple((pair["key"], pair["value"]) for pair in pairs)


def show_notification(document: dict[str, Any], context: Context) -> dict[str, Any]:
    """A checked notification member, its names shortened by the context."""
    shown = {name: document[name] for name in _CHECKS if name in document}
    for name in ("attributes", "pick", "omit"):
        if name in shown:
            shown[name] = [one if one in ENTITY_PARTS else context.compact_iri(one) for one in shown[name]]
    return shown
