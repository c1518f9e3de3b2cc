"""From records to entities, by a mapping. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rhinecloud.gateways.importing.geometry import BadGeometry, reader
from rhinecloud.gateways.importing.mapping import (
    Attribute,
    Mapping,
    MappingError,
    columns_of,
    fill,
    split_column,
)
from rhinecloud.gateways.importing.records import Record

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TRUE = frozenset({"true", "1", "yes", "ja", "wahr", "t", "y", "j"})
_FALSE = frozenset({"false", "0", "no", "nein", "falsch", "f", "n"})


class Rejected(Exception):  # noqa: N818  # says what it is
    """A record that makes no entity; the text is the reason."""


class Skipped(Exception):  # noqa: N818  # says what it is
    """A record that a rule leaves out."""


def builder(mapping: Mapping) -> Callable[[Record], dict[str, Any]]:
    """A function from a record to an entity in concise NGSI-LD. It raises Rejected and Skipped.

    Raises MappingError.
    """
    geometry = None if mapping.geometry is None else reader(mapping.geometry)
    empty = frozenset(mapping.empty)
    mentioned = {a.column for a in mapping.attributes.values()} | set(columns_of(mapping.id))
    if mapping.geometry is not None:
        mentioned |= {mapping.geometry.column, mapping.geometry.x, mapping.geometry.y}

    def build(record: Record) -> dict[str, Any]:
        if record.problem is not None:
            raise Rejected(record.problem)
        values = {
            name: None if isinstance(value, str) and value in empty else value
            for name, value in record.values.items()
        }
        _apply_rules(mapping, values)
        identity = fill(mapping.id, {"type": mapping.type, "number": record.line, **values}, uri=True)
        if identity is None:
            raise Rejected(f"no id: a column of {mapping.id} has no value")
        entity: dict[str, Any] = {"id": identity, "type": mapping.type}
        if mapping.scope is not None:
            entity["scope"] = mapping.scope
        if geometry is not None and mapping.geometry is not None:
            try:
                place = geometry(values, record.geometry)
            except BadGeometry as error:
                raise Rejected(f"{mapping.geometry.attribute}: {error}") from None
            if place is not None:
                entity[mapping.geometry.attribute] = {"type": "GeoProperty", "value": place}
            elif mapping.geometry.required:
                raise Rejected(f"{mapping.geometry.attribute}: there is no geometry")
        for name, spec in mapping.attributes.items():
            try:
                attribute = _attribute(spec, values)
            except ValueError as error:
                raise Rejected(f"{name}: {error}") from None
            if attribute is not None:
                entity[name] = attribute
            elif spec.required:
                raise Rejected(f"{name}: there is no value")
        if mapping.others:
            for name, value in values.items():
                if (
                    name not in mentioned
                    and name not in entity
                    and value is not None
                    and _NAME.fullmatch(name)
                ):
                    entity[name] = {"type": "Property", "value": value}
        return entity

    return build


def _apply_rules(mapping: Mapping, values: dict[str, Any]) -> None:
    for rule in mapping.skip:
        if rule.column not in values:
            raise Rejected(f"there is no column {rule.column!r}, by which a rule decides")
        value = values[rule.column]
        text = "" if value is None else str(value)
        if (
            (rule.empty and value is None)
            or (rule.equals is not None and text in rule.equals)
            or (rule.differs is not None and text not in rule.differs)
        ):
            raise Skipped(rule.column)


def _attribute(spec: Attribute, values: dict[str, Any]) -> dict[str, Any] | None:
    value = _value(spec, values)
    if value is None:
        return None
    attribute: dict[str, Any]
    if spec.kind == "Relationship":
        attribute = {"type": "Relationship", "object": value}
    elif spec.kind == "LanguageProperty":
        attribute = {"type": "LanguageProperty", "languageMap": {spec.language: str(value)}}
    else:
        attribute = {"type": "Property", "value": value}
        if spec.unit is not None:
            attribute["unitCode"] = spec.unit
    if spec.observed_at is not None and values.get(spec.observed_at) is not None:
        attribute["observedAt"] = _datetime(str(values[spec.observed_at]))
    return attribute


def _value(spec: Attribute, values: dict[str, Any]) -> Any:
    column = split_column(spec) if spec.split is not None else None
    if column is None:
        return _single(spec, values)
    parts = [part.strip() for part in str(values.get(column) or "").split(spec.split)]
    return [_single(spec, {**values, column: part}) for part in parts if part] or None


def _single(spec: Attribute, values: dict[str, Any]) -> Any:
    if spec.constant is not None:
        return spec.constant
    if spec.members is not None:
        filled = {name: fill(template, values, uri=False) for name, template in spec.members.items()}
        return {name: text for name, text in filled.items() if text is not None} or None
    if spec.template is not None:
        given: Any = fill(spec.template, values, uri=spec.kind == "Relationship")
    else:
        assert spec.column is not None
        if spec.column not in values and spec.required:
            raise ValueError(f"there is no column {spec.column!r}")
        given = values.get(spec.column)
    if given is None:
        return None
    if spec.values is not None:
        if str(given) not in spec.values:
            raise ValueError(f"{given!r} is none of {', '.join(spec.values)}")
        return spec.values[str(given)]
    if spec.scale is not None or spec.type == "number":
        number = _number(given)
        scaled = number if spec.scale is None else number * spec.scale
        return _tidy(scaled + spec.offset)
    if spec.type == "integer":
        return _integer(given)
    return _CONVERSIONS[spec.type](given)


def _number(given: Any) -> float:
    if isinstance(given, bool):
        raise ValueError(f"{given} is no number")
    if isinstance(given, int | float):
        return given
    text = str(given)
    if "," in text and "." not in text:
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{given!r} is no number") from None
    if number - number != 0:  # infinite or not a number
        raise ValueError(f"{given!r} is no finite number")
    return number


def _tidy(number: float) -> float | int:
    """Without the noise of binary fractions: 0.1 × 3 is 0.3."""
    rounded = float(f"{number:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def _integer(given: Any) -> int:
    number = _number(given)
    if not float(number).is_integer():
        raise ValueError(f"{given!r} is no whole number")
    return int(number)


def _boolean(given: Any) -> bool:
    text = str(given).lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(f"{given!r} is neither true nor false")


def _datetime(given: Any) -> str:
    """RFC 3339 in UTC; a time without a zone counts as UTC, a date as its midnight."""
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        raise ValueError(f"{given!r} is no time such as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "as_is": lambda given: given,
    "text": str,
    "boolean": _boolean,
    "datetime": _datetime,
}

__all__ = ["MappingError", "Rejected", "Skipped", "builder"]
