"""The members of attribute instances: what each may hold, and in which form it is kept (CIM 009 §4.5).

A check takes what a document says, and returns what to keep; `DROPPED` keeps nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rhinecloud.model.context import Context
from rhinecloud.model.errors import BadRequestData
from rhinecloud.model.geojson import check_geometry
from rhinecloud.model.values import NULL, Path, bad, check_json, check_language_map, check_time, check_uri

VALUE_MEMBER: Final = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
"""Type of attribute → the member that holds its value (§4.5.2, §4.5.3, §4.5.18, §4.5.20 to §4.5.24)."""

VALUE_MEMBERS: Final = frozenset(VALUE_MEMBER.values())
DROPPED: Final = object()


class Reading:
    """How a document is read: the meaning of its names, and what it may hold."""

    __slots__ = ("context", "deep_nulls", "expand_name", "nulls", "partial", "system")

    def __init__(
        self,
        context: Context,
        *,
        nulls: bool = False,
        deep_nulls: bool = False,
        partial: bool = False,
        system: bool = False,
    ) -> None:
        self.context = context
        self.expand_name = context.expand_name
        self.nulls = nulls  # in place of a value
        self.deep_nulls = deep_nulls  # within values too: in merges only (§5.5.4)
        self.partial = partial
        self.system = system

    def name(self, name: Any, path: Path) -> str:
        if type(name) is not str:
            raise bad(path, "a name is a text")
        try:
            return self.expand_name(name)
        except BadRequestData as error:
            raise bad(path, error.detail) from None

    def check_json(self, value: Any, path: Path) -> None:
        """A value to keep, or the Null in its place."""
        if not (self.nulls and value == NULL):
            check_json(value, path, nulls=self.deep_nulls)

    def types(self, value: Any, path: Path) -> tuple[str, ...]:
        given = value if isinstance(value, list) else [value]
        if not given:
            raise bad(path, "the list of types is empty")
        iris = tuple(dict.fromkeys(self.name(name, path) for name in given))
        for iri in iris:
            if iri[0] == "@" or iri == NULL:
                raise bad(path, f"{iri!r} is no type of an entity")
        return iris


_ValueCheck = Callable[[Reading, Any, Path], Any]
_MemberCheck = Callable[[Reading, Any, Path, str | None], Any]


def _property_value(reading: Reading, value: Any, path: Path) -> Any:
    if value is None:
        raise bad(path, f"null is no value; {NULL} deletes, where deleting is allowed")
    reading.check_json(value, path)
    return value


def _geometry(reading: Reading, value: Any, path: Path) -> Any:
    return value if reading.nulls and value == NULL else check_geometry(value, path)


def _uri(reading: Reading, value: Any, path: Path) -> str:
    if value == NULL and not reading.nulls:
        raise bad(path, f"{NULL} is allowed in updates only")
    return check_uri(value, path)


def _object(reading: Reading, value: Any, path: Path) -> Any:
    if isinstance(value, list):
        if not value:
            raise bad(path, "a Relationship needs at least one object")
        return [_uri(reading, one, (*path, index)) for index, one in enumerate(value)]
    return _uri(reading, value, path)


def _object_list(reading: Reading, value: Any, path: Path) -> list[str]:
    if not isinstance(value, list):
        raise bad(path, "objectList is a list")
    objects = []
    for index, one in enumerate(value):
        place = (*path, index)
        if isinstance(one, dict):
            if one.keys() != {"object"}:
                raise bad(place, "an element of objectList has the one member 'object' (§4.5.22.2)")
            one, place = one["object"], (*place, "object")
        objects.append(_uri(reading, one, place))
    return objects


def _language_map(reading: Reading, value: Any, path: Path) -> Any:
    # A bare Null is what some clients send for {"@none": Null}.
    if reading.nulls and value in (NULL, {"@none": NULL}):
        return {"@none": NULL}
    return check_language_map(value, path, nulls=reading.deep_nulls)


def _terms(reading: Reading, value: Any, path: Path) -> Any:
    """One term or a list of terms, expanded against the vocabulary (§4.5.20)."""
    if isinstance(value, list):
        if not value:
            raise bad(path, "the list is empty")
        return [_term(reading, one, (*path, index)) for index, one in enumerate(value)]
    return _term(reading, value, path)


def _term(reading: Reading, value: Any, path: Path) -> str:
    if not isinstance(value, str) or not value or "\x00" in value:
        raise bad(path, "a term or an IRI is expected")
    if value == NULL:
        return _uri(reading, value, path)
    try:
        return reading.context.expand_term(value)
    except BadRequestData as error:
        raise bad(path, error.detail) from None


def _json_value(reading: Reading, value: Any, path: Path) -> Any:
    if value == NULL and not reading.nulls:
        raise bad(path, f"{NULL} is allowed in updates only")
    # Inside, the text of the NGSI-LD Null has no meaning: this is not NGSI-LD (§4.5.24).
    check_json(value, path, nulls=True)
    return value


def _value_list(reading: Reading, value: Any, path: Path) -> Any:
    if not isinstance(value, list):
        raise bad(path, "valueList is a list")
    if not (reading.nulls and value == [NULL]):
        check_json(value, path, nulls=reading.deep_nulls)
    return value


VALUE_CHECKS: Final[dict[str, _ValueCheck]] = {
    "Property": _property_value,
    "GeoProperty": _geometry,
    "Relationship": _object,
    "LanguageProperty": _language_map,
    "VocabProperty": _terms,
    "JsonProperty": _json_value,
    "ListProperty": _value_list,
    "ListRelationship": _object_list,
}


def _deletable(check: _MemberCheck) -> _MemberCheck:
    def checked(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
        return NULL if reading.nulls and value == NULL else check(reading, value, path, kind)

    return checked


def _time(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    return check_time(value, path)


def _system_time(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    return check_time(value, path) if reading.system else DROPPED


def _instance_id(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    return check_uri(value, path) if reading.system else DROPPED


def _dataset_id(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    if value == "@none":
        return DROPPED
    if value == NULL:
        raise bad(path, "a datasetId cannot be deleted (§5.5.8)")
    return check_uri(value, path)


def _unit_code(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    if kind not in ("Property", "ListProperty", None):
        raise bad(path, f"a {kind} has no unitCode")
    return _text(reading, value, path, kind)


def _text(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    if not isinstance(value, str) or not value or "\x00" in value:
        raise bad(path, f"{path[-1]} is a text")
    return value


def _object_type(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    if kind not in ("Relationship", "ListRelationship", None):
        raise bad(path, f"a {kind} has no objectType")
    iris = reading.types(value, path)
    return list(iris) if isinstance(value, list) else iris[0]


def _value_type(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    return _terms(reading, value, path)


def _sealed(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    # The last parts of the path are the attribute, perhaps the position in its list, and this member.
    if "ngsildproof" not in path[-3:-1]:
        return _prohibited(reading, value, path, kind)
    return _text(reading, value, path, kind)


def _output_only(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    return DROPPED


def _prohibited(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    raise bad(path, f"a {kind or 'partial attribute'} has no member {path[-1]!r}")


def _embedded_context(reading: Reading, value: Any, path: Path, kind: str | None) -> Any:
    raise bad(path, "an attribute has no @context of its own (§5.5.7)")


MEMBERS: Final[dict[str, _MemberCheck]] = {
    "observedAt": _deletable(_time),
    "expiresAt": _deletable(_time),
    "unitCode": _deletable(_unit_code),
    "datasetId": _dataset_id,
    "objectType": _deletable(_object_type),
    "valueType": _deletable(_value_type),
    "lang": _deletable(_text),
    "createdAt": _system_time,
    "modifiedAt": _system_time,
    "deletedAt": _system_time,
    "instanceId": _instance_id,
    "entityIdSealed": _sealed,
    "entityTypeSealed": _sealed,
    "@context": _embedded_context,
    **dict.fromkeys(
        ("entity", "entityList", "previousValue", "previousObject", "previousLanguageMap"), _output_only
    ),
    **dict.fromkeys(
        ("previousVocab", "previousJson", "previousValueList", "previousObjectList"), _output_only
    ),
    **dict.fromkeys(VALUE_MEMBERS, _prohibited),
}
DETAILS: Final = frozenset({"observedAt", "expiresAt", "unitCode", "datasetId", "objectType", "valueType"})
"""Members that mark an object as a partial instance where the value may be left out."""
