"""Instances of attributes and the patches that alter them (CIM 009 §5.5.8, §5.5.12). Pure: nothing given is changed.

In a patch the NGSI-LD Null takes a member or a sub-attribute away, and type and value may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rhinecloud.model.attribute_members import VALUE_MEMBER
from rhinecloud.model.attribute_parser import Instance
from rhinecloud.model.entity import is_null
from rhinecloud.model.errors import BadRequestData
from rhinecloud.model.values import NULL

_Alter = Callable[[Instance, Instance], Instance]


def completed(patch: Instance) -> Instance:
    """A patch of what is not there: a new instance, without its Nulls. BadRequestData if it lacks its value."""
    kind = patch.get("type", "")
    if VALUE_MEMBER.get(kind) not in patch:
        raise BadRequestData("what is not there yet needs a value, not only details of it")
    return _altered({}, patch, replaced)


def replaced(current: Instance, patch: Instance) -> Instance:
    """The partial update (§5.5.8): members and sub-attributes take the place of those that are there."""
    return _altered(current, patch, replaced)


def merged(current: Instance, patch: Instance) -> Instance:
    """The merge (§5.5.12): members are merged into each other as deep as objects go; a list takes the place of a
    list."""
    return _altered(current, patch, merged)


def says_nothing(instance: Instance) -> bool:
    """Whether a merge left a LanguageProperty without any text."""
    return instance.get("languageMap") == {}


def _altered(current: Instance, patch: Instance, alter: _Alter) -> Instance:
    result = dict(current)
    for key, value in patch.items():
        if ":" in key:  # a sub-attribute
            left = _instances(result.pop(key, ()), value, alter)
            if left:
                result[key] = left
        elif _is_null_value(value):
            result.pop(key, None)
        elif alter is merged and isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged_json(result[key], value)
        else:
            result[key] = _without_nulls(value)
    return result


def _instances(current: Iterable[Instance], patches: list[Instance], alter: _Alter) -> list[Instance]:
    """Instances of a sub-attribute after their patches, each by its datasetId."""
    found = {one.get("datasetId"): one for one in current}
    for patch in patches:
        dataset = patch.get("datasetId")
        before = found.get(dataset)
        if is_null({**before, **patch} if before and "type" not in patch else patch):
            found.pop(dataset, None)
        elif before is None or alter is replaced or patch.get("type", before["type"]) != before["type"]:
            found[dataset] = completed(patch)
        else:
            found[dataset] = merged(before, patch)
    return list(found.values())


def _merged_json(current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    result = dict(current)
    for key, value in patch.items():
        if _is_null_value(value):
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged_json(result[key], value)
        else:
            result[key] = _without_nulls(value)
    return result


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if not _is_null_value(one)}
    return value


def _is_null_value(value: Any) -> bool:
    return value in (NULL, [NULL], {"@none": NULL})
