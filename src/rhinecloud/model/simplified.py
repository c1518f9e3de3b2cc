"""Merging what is written in the simplified representation (CIM 009 §4.5.4, §5.6.17, §6.5.3.4).

A simplified value says no type: it takes that of the attribute which it is merged into.
"""

from __future__ import annotations

from typing import Any, Final

from rhinecloud.model.attribute_members import VALUE_CHECKS, VALUE_MEMBER, Reading
from rhinecloud.model.attribute_parser import Instance, Parser
from rhinecloud.model.context import CORE, Context
from rhinecloud.model.entity import Fragment, fragment_of
from rhinecloud.model.errors import BadRequestData
from rhinecloud.model.geojson import is_geometry
from rhinecloud.model.values import NULL

_WRAPPED: Final = ({"languageMap"}, {"json"}, {"vocab"})
_READING: Final = Reading(CORE)


class _Simplified(Parser):
    """Objects are values, but for the three that name their type by their only member."""

    __slots__ = ()

    def is_instance(self, value: dict[str, Any], path: Any, *, strict: bool = True) -> bool:
        return value.keys() in _WRAPPED

    def are_instances(self, values: list[Any], path: Any) -> bool:
        return False


def parse_simplified(document: Any, context: Context) -> Fragment:
    """Read the body of a merge in the simplified representation; the NGSI-LD Null deletes. Raises BadRequestData."""
    return fragment_of(_Simplified(context, nulls=True, deep_nulls=True), document)


def in_language(current: Instance, patch: Instance, lang: str) -> Instance:
    """A patch whose value is a text, or several, said in a language, of an attribute that is a LanguageProperty; any
    other patch as it is."""
    value = patch.get("value")
    texts = value if isinstance(value, list) else [value]
    said = bool(texts) and all(isinstance(text, str) for text in texts) and value != NULL
    if current["type"] != "LanguageProperty" or patch.get("type") != "Property" or not said:
        return patch
    rest = {key: member for key, member in patch.items() if key not in ("type", "value")}
    return {"type": "LanguageProperty", "languageMap": {lang: value}, **rest}


def in_type_of(current: Instance, patch: Instance, name: str) -> Instance:
    """A simplified patch with the type of the instance that it is merged into. Raises BadRequestData where its value
    is none of that type."""
    kind, value = current["type"], patch.get("value")
    if patch["type"] == kind or value == NULL:
        return patch
    if patch["type"] == "GeoProperty" and kind == "Property" and is_geometry(value):
        return {**patch, "type": kind}
    if patch["type"] != "Property" or kind in ("LanguageProperty", "VocabProperty"):
        raise BadRequestData(f"the attribute is a {kind} and stays one", field=f"/{name}")
    member = VALUE_MEMBER[kind]
    return {"type": kind, member: VALUE_CHECKS[kind](_READING, value, (name,))}
