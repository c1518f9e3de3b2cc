"""Entities in their expanded form, and the parser that makes them from documents (CIM 009 §4.5).

Inside the program names are IRIs and values are plain JSON. An attribute is a list of instances, one for each
datasetId (§4.5.5); the members of an instance that the core context defines keep their short names, all
others are sub-attributes under their IRIs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from rhinecloud.model import core_context
from rhinecloud.model.context import Context, is_iri
from rhinecloud.model.errors import BadRequestData
from rhinecloud.model.geojson import check_geometry, is_geometry
from rhinecloud.model.values import (
    MAX_DEPTH,
    NULL,
    Path,
    bad,
    check_json,
    check_language_map,
    check_scopes,
    check_time,
    check_uri,
)

Instance = dict[str, Any]
"""One instance of an attribute: core members by name, sub-attributes by IRI, each a list of instances."""
Attributes = dict[str, list[Instance]]

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


class Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entity as it is stored and passed around. Times are DateTime texts in UTC."""

    id: str
    types: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    attributes: Attributes = {}
    created_at: str | None = None
    modified_at: str | None = None
    expires_at: str | None = None


class Fragment(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an entity that an update brings (§5.4). `scopes` is None if unmentioned, empty to delete."""

    id: str | None = None
    types: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    attributes: Attributes = {}
    expires_at: str | None = None


def parse_entity(document: Any, context: Context, *, system: bool = False) -> Entity:
    """Read an entity, normalized or concise, each attribute by itself (§4.5.1; simplified counts as concise).

    `system` keeps createdAt, modifiedAt and instanceId, as when another broker tells them; otherwise they
    are ignored, for they are ours to give. Raises BadRequestData with the JSON pointer of what is wrong.
    """
    parser = _Parser(context, nulls=False, partial=False, system=system)
    head, attributes = parser.members(document)
    if "id" not in head:
        raise bad(("id",), "the entity has no id")
    if "type" not in head:
        raise bad(("type",), "the entity has no type")
    return Entity(
        id=head["id"],
        types=head["type"],
        scopes=head.get("scope", ()),
        attributes=attributes,
        created_at=head.get("createdAt"),
        modified_at=head.get("modifiedAt"),
        expires_at=head.get("expiresAt"),
    )


def parse_fragment(document: Any, context: Context, *, nulls: bool, partial: bool = False) -> Fragment:
    """Read the body of an update (§5.4). With `nulls` the NGSI-LD Null may stand for what is to be deleted.

    With `partial` (merge, §5.5.12) an attribute may leave out its value and name only what changes.
    """
    head, attributes = _Parser(context, nulls=nulls, partial=partial, system=False).members(document)
    return Fragment(
        id=head.get("id"),
        types=head.get("type", ()),
        scopes=head.get("scope"),
        attributes=attributes,
        expires_at=head.get("expiresAt"),
    )


def parse_attribute(
    name: str, document: Any, context: Context, *, nulls: bool = False, partial: bool = False
) -> tuple[str, list[Instance]]:
    """Read one attribute: its IRI and its instances. With `partial` (§5.6.4) the value may be missing."""
    parser = _Parser(context, nulls=nulls, partial=partial, system=False)
    iri = parser.name(name, (name,))
    if iri[0] == "@" or iri in _RESERVED:
        raise bad((name,), f"{name!r} is a term of the core @context and no name for an attribute (§4.5.1)")
    return iri, parser.attribute(document, (), 0)


def is_null(instance: Instance) -> bool:
    """Whether a fragment's instance asks for the deletion of its attribute (§4.5.0)."""
    member = VALUE_MEMBER.get(instance.get("type", ""))
    value = instance.get(member) if member else None
    return value == NULL or value == [NULL] or value == {"@none": NULL}


_VALUE_MEMBERS: Final = frozenset(VALUE_MEMBER.values())
_DROPPED: Final = object()
_ABSENT: Final = object()


class _Parser:
    """One pass over one document. Paths are tuples, made into JSON pointers only when something is wrong."""

    __slots__ = ("context", "expand_name", "nulls", "partial", "system")

    def __init__(self, context: Context, *, nulls: bool, partial: bool, system: bool) -> None:
        self.context = context
        self.expand_name = context.expand_name
        self.nulls = nulls
        self.partial = partial
        self.system = system

    def name(self, name: Any, path: Path) -> str:
        if type(name) is not str:
            raise bad(path, "a name is a text")
        try:
            return self.expand_name(name)
        except BadRequestData as error:
            raise bad(path, error.detail) from None

    def members(self, document: Any) -> tuple[dict[str, Any], Attributes]:
        """The members of an entity that are no attributes, and its attributes."""
        if not isinstance(document, dict):
            raise bad((), "an entity is a JSON object")
        head: dict[str, Any] = {}
        attributes: Attributes = {}
        for key, value in document.items():
            if key in _HEAD:
                self.head_member(_HEAD[key], value, (key,), head)
                continue
            iri = self.name(key, (key,))
            if iri[0] == "@" or iri in _HEAD_BY_IRI:
                self.head_member(_HEAD_BY_IRI.get(iri, iri), value, (key,), head)
            elif iri in _RESERVED:
                raise bad(
                    (key,), f"{key!r} is a term of the core @context and no name for an attribute (§4.5.1)"
                )
            elif iri in attributes:
                raise bad((key,), f"the attribute {iri} is given twice, under two names")
            else:
                attributes[iri] = self.attribute(value, (key,), 0)
        return head, attributes

    def head_member(self, member: str, value: Any, path: Path, head: dict[str, Any]) -> None:
        if member == "id":
            head["id"] = check_uri(value, path)
        elif member == "type":
            head["type"] = self.types(value, path)
        elif member == "scope":
            head["scope"] = () if self.nulls and value in (NULL, [NULL]) else check_scopes(value, path)
        elif member == "expiresAt":
            head["expiresAt"] = NULL if self.nulls and value == NULL else check_time(value, path)
        elif member in ("createdAt", "modifiedAt"):
            if self.system:
                head[member] = check_time(value, path)
        elif member not in ("@context", "deletedAt"):
            raise bad(path, f"{path[-1]!r} is no member of an entity")

    def types(self, value: Any, path: Path) -> tuple[str, ...]:
        given = value if isinstance(value, list) else [value]
        if not given:
            raise bad(path, "the list of types is empty")
        iris = tuple(dict.fromkeys(self.name(name, path) for name in given))
        for iri in iris:
            if iri[0] == "@" or iri == NULL:
                raise bad(path, f"{iri!r} is no type of an entity")
        return iris

    def attribute(self, value: Any, path: Path, depth: int) -> list[Instance]:
        """The instances of an attribute, from whichever form its value has (§4.5.2.2, §4.5.2.3, §4.5.5)."""
        kind = type(value)
        if kind is dict:
            if self.is_instance(value, path):
                return [self.instance(value, path, depth)]
            dataset = value.get("dataset")
            if len(value) == 1 and isinstance(dataset, dict) and dataset:
                return self.simplified(dataset, (*path, "dataset"), depth)
            if is_geometry(value):
                return [{"type": "GeoProperty", "value": check_geometry(value, path)}]
        elif kind is list and value and self.are_instances(value, path):
            instances = [self.instance(one, (*path, index), depth) for index, one in enumerate(value)]
            self.check_datasets(instances, path)
            return instances
        elif value is None:
            raise bad(path, f"null is no value; {NULL} deletes, where deleting is allowed")
        check_json(value, path, nulls=self.nulls)
        return [{"type": "Property", "value": value}]

    def simplified(self, dataset: dict[str, Any], path: Path, depth: int) -> list[Instance]:
        """Several instances in the simplified form, by datasetId (§4.5.4)."""
        instances = []
        for dataset_id, value in dataset.items():
            place = (*path, dataset_id)
            (instance, *more) = self.attribute(value, place, depth + 1)
            if more or depth >= MAX_DEPTH:
                raise bad(place, "one value is expected for one datasetId")
            if dataset_id != "@none":
                instance["datasetId"] = check_uri(dataset_id, place)
            instances.append(instance)
        return instances

    def are_instances(self, values: list[Any], path: Path) -> bool:
        """Whether a list holds instances rather than being a value; a mixture is an error."""
        marks = [
            type(one) is dict and not is_geometry(one) and self.is_instance(one, (*path, index), strict=False)
            for index, one in enumerate(values)
        ]
        if any(marks) and not all(marks):
            wrong = (*path, marks.index(False))
            raise bad(wrong, "a list holds either instances of the attribute or plain values, not both")
        return all(marks)

    def is_instance(self, value: dict[str, Any], path: Path, *, strict: bool = True) -> bool:
        """Whether an object is an instance with members rather than a plain value (§4.5.2.3)."""
        kind = value.get("type")
        if kind is None:
            kind = value.get("@type")
            if kind is None or "@value" in value:
                return not _VALUE_MEMBERS.isdisjoint(value) or (
                    self.partial and not _DETAILS.isdisjoint(value)
                )
        if self.kind(kind) is not None:
            return True
        if is_geometry(value) or not strict:
            return False
        raise bad(
            (*path, "type"),
            f"{kind!r} is no type of an attribute; an object with a type counts as one (§4.5.2.3)",
        )

    def kind(self, name: Any) -> str | None:
        """The type of attribute that a type name means."""
        if type(name) is not str:
            return None
        if name in VALUE_MEMBER:
            return name
        return _KIND_BY_IRI.get(self.context.expand_term(name)) if ":" in name else None

    def instance(self, document: dict[str, Any], path: Path, depth: int) -> Instance:
        """One instance with its members (§4.5.2, §4.5.3 and the clauses of the other types)."""
        if depth >= MAX_DEPTH:
            raise bad(path, f"attributes are nested more than {MAX_DEPTH} deep")
        kind, member = self.instance_kind(document, path)
        instance: Instance = {} if kind is None else {"type": kind}
        if member is not None:
            value = document.get(member, _ABSENT)
            if value is not _ABSENT:
                instance[member] = _VALUE_CHECKS[kind or "Property"](self, value, (*path, member))
            elif not self.partial:
                raise bad(path, f"a {kind} needs the member {member!r}")
        for key, value in document.items():
            if key == member or key == "type" or key == "@type":
                continue
            check = _MEMBERS.get(key)
            if check is not None:
                checked = check(self, value, (*path, key), kind)
                if checked is not _DROPPED:
                    instance[key] = checked
                continue
            iri = self.name(key, (*path, key))
            if iri[0] == "@" or iri in _MEMBER_BY_IRI:
                # A user alias of a keyword, or a core member under its full name.
                known = "type" if iri == "@type" else _MEMBER_BY_IRI.get(iri)
                if known is None or known in document:
                    raise bad((*path, key), f"{key!r} is no member of an attribute")
                return self.instance({known if k == key else k: v for k, v in document.items()}, path, depth)
            if iri in instance:
                raise bad((*path, key), f"the attribute {iri} is given twice, under two names")
            instance[iri] = self.attribute(value, (*path, key), depth + 1)
        return instance

    def instance_kind(self, document: dict[str, Any], path: Path) -> tuple[str | None, str | None]:
        """The type of an instance, given or inferred (§4.5.2.3), and its value member."""
        name = document.get("type")
        if name is None:
            name = document.get("@type")
        if name is not None:
            kind = self.kind(name)
            if kind is None:
                raise bad((*path, "type"), f"{name!r} is no type of an attribute")
            return kind, VALUE_MEMBER[kind]
        for kind, member in VALUE_MEMBER.items():
            if member in document:
                if member == "value" and is_geometry(document["value"]):
                    kind = "GeoProperty"
                return kind, member
        return None, None

    def check_datasets(self, instances: list[Instance], path: Path) -> None:
        seen = set()
        for index, instance in enumerate(instances):
            dataset_id = instance.get("datasetId")
            if dataset_id in seen:
                which = f"datasetId {dataset_id}" if dataset_id else "no datasetId"
                raise bad((*path, index), f"two instances of the attribute have {which} (§4.5.5)")
            seen.add(dataset_id)


_ValueCheck = Callable[[_Parser, Any, Path], Any]
_MemberCheck = Callable[[_Parser, Any, Path, str | None], Any]


def _property_value(parser: _Parser, value: Any, path: Path) -> Any:
    if value is None:
        raise bad(path, f"null is no value; {NULL} deletes, where deleting is allowed")
    check_json(value, path, nulls=parser.nulls)
    return value


def _geometry(parser: _Parser, value: Any, path: Path) -> Any:
    return value if parser.nulls and value == NULL else check_geometry(value, path)


def _uri(parser: _Parser, value: Any, path: Path) -> str:
    if value == NULL and not parser.nulls:
        raise bad(path, f"{NULL} is allowed in updates only")
    return check_uri(value, path)


def _object(parser: _Parser, value: Any, path: Path) -> Any:
    if isinstance(value, list):
        if not value:
            raise bad(path, "a Relationship needs at least one object")
        return [_uri(parser, one, (*path, index)) for index, one in enumerate(value)]
    return _uri(parser, value, path)


def _object_list(parser: _Parser, value: Any, path: Path) -> list[str]:
    if not isinstance(value, list):
        raise bad(path, "objectList is a list")
    objects = []
    for index, one in enumerate(value):
        place = (*path, index)
        if isinstance(one, dict):
            if one.keys() != {"object"}:
                raise bad(place, "an element of objectList has the one member 'object' (§4.5.22.2)")
            one, place = one["object"], (*place, "object")
        objects.append(_uri(parser, one, place))
    return objects


def _language_map(parser: _Parser, value: Any, path: Path) -> Any:
    # A bare Null is what some clients send for {"@none": Null}.
    if parser.nulls and value == NULL:
        return {"@none": NULL}
    return check_language_map(value, path, nulls=parser.nulls)


def _terms(parser: _Parser, value: Any, path: Path) -> Any:
    """One term or a list of terms, expanded against the vocabulary (§4.5.20)."""
    if isinstance(value, list):
        if not value:
            raise bad(path, "the list is empty")
        return [_term(parser, one, (*path, index)) for index, one in enumerate(value)]
    return _term(parser, value, path)


def _term(parser: _Parser, value: Any, path: Path) -> str:
    if not isinstance(value, str) or not value or "\x00" in value:
        raise bad(path, "a term or an IRI is expected")
    if value == NULL:
        return _uri(parser, value, path)
    try:
        return parser.context.expand_term(value)
    except BadRequestData as error:
        raise bad(path, error.detail) from None


def _json_value(parser: _Parser, value: Any, path: Path) -> Any:
    if value == NULL and not parser.nulls:
        raise bad(path, f"{NULL} is allowed in updates only")
    # Inside, the text of the NGSI-LD Null has no meaning: this is not NGSI-LD (§4.5.24).
    check_json(value, path, nulls=True)
    return value


def _value_list(parser: _Parser, value: Any, path: Path) -> Any:
    if not isinstance(value, list):
        raise bad(path, "valueList is a list")
    check_json(value, path, nulls=parser.nulls)
    return value


_VALUE_CHECKS: Final[dict[str, _ValueCheck]] = {
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
    def checked(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
        return NULL if parser.nulls and value == NULL else check(parser, value, path, kind)

    return checked


def _time(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    return check_time(value, path)


def _system_time(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    return check_time(value, path) if parser.system else _DROPPED


def _instance_id(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    return check_uri(value, path) if parser.system else _DROPPED


def _dataset_id(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    if value == "@none":
        return _DROPPED
    if value == NULL:
        raise bad(path, "a datasetId cannot be deleted (§5.5.8)")
    return check_uri(value, path)


def _unit_code(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    if kind not in ("Property", "ListProperty", None):
        raise bad(path, f"a {kind} has no unitCode")
    return _text(parser, value, path, kind)


def _text(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    if not isinstance(value, str) or not value or "\x00" in value:
        raise bad(path, f"{path[-1]} is a text")
    return value


def _object_type(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    if kind not in ("Relationship", "ListRelationship", None):
        raise bad(path, f"a {kind} has no objectType")
    iris = parser.types(value, path)
    return list(iris) if isinstance(value, list) else iris[0]


def _value_type(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    return _terms(parser, value, path)


def _output_only(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    return _DROPPED


def _prohibited(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    raise bad(path, f"a {kind or 'partial attribute'} has no member {path[-1]!r}")


def _embedded_context(parser: _Parser, value: Any, path: Path, kind: str | None) -> Any:
    raise bad(path, "an attribute has no @context of its own (§5.5.7)")


_MEMBERS: Final[dict[str, _MemberCheck]] = {
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
    "@context": _embedded_context,
    **dict.fromkeys(
        ("entity", "entityList", "previousValue", "previousObject", "previousLanguageMap"), _output_only
    ),
    **dict.fromkeys(
        ("previousVocab", "previousJson", "previousValueList", "previousObjectList"), _output_only
    ),
    **dict.fromkeys(_VALUE_MEMBERS, _prohibited),
}
_DETAILS: Final = frozenset({"observedAt", "expiresAt", "unitCode", "datasetId", "objectType", "valueType"})
"""Members that mark an object as a partial instance where the value may be left out."""

_HEAD: Final = {
    **{name: name for name in ("id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt")},
    **{"@id": "id", "@type": "type", "@context": "@context"},
}
_HEAD_BY_IRI: Final = {
    **{core_context.TERMS[name]: name for name in _HEAD.values() if name in core_context.TERMS},
    **{"@id": "id", "@type": "type"},
}
_MEMBER_BY_IRI: Final = {core_context.TERMS[name]: name for name in _MEMBERS if name in core_context.TERMS}
_RESERVED: Final = _MEMBER_BY_IRI.keys() - _HEAD_BY_IRI.keys()
_KIND_BY_IRI: Final = {core_context.TERMS[name]: name for name in VALUE_MEMBER}
assert all(is_iri(iri) for iri in _RESERVED)
