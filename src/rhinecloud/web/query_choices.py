"""What conditions can be about: the attributes of some entities, with the languages, sub-attributes, times and datasets
that their instances have, each by its path as in q."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rhinecloud.model import CORE
from rhinecloud.model.query_language import print_path
from rhinecloud.model.query_tree import AttributePath

from .names import short
from .values import Shown, rows

_MOST = 300
_ANY_LANGUAGE = "*"


class Choice(msgspec.Struct, frozen=True):
    """A path that can be chosen: its text in q, how people read it, the form of its values, the sign of their unit."""

    path: AttributePath
    text: str
    label: str
    form: str
    unit: str = ""

    @property
    def name(self) -> str:
        """The attribute as a request names it in lists."""
        return CORE.compact_iri(self.path.attribute)

    @property
    def is_attribute(self) -> bool:
        """Whether it is a whole attribute."""
        return not (self.path.sub_path or self.path.json_path)


def of_entities(attributes: Iterable[Mapping[str, list[dict[str, Any]]]]) -> list[Choice]:
    """What these entities have, by name: each attribute, and after it what lies within."""
    found: dict[AttributePath, Choice] = {}
    for entity in attributes:
        for row in rows(entity):
            for choice in _of_row(row, AttributePath(row.iri)):
                found.setdefault(choice.path, choice)
    whole = [choice for choice in found.values() if choice.is_attribute]
    whole.sort(key=lambda one: one.name.casefold())
    ordered: list[Choice] = []
    for one in whole:
        within = [c for c in found.values() if c.path.attribute == one.path.attribute and not c.is_attribute]
        ordered += [one, *sorted(within, key=lambda c: c.label.casefold())]
    return ordered[:_MOST]


def _of_row(row: Shown, path: AttributePath) -> list[Choice]:
    found = [_choice(path, row.form, row.unit)]
    if row.form == "languages" and isinstance(row.value, list):
        tags = (_ANY_LANGUAGE, *(tag for tag, _ in row.value))
        found += [_choice(msgspec.structs.replace(path, json_path=(tag,)), "text") for tag in tags]
    if row.observed_at is not None:
        found.append(_choice(_within(path, "observedAt"), "moment"))
    if row.dataset is not None:
        found.append(_choice(_within(path, "datasetId"), "links"))
    for part in row.parts:
        found += _of_row(part, _within(path, part.iri))
    return found


def _within(path: AttributePath, name: str) -> AttributePath:
    return msgspec.structs.replace(path, sub_path=(*path.sub_path, name))


def _choice(path: AttributePath, form: str, unit: str = "") -> Choice:
    label = " › ".join(map(short, (path.attribute, *path.sub_path, *path.json_path)))
    return Choice(path, print_path(path, CORE), label, form, unit)


def told(instance: Any, path: AttributePath) -> Any:
    """What an attribute of an answer says at a path: the sub-attribute, the member, the text of a language."""
    if isinstance(instance, list):
        return [told(one, path) for one in instance]
    for name in path.sub_path:
        instance = instance.get(CORE.compact_iri(name)) if isinstance(instance, dict) else None
    for member in path.json_path:
        texts = instance.get("languageMap", instance.get("value")) if isinstance(instance, dict) else None
        instance = (
            texts if member == _ANY_LANGUAGE else texts.get(member) if isinstance(texts, dict) else None
        )
    return instance
