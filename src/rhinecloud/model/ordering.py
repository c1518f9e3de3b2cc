"""The entity ordering language: ``name,age;desc``, ``location;dist-asc`` (CIM 009 §4.23).

Values of unlike kinds stand in the order of `RANKS` whatever the direction, so that what an entity lacks comes
last both ways; the direction is that of values of one kind. Objects, and arrays, have no order among
themselves. Of several instances the default one counts, without it the first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Literal, cast

import msgspec

from rhinecloud.model.context import Context
from rhinecloud.model.entity import VALUE_MEMBER, Entity, Instance
from rhinecloud.model.errors import BadRequestData, OperationNotSupported
from rhinecloud.model.geo import MAX_TEXT, spherical_metres
from rhinecloud.model.geojson import GEOMETRY_TYPES, check_geometry, is_geometry
from rhinecloud.model.query_language import parse_path
from rhinecloud.model.query_tree import ENTITY_MEMBERS, PATH_MEMBERS, AttributePath
from rhinecloud.model.values import normal_clock, normal_date, normal_time

Direction = Literal["asc", "desc", "dist-asc", "dist-desc"]

MAX_KEYS: Final = 16
HEAD_MEMBERS: Final = frozenset({"id", "type", "scope"})
"""Members of an entity beside ENTITY_MEMBERS that may be ordered by; of types and scopes the first counts."""
RANKS: Final = (
    "geometry",
    "number",
    "text",
    "object",
    "array",
    "boolean",
    "time",
    "date",
    "dateTime",
    "null",
    "absent",
)
"""Kinds of values in their order (§4.23.2); "geometry" when ordering by distance only."""

_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_STRENGTHS: Final = {"level1": 1, "level2": 2, "level3": 3, "identic": 3}
_PHONEBOOK: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_TERM = re.compile(r"(?:<[^<>]*>|\[[^\[\]]*\]|[^,])+")
_DIRECTION = re.compile(r"(.*?)(?:;\s*(asc|desc|dist-asc|dist-desc))?", re.DOTALL)


class Collation(msgspec.Struct, frozen=True):
    """How texts are ordered: letters, then accents (`strength` 2), then case and all else (3); in a German
    `phonebook` ä, ö and ü stand as ae, oe and ue.

    It comes near to the root collation of the Unicode Collation Algorithm (§4.23.1), and to what CLDR makes of
    it for German and English, without their tables.
    """

    strength: int = 3
    phonebook: bool = False

    def key(self, text: str) -> tuple[str, ...]:
        """What to compare in place of a text."""
        return _collated(text, self.strength, self.phonebook)


class OrderKey(msgspec.Struct, frozen=True):
    """What to order by. `path.attribute` may also be one of HEAD_MEMBERS; `origin` (GeoJSON) goes with dist-…"""

    path: AttributePath
    direction: Direction = "asc"
    origin: dict[str, Any] | None = None
    collation: Collation = Collation()

    @property
    def descending(self) -> bool:
        return self.direction.endswith("desc")


def parse_order_by(
    text: str,
    context: Context,
    *,
    coordinates: Any = None,
    geometry: str | None = None,
    collation: str | None = None,
) -> tuple[OrderKey, ...]:
    """Read `orderBy`, names expanded. `coordinates` (JSON text or decoded) and `geometry` are orderFrom and
    orderGeometry, the place that distances are measured from (§4.23.3). BadRequestData names what is wrong;
    OperationNotSupported for a collation (RFC 6067) that `Collation` has no words for.
    """
    texts = Collation() if collation is None else parse_collation(collation)
    origin = None if coordinates is None else _origin(coordinates, geometry or "Point")
    keys = tuple(_key(term, context, origin, texts) for term in _terms(text))
    if len(keys) > MAX_KEYS:
        raise BadRequestData(f"orderBy has more than {MAX_KEYS} members", field="orderBy")
    return keys


def ordered(entities: Iterable[Entity], keys: tuple[OrderKey, ...]) -> list[Entity]:
    """The entities in this order; what is equal in all keys in the order of the ids."""
    result = sorted(entities, key=lambda entity: entity.id)
    for key in reversed(keys):
        places = {entity.id: place(entity, key) for entity in result}
        # Sorting is stable: first by the values, then by their kinds, which no direction turns round.
        result.sort(key=lambda entity: places[entity.id], reverse=key.descending)  # noqa: B023
        result.sort(key=lambda entity: places[entity.id][0])  # noqa: B023
    return result


def place(entity: Entity, key: OrderKey) -> tuple[int, Any]:
    """The rank of the kind of value that the entity has there (in RANKS), and what to compare within the rank."""
    value = _value(entity, key.path)
    if key.origin is not None and is_geometry(value):
        return 0, spherical_metres(key.origin, value)
    kind, comparable = _kind(value)
    return RANKS.index(kind), key.collation.key(comparable) if kind == "text" else comparable


@lru_cache(maxsize=8192)
def _collated(text: str, strength: int, phonebook: bool) -> tuple[str, ...]:
    lower = unicodedata.normalize("NFC", text.lower())
    letters = unicodedata.normalize("NFKD", lower.translate(_PHONEBOOK) if phonebook else lower)
    plain = "".join(one for one in letters if not unicodedata.combining(one))
    # Of texts that differ in case only, the one in small letters comes first.
    return (plain, lower, text.swapcase())[:strength]


ABSENT: Final = object()


def _terms(text: str) -> list[str]:
    terms: list[str] = []
    at = 0
    while True:
        found = _TERM.match(text, at)
        if found is None:
            raise BadRequestData(f"orderBy: expected a member at character {at + 1}", field="orderBy")
        terms.append(found[0].strip())
        at = found.end() + 1
        if found.end() == len(text):
            return terms


def _key(term: str, context: Context, origin: dict[str, Any] | None, collation: Collation) -> OrderKey:
    found = _DIRECTION.fullmatch(term)
    assert found is not None
    name, direction = found[1].strip(), cast(Direction, found[2] or "asc")
    path = AttributePath(name) if name in HEAD_MEMBERS else parse_path(name, context, field="orderBy")
    if path.linked is not None:
        raise BadRequestData("orderBy: entities are ordered by what is their own", field="orderBy")
    by_distance = direction.startswith("dist")
    if by_distance and origin is None:
        raise BadRequestData(f"orderBy: {direction} needs orderFrom", field="orderFrom")
    return OrderKey(path, direction, origin if by_distance else None, collation)


def parse_collation(tag: str) -> Collation:
    """Read a collation: ``und``, ``de`` or ``en``, with ``-u-ks-level1`` to ``level3`` or ``identic`` for the strength,
    ``-u-co-phonebk`` for the German phonebook. BadRequestData for what is no language tag."""
    if _LANGUAGE_TAG.fullmatch(tag) is None:
        raise BadRequestData(f"{tag!r:.80} is no collation (RFC 6067)", field="collation")
    language, _, extension = tag.lower().removesuffix("-x-icu").partition("-u-")
    words = extension.split("-") if extension else []
    given = dict(zip(words[::2], words[1::2], strict=False))
    strength, kind = given.pop("ks", "level3"), given.pop("co", "standard")
    known = language.split("-")[0] in ("und", "de", "en") and strength in _STRENGTHS
    if not known or kind not in ("standard", "phonebk") or given or len(words) % 2:
        raise OperationNotSupported(f"{tag!r:.80} is no collation that is known here", field="collation")
    return Collation(_STRENGTHS[strength], kind == "phonebk")


def _origin(coordinates: Any, geometry: str) -> dict[str, Any]:
    if geometry not in GEOMETRY_TYPES:
        raise BadRequestData(f"{geometry!r} is no type of geometry", field="orderGeometry")
    if isinstance(coordinates, str | bytes):
        if len(coordinates) > MAX_TEXT:
            raise BadRequestData(f"orderFrom is longer than {MAX_TEXT} characters", field="orderFrom")
        try:
            coordinates = msgspec.json.decode(coordinates)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise BadRequestData("orderFrom is no JSON", field="orderFrom") from None
    try:
        return check_geometry({"type": geometry, "coordinates": coordinates}, ())
    except BadRequestData as error:
        raise BadRequestData(error.detail, field="orderFrom") from None


def _value(entity: Entity, path: AttributePath) -> Any:
    if path.attribute in ENTITY_MEMBERS or path.attribute in HEAD_MEMBERS:
        time_or_text = {
            "id": entity.id,
            "type": entity.types[0],
            "scope": entity.scopes[0] if entity.scopes else None,
            "createdAt": entity.created_at,
            "modifiedAt": entity.modified_at,
            "expiresAt": entity.expires_at,
        }[path.attribute]
        return ABSENT if time_or_text is None else time_or_text
    instance = _standing(entity.attributes.get(path.attribute, []))
    for name in path.sub_path:
        if instance is None or name in PATH_MEMBERS:
            break
        instance = _standing(instance.get(name, []))
    if instance is None:
        return ABSENT
    if path.sub_path and path.sub_path[-1] in PATH_MEMBERS:
        return instance.get(path.sub_path[-1], ABSENT)
    value = instance.get(VALUE_MEMBER[instance.get("type", "Property")], ABSENT)
    for name in path.json_path:
        value = value.get(name, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def _standing(instances: list[Instance]) -> Instance | None:
    """The default instance, or the first."""
    return next((one for one in instances if "datasetId" not in one), instances[0] if instances else None)


def _kind(value: Any) -> tuple[str, Any]:
    if value is ABSENT:
        return "absent", 0
    if value is None:
        return "null", 0
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", value
    if isinstance(value, dict):
        return _kind(value["@value"]) if "@value" in value else ("object", 0)
    if isinstance(value, list):
        return "array", 0
    for kind, normal in (("dateTime", normal_time), ("date", normal_date), ("time", normal_clock)):
        moment = normal(value)
        if moment is not None:
            return kind, moment.rstrip("Z")
    return "text", value
