"""Mapping files: which column of a source becomes which attribute of which entity."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec

SHIPPED = Path(__file__).parent / "mappings"
Kind = Literal["Property", "Relationship", "LanguageProperty"]
ValueType = Literal["as_is", "text", "number", "integer", "boolean", "datetime"]


class MappingError(Exception):
    """A mapping file that cannot be used; the text says where and why."""


class Attribute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one attribute is made. Exactly one of `column`, `template`, `constant` and `members` says from what."""

    column: str | None = None
    template: str | None = None
    constant: Any = None
    members: dict[str, str] | None = None  # of an object: name → template
    kind: Kind = "Property"
    type: ValueType = "as_is"
    unit: str | None = None  # UN/CEFACT code
    scale: float | None = None  # value = number in the source × scale + offset
    offset: float = 0.0
    values: dict[str, Any] | None = None  # text in the source → value
    split: str | None = None  # the text is a list with this between its parts, and so is the value
    language: str = "de"  # of a LanguageProperty
    observed_at: str | None = None  # column with the time of observation
    required: bool = False  # a record without it is rejected


class Geometry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the geometry stands: WKT or GeoJSON in `column`, or numbers in `x` and `y`.

    A GeoJSON feature's own geometry needs neither.
    """

    column: str | None = None
    x: str | None = None  # easting or longitude
    y: str | None = None  # northing or latitude
    crs: str = "EPSG:4326"  # always read as x, y: easting, northing; longitude, latitude
    attribute: str = "location"
    decimals: int = 7  # degrees; 7 are a centimetre
    required: bool = True


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the file is written, where it cannot be seen from its name and first lines."""

    format: Literal["csv", "geojson", "ndjson"] | None = None
    delimiter: str | None = None
    encoding: str = "utf-8-sig"


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records that are left out: those whose `column` is one of these, is none of these, or is empty."""

    column: str
    equals: list[str] | None = None
    differs: list[str] | None = None
    empty: bool = False


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole mapping file."""

    type: str
    id: str = "urn:ngsi-ld:{type}:{id}"
    context: str | list[str] | None = None
    scope: str | None = None
    mode: Literal["update", "replace"] = "update"
    empty: tuple[str, ...] = ("",)  # texts that mean: no value
    others: bool = False  # every column that is not mentioned becomes an attribute of its own name
    source: Source = Source()
    geometry: Geometry | None = None
    attributes: dict[str, Attribute] = {}
    skip: list[Rule] = []


def load(name: str, kind: str | None = None) -> Mapping:
    """A mapping from a TOML or JSON file, or a shipped one by its bare name. Raises MappingError.

    `kind` replaces the entity type that the file says.
    """
    path = Path(name)
    if not path.exists():
        path = SHIPPED / f"{name}.toml"
        if not path.exists():
            shipped = ", ".join(sorted(found.stem for found in SHIPPED.glob("*.toml")))
            raise MappingError(f"There is no mapping file {name}. Shipped are: {shipped}.")
    try:
        text = path.read_text("utf-8-sig")
        document = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
        if kind is not None:
            document["type"] = kind
        return check(msgspec.convert(document, Mapping))
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{path} cannot be read: {error}") from None
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, TypeError) as error:
        raise MappingError(f"{path}: {error}") from None
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from None


def check(mapping: Mapping) -> Mapping:
    """The mapping, if its parts agree. Raises MappingError."""
    for name, attribute in mapping.attributes.items():
        sources = (attribute.column, attribute.template, attribute.constant, attribute.members)
        if sum(source is not None for source in sources) != 1:
            raise MappingError(f"attributes.{name} needs one of column, template, constant and members")
        if attribute.scale is not None and attribute.type not in ("number", "integer", "as_is"):
            raise MappingError(f"attributes.{name}: only numbers have a scale")
        if attribute.split is not None and split_column(attribute) is None:
            raise MappingError(f"attributes.{name}: split needs a column, or a template with one")
    geometry = mapping.geometry
    if geometry is not None and (geometry.x is None) != (geometry.y is None):
        raise MappingError("geometry needs both x and y")
    if geometry is not None and geometry.column is not None and geometry.x is not None:
        raise MappingError("geometry has either a column or x and y")
    for rule in mapping.skip:
        if (rule.equals is not None) + (rule.differs is not None) + rule.empty != 1:
            raise MappingError(f"skip of {rule.column} needs one of equals, differs and empty = true")
    return mapping


_PLACE = re.compile(r"\{([^{}]+)\}")


def split_column(attribute: Attribute) -> str | None:
    """The column whose text is split."""
    if attribute.column is not None:
        return attribute.column or None
    mentioned = columns_of(attribute.template or "")
    return mentioned[0] if attribute.split and len(mentioned) == 1 else None


def columns_of(template: str) -> list[str]:
    """The columns that a template mentions."""
    return _PLACE.findall(template)


def fill(template: str, record: dict[str, Any], *, uri: bool) -> str | None:
    """A template with each `{column}` replaced; None if one of them has no value.

    For a URI whatever may not stand in one is percent-encoded.
    """
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        given = record.get(found[1])
        if given is None or given == "":
            missing = True
            return ""
        text = str(given)
        return quote(text, safe="-._~:@!$&'()*+,;=/") if uri else text

    filled = _PLACE.sub(value, template)
    return None if missing else filled
