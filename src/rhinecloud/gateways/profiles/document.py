"""The document of a profile: what may stand in it. The reference for people is docs/reference/device-profiles.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from .shapes import ProfileError

MAX_BYTES = 128 * 1024  # of a document as JSON
MAX_ATTRIBUTES = 500
MAX_TOPICS = 50
MAX_GENERATIONS = 8  # profiles that extend each other
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

Texts = dict[str, str]
"""Language → text; German and English are what the pages show."""
TimeFormat = Literal["rfc3339", "local", "unix", "unix_ms"]


class TimeRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a time stands, and how it is written. `zone` (IANA) is that of local times."""

    path: str
    format: TimeFormat = "rfc3339"
    zone: str | None = None


class EntityRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entity is meant: templates with the named levels and captures."""

    id: str = "urn:ngsi-ld:{type}:{device}"
    type: str = "{type}"


class AttributeRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One attribute, or all that a path finds (`names`). `above` and `up_to`: only if the number at `path` is within;
    with a `value`, that is what is measured then."""

    name: str | None = None
    names: str | None = None
    path: str | None = None
    value: Any = None
    above: float | None = None
    up_to: float | None = None
    kind: Literal["property", "relationship", "geo"] = "property"
    convert: Literal["number", "text", "boolean"] | None = None
    map: dict[str, Any] | None = None
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None
    units: dict[str, str] | None = None
    prefix: str = ""
    longitude: str | None = None
    latitude: str | None = None
    altitude: str | None = None
    dataset: str | None = None
    observed_at: TimeRule | None = None
    rename: dict[str, str] = {}
    skip: list[str] = []
    required: bool = False


class VersionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the confirmed version stands, if it is not a plain number: behind a prefix, or in the identifier that
    {uuid} made."""

    path: str
    prefix: str = ""
    form: Literal["number", "uuid"] = "number"


class ConfirmRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a device confirms a wanted state, on topics of its own or together with its measurements."""

    topics: list[str]
    version: str | VersionRule | None = None
    result: str = "done"
    results: dict[str, Literal["done", "failed"]] = {}
    detail: str | None = None
    reported: str | None = None


class WantedRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a wanted value is said to the device: under `key`, as `value`, by `map`, or scaled. `above` and `up_to`: only
    for numbers within."""

    name: str
    key: str
    value: Any = None
    map: dict[str, Any] | None = None
    scale: float | None = None
    offset: float | None = None
    digits: Annotated[int, Meta(ge=0, le=9)] | None = None
    least: float | None = None
    above: float | None = None
    up_to: float | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole profile."""

    name: Annotated[str, Meta(max_length=64)]
    title: Texts = {}
    description: Texts = {}
    extends: str | None = None
    topics: Annotated[list[str], Meta(max_length=MAX_TOPICS)] = []
    ignore: Annotated[list[str], Meta(max_length=MAX_TOPICS)] = []
    passing: Annotated[list[str], Meta(max_length=MAX_TOPICS)] = []
    publish: Annotated[list[str], Meta(max_length=MAX_TOPICS)] = []
    subscribe: Annotated[list[str], Meta(max_length=MAX_TOPICS)] = []
    format: Literal["json", "attributes", "senml", "lwm2m", "text"] = "json"
    each: str | None = None
    capture: dict[str, str] = {}
    entity: EntityRule = EntityRule()
    observed_at: TimeRule | None = None
    clock: Literal["device", "arrival"] = "device"
    attributes: list[AttributeRule] = []
    confirm: list[ConfirmRule] = []
    command_topic: str | None = None
    command_payload: Any = None
    wanted: Annotated[list[WantedRule], Meta(max_length=MAX_TOPICS)] = []
    momentary_topic: str | None = None


PARTS: Mapping[str, type[msgspec.Struct]] = {
    "attributes": AttributeRule,
    "confirm": ConfirmRule,
    "wanted": WantedRule,
}
"""The lists of which each element is read by itself, so that what is wrong is found at its place."""


def decode(given: Any) -> Document:
    """A document from JSON values. Raises ProfileError with each thing that does not have the form."""
    if not isinstance(given, dict):
        raise ProfileError([("", "a profile is a JSON object")])
    try:
        size = len(msgspec.json.encode(given))
    except (TypeError, ValueError, RecursionError) as error:
        raise ProfileError([("", f"no JSON: {error}")]) from None
    if size > MAX_BYTES:
        raise ProfileError([("", f"a profile has at most {MAX_BYTES} bytes as JSON, this one {size}")])
    problems: list[tuple[str, str]] = []
    whole: dict[str, Any] = {}
    for key, value in given.items():
        if key not in Document.__struct_fields__:
            problems.append((f"/{_escaped(key)}", "a profile has no such key"))
        elif key in PARTS and isinstance(value, list):
            whole[key] = []
            for index, element in enumerate(value):
                part = _convert(element, PARTS[key], f"/{key}/{index}", problems)
                if part is not None:
                    whole[key].append(part)
        else:
            whole[key] = value
    rules = whole.get("attributes")
    if isinstance(rules, list) and len(rules) > MAX_ATTRIBUTES:
        problems.append(("/attributes", f"there are at most {MAX_ATTRIBUTES} rules"))
    if not isinstance(given.get("name"), str) or not _NAME.fullmatch(given["name"]):
        problems.append(("/name", "a name is 1 to 64 lower-case letters, digits and hyphens"))
        whole["name"] = "nameless"
    document: Document | None = _convert(whole, Document, "", problems)
    if problems or document is None:
        raise ProfileError(problems)
    return document


def merged(parent: Mapping[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """A document that extends another: its keys instead of the parent's; attributes beside the parent's, instead of
    those of the same name."""
    whole = {key: value for key, value in parent.items() if key not in ("name", "title", "description")}
    whole |= child
    if isinstance(parent.get("attributes"), list) and isinstance(child.get("attributes"), list):
        own = child["attributes"]
        # What is no text is told of when the whole is read.
        given = [rule.get("name") for rule in own if isinstance(rule, dict)]
        named = {name for name in given if isinstance(name, str)}
        kept = [rule for rule in parent["attributes"] if rule.get("name") not in named]
        whole["attributes"] = [
            *own,
            *kept,
        ]  # first: so that a place among the own ones is its place in the child
    return whole


def _convert(
    value: Any, kind: type[msgspec.Struct], place: str, problems: list[tuple[str, str]]
) -> Any | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at `")
        inner = at.rstrip("`").removeprefix("$")
        # msgspec writes $.a.b, and [...] for a key or an index that it does not name.
        pointer = "".join(
            f"/{_escaped(part)}" for part in re.split(r"[.\[]", inner) if part not in ("", "...]")
        )
        problems.append((place + pointer, text))
        return None


def _escaped(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
