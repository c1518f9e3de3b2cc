"""The temporal evolution of an entity as documents bring it: attributes with many instances (CIM 009 §4.5.6 to §4.5.9).

In expanded form an evolution looks like an entity, but a list of instances may hold several of one datasetId, each at
its own time. The scopes are an attribute here, under the IRI of `scope`: each instance has the list of the scopes that
held from its time on (§4.5.6).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from rhinecloud.model import core_context
from rhinecloud.model.attribute_parser import Attributes, Instance, Parser
from rhinecloud.model.context import Context
from rhinecloud.model.values import Path, bad, check_scopes, check_time

SCOPE: Final = core_context.TERMS["scope"]

# The simplified form (§4.5.9): member with the pairs → type, member of one value, whether the value is wrapped in an
# object under that member.
_PAIRS: Final[dict[str, tuple[tuple[str, ...], str, bool]]] = {
    "values": (("Property", "GeoProperty"), "value", False),
    "objects": (("Relationship",), "object", False),
    "languageMaps": (("LanguageProperty",), "languageMap", True),
    "vocabs": (("VocabProperty",), "vocab", True),
    "jsons": (("JsonProperty",), "json", True),
    "valueLists": (("ListProperty",), "valueList", False),
    "objectLists": (("ListRelationship",), "objectList", False),
}


_INSTANCE_ID = re.compile(r"urn:ngsi-ld:instance:(\d{1,18})-(-?\d{1,18})(?:-([1-9]\d{0,8}))?", re.ASCII)


def instance_id(series: int, at: int, number: int) -> str:
    """The instanceId (§4.5.7) of the instance that stands `at` (µs since 1970) in a series; `number` is its place, from
    0 on, among several of that series at the same instant, by arrival. Nothing is stored for it."""
    return f"urn:ngsi-ld:instance:{series}-{at}" + (f"-{number}" if number else "")


def parse_instance_id(text: str) -> tuple[int, int, int] | None:
    """Series, instant and number of an instanceId, or None if it is none of ours."""
    found = _INSTANCE_ID.fullmatch(text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))


class Evolution(msgspec.Struct, frozen=True, kw_only=True):
    """What a document tells of an entity's evolution. `types` may be missing where the entity is known already."""

    id: str | None = None
    types: tuple[str, ...] = ()
    attributes: Attributes = {}


def parse_evolution(document: Any, context: Context) -> Evolution:
    """Read an EntityTemporal or a fragment of one (§5.2.20), each attribute normalized, concise or simplified.

    createdAt, modifiedAt, deletedAt and instanceId are ours to give, and ignored. Raises BadRequestData with the JSON
    pointer of what is wrong.
    """
    if not isinstance(document, dict):
        raise bad((), "an entity is a JSON object")
    reader = _EvolutionParser(context, nulls=False, partial=False, system=False)
    scope_names = [key for key in document if key == "scope" or context.expand_term(key) == SCOPE]
    rest = {key: value for key, value in document.items() if key not in scope_names}
    head, attributes = reader.members(rest)
    for name in scope_names:
        attributes[SCOPE] = _scopes(document[name], (name,))
    return Evolution(
        id=head.get("id"),
        types=head.get("type", ()),
        attributes={name: instances for name, instances in attributes.items() if instances},
    )


def parse_evolution_attribute(name: str, document: Any, context: Context) -> tuple[str, list[Instance]]:
    """Read the instances of one attribute: its IRI, and what the document says of it (§5.6.14.3)."""
    evolution = parse_evolution({name: document}, context)
    ((iri, instances),) = evolution.attributes.items() or ((context.expand_name(name), []),)
    return iri, instances


class _EvolutionParser(Parser):
    __slots__ = ()

    def attribute(self, value: Any, path: Path, depth: int) -> list[Instance]:
        if depth == 0:
            if value == []:
                return []
            pairs = _from_pairs(value, path)
            if pairs is not None:
                value = pairs
        return super().attribute(value, path, depth)

    def check_datasets(self, instances: list[Instance], path: Path) -> None:
        if (
            len(path) > 1
        ):  # of the entity's own attributes each instance has a time, not a dataset, of its own
            super().check_datasets(instances, path)


def _from_pairs(value: Any, path: Path) -> list[dict[str, Any]] | None:
    """The instances of an attribute in the simplified form, or None if it is in another."""
    if not isinstance(value, dict):
        return None
    name = next((name for name in _PAIRS if name in value), "")
    kinds, member, wrapped = _PAIRS.get(name, ((), "", False))
    if value.get("type") not in kinds or not value.keys() <= {"type", name, "datasetId"}:
        return None
    pairs = value[name]
    if not isinstance(pairs, list):
        raise bad((*path, name), "a list of [value, time] is expected (§4.5.9)")
    details = {key: value[key] for key in ("type", "datasetId") if key in value}
    instances = []
    for index, pair in enumerate(pairs):
        if not isinstance(pair, list) or len(pair) != 2:
            raise bad((*path, name, index), "[value, time] is expected (§4.5.9)")
        said, at = pair
        if wrapped:
            if not isinstance(said, dict) or said.keys() != {member}:
                raise bad(
                    (*path, name, index), f"the value is an object with the one member {member!r} (§4.5.9)"
                )
            said = said[member]
        instances.append({**details, member: said, "observedAt": at})
    return instances


def _scopes(value: Any, path: Path) -> list[Instance]:
    """The scopes over time; plainly given ones hold from now on."""
    many = value if isinstance(value, list) else [value]
    if not any(isinstance(one, dict) for one in many):
        return [{"type": "Property", "value": list(check_scopes(value, path))}]
    return [_scope(one, (*path, index) if many is value else path) for index, one in enumerate(many)]


def _scope(instance: Any, path: Path) -> Instance:
    if (
        not isinstance(instance, dict)
        or "value" not in instance
        or instance.get("type", "Property") != "Property"
    ):
        raise bad(path, "scope over time is a list of Properties (§4.5.6)")
    value = instance["value"]
    scopes = [] if value == [] else list(check_scopes(value, (*path, "value")))
    made: Instance = {"type": "Property", "value": scopes}
    if "observedAt" in instance:
        made["observedAt"] = check_time(instance["observedAt"], (*path, "observedAt"))
    return made
