"""Groups of lamps: by street, by area, by type, or lamp by lamp. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec

from rhinecloud.app import Text

from ..cadastre.lamps import Lamp
from ..control.problems import Problem, refused

Position = tuple[float, float]  # longitude, latitude
_MOST: Final = 100_000  # lamps, streets, … that a group names


class Streets(msgspec.Struct, frozen=True, tag="street", tag_field="kind"):
    """Lamps of these streets, whatever is written large or small."""

    streets: tuple[str, ...]


class Area(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="area", tag_field="kind"):
    """Lamps of these districts, and those within a drawn polygon (WGS 84, its first corner not repeated)."""

    districts: tuple[str, ...] = ()
    polygon: tuple[Position, ...] = ()


class Types(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="type", tag_field="kind"):
    """Lamps that stand in one of these categories (none: in all) and are of one of these models (none: of all)."""

    categories: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


class Single(msgspec.Struct, frozen=True, tag="static", tag_field="kind"):
    """These lamps, by their ids."""

    lamps: tuple[str, ...]


Selection = Streets | Area | Types | Single


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Lamps that are planned together. Who is in it follows from what is known of the lamps, when it is asked."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    name: Text
    selection: Selection


def selects(selection: Selection) -> Callable[[Lamp], bool]:
    """Whether a lamp is selected."""
    match selection:
        case Streets(streets):
            known = {one.casefold() for one in streets}
            return lambda lamp: lamp.street.casefold() in known
        case Area():
            districts = {one.casefold() for one in selection.districts}
            corners = selection.polygon
            return lambda lamp: (
                lamp.district.casefold() in districts
                or (bool(corners) and within(corners, lamp.lon, lamp.lat))
            )
        case Types():
            categories, models = frozenset(selection.categories), frozenset(selection.models)
            return lambda lamp: (
                (not categories or lamp.category in categories) and (not models or lamp.model in models)
            )
        case Single(lamps):
            ids = frozenset(lamps)
            return lambda lamp: lamp.id in ids


def members(group: Group, lamps: Sequence[Lamp]) -> list[Lamp]:
    """Who is in it, of these lamps."""
    inside = selects(group.selection)
    return [lamp for lamp in lamps if inside(lamp)]


def within(corners: Sequence[Position], lon: float, lat: float) -> bool:
    """Whether a place is inside a polygon (even-odd rule)."""
    inside = False
    for (x, y), (next_x, next_y) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (y > lat) != (next_y > lat) and lon < (next_x - x) * (lat - y) / (next_y - y) + x:
            inside = not inside
    return inside


def problems(group: Group) -> list[Problem]:
    """What is wrong with a group."""
    found = []
    if not all(one.strip() for one in group.name):
        found.append(
            refused("name", "Der Name fehlt (deutsch, englisch).", "The name is missing (German, English).")
        )
    named = _named(group.selection)
    if not named:
        found.append(refused("selection", "Die Gruppe wählt nichts aus.", "The group selects nothing."))
    if named > _MOST:
        found.append(refused("selection", f"Höchstens {_MOST} Angaben.", f"{_MOST} entries at the most."))
    if isinstance(group.selection, Area) and 0 < len(group.selection.polygon) < 3:
        found.append(
            refused(
                "selection.polygon",
                "Eine Fläche hat drei Ecken oder mehr.",
                "An area has three corners or more.",
            )
        )
    return found


def _named(selection: Selection) -> int:
    match selection:
        case Streets(streets):
            return len(streets)
        case Area():
            return len(selection.districts) + len(selection.polygon)
        case Types():
            return len(selection.categories) + len(selection.models)
        case Single(lamps):
            return len(lamps)
