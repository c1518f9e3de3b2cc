"""What people read in place of IRIs, and the plain value of an attribute instance."""

from __future__ import annotations

from typing import Any

from rhinecloud.model import CORE, VALUE_MEMBER

NAME = CORE.expand_term("name")


def short(iri: str) -> str:
    """The term of an IRI, else its last part; for people, not unique."""
    term = CORE.compact_iri(iri)
    if term != iri and "://" not in term:
        return term
    tail = iri.rstrip("/#").rpartition("#")[2].rpartition("/")[2]
    return tail or iri


def local_part(entity_id: str) -> str:
    """The last part of an id, for headings."""
    return entity_id.rpartition(":")[2] or entity_id


def plain_value(instance: Any) -> Any:
    """The value that an attribute instance carries; a language map gives its German, else its first text.

    A value that is no instance is returned as it is, but for a bare language map.
    """
    if not isinstance(instance, dict):
        return instance
    if "type" not in instance:
        texts = all(isinstance(text, str) for text in instance.values())
        return (instance.get("de") or next(iter(instance.values()), None)) if texts else instance
    member = VALUE_MEMBER.get(instance["type"])
    value = instance.get(member) if member else None
    if member == "languageMap" and isinstance(value, dict):
        return value.get("de") or next(iter(value.values()), None)
    return short(value) if member == "vocab" and isinstance(value, str) else value
