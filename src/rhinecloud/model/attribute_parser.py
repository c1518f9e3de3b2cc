"""From documents to attributes in expanded form: normalized, concise, and what is between (CIM 009 §4.5)."""

from __future__ import annotations

from typing import Any, Final

from rhinecloud.model import core_context
from rhinecloud.model.attribute_members import (
    DETAILS,
    DROPPED,
    MEMBERS,
    VALUE_CHECKS,
    VALUE_MEMBER,
    VALUE_MEMBERS,
    Reading,
)
from rhinecloud.model.geojson import check_geometry, is_geometry
from rhinecloud.model.values import (
    MAX_DEPTH,
    NULL,
    Path,
    bad,
    check_scopes,
    check_time,
    check_uri,
)

Instance = dict[str, Any]
"""One instance of an attribute: core members by name, sub-attributes by IRI, each a list of instances."""
Attributes = dict[str, list[Instance]]

_ABSENT: Final = object()
_HEAD: Final = {
    **{name: name for name in ("id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt")},
    **{"@id": "id", "@type": "type", "@context": "@context"},
}
_HEAD_BY_IRI: Final = {
    **{core_context.TERMS[name]: name for name in _HEAD.values() if name in core_context.TERMS},
    **{"@id": "id", "@type": "type"},
}
_MEMBER_BY_IRI: Final = {core_context.TERMS[name]: name for name in MEMBERS if name in core_context.TERMS}
RESERVED: Final = _MEMBER_BY_IRI.keys() - _HEAD_BY_IRI.keys()
"""Core terms that are members of attributes, and so no names for them (§4.5.1)."""
_KIND_BY_IRI: Final = {core_context.TERMS[name]: name for name in VALUE_MEMBER}


class Parser(Reading):
    """One pass over one document. Paths are tuples, made into JSON pointers only when something is wrong."""

    __slots__ = ()

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
            elif iri in RESERVED:
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
        self.check_json(value, path)
        return [{"type": "Property", "value": value}]

    def whole_attribute(self, value: Any) -> list[Instance]:
        """An attribute that is the document; a partial one is an instance whatever its members (§5.6.4)."""
        if self.partial and type(value) is dict and not is_geometry(value):
            return [self.instance(value, (), 0)]
        return self.attribute(value, (), 0)

    def simplified(self, dataset: dict[str, Any], path: Path, depth: int) -> list[Instance]:
        """Several instances in the simplified form, by datasetId (§4.5.4)."""
        if depth >= MAX_DEPTH:
            raise bad(path, f"attributes are nested more than {MAX_DEPTH} deep")
        instances = []
        for dataset_id, value in dataset.items():
            place = (*path, dataset_id)
            (instance, *more) = self.attribute(value, place, depth + 1)
            if more:
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
                return not VALUE_MEMBERS.isdisjoint(value) or (self.partial and not DETAILS.isdisjoint(value))
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
                instance[member] = VALUE_CHECKS[kind or "Property"](self, value, (*path, member))
        for key, value in document.items():
            if key == member or key == "type" or key == "@type":
                continue
            check = MEMBERS.get(key)
            if check is not None:
                checked = check(self, value, (*path, key), kind)
                if checked is not DROPPED:
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
        if member not in instance and not self.partial:
            raise bad(path, f"a {kind} needs the member {member!r}")
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
