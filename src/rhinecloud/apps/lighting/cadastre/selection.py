"""Which lamps are meant: by street, district, group, type, cabinet, place, drawn area, state. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec
import numpy as np
import numpy.typing as npt

from .fleet import Fleet, Indices
from .lamps import Lamp

Corner = tuple[float, float]  # longitude, latitude
Inside = Callable[[Lamp], bool]
STATES: Final = ("on", "off", "alarm", "silent")
_CORNERS: Final = 500
_LONGEST: Final = 200  # letters of a text
_REMEMBERED: Final = 32  # selections of a fleet


class Wrong(Exception):  # noqa: N818  # says what it is
    """A selection that cannot be read; the text is the name of its field."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """All that is given has to hold. `street` whatever is written large or small; `text` is a part of a name, an id or
    a post; `group` a switching group, `planned` the id of a group of planning (whose lamps `chosen` is told by
    `inside`), `fault` the number of a fault (likewise); `area` a polygon without its first corner
    repeated; `state` one of STATES."""

    street: str = ""
    district: str = ""
    group: str = ""
    model: str = ""
    cabinet: str = ""
    category: str = ""
    text: str = ""
    planned: str = ""
    fault: str = ""
    area: tuple[Corner, ...] = ()
    state: str = ""

    def query(self, **more: str) -> str:
        """The same for an address."""
        given = {
            name: getattr(self, name)
            for name in self.__struct_fields__
            if name != "area" and getattr(self, name)
        }
        if self.area:
            given["area"] = ";".join(f"{lon:.6f},{lat:.6f}" for lon, lat in self.area)
        return urlencode({**given, **{name: value for name, value in more.items() if value}})

    def still(self) -> Selection:
        """Without the state: the lamps that stay the same while states change."""
        return msgspec.structs.replace(self, state="")

    def is_all(self) -> bool:
        """Whether nothing is given."""
        return self == Selection()


def read(given: Mapping[str, str]) -> Selection:
    """From the fields of a form or an address. Raises Wrong."""
    texts = {}
    for name in ("street", "district", "group", "planned", "model", "cabinet", "category", "text"):
        text = given.get(name, "").strip()
        if len(text) > _LONGEST or not text.isprintable():
            raise Wrong(name)
        texts[name] = text
    fault = given.get("fault", "").strip()
    if fault and (len(fault) > 18 or not (fault.isascii() and fault.isdigit())):
        raise Wrong("fault")
    state = given.get("state", "")
    if state and state not in STATES:
        raise Wrong("state")
    return Selection(**texts, fault=fault, area=_area(given.get("area", "")), state=state)


def _area(text: str) -> tuple[Corner, ...]:
    if not text.strip():
        return ()
    corners = []
    for part in text.strip().split(";")[: _CORNERS + 1]:
        try:
            lon, lat = (float(number) for number in part.split(","))
        except ValueError:
            raise Wrong("area") from None
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise Wrong("area")
        corners.append((lon, lat))
    if not 3 <= len(corners) <= _CORNERS:
        raise Wrong("area")
    return tuple(corners)


def chosen(fleet: Fleet, selection: Selection, inside_group: Inside | None = None) -> Indices:
    """The indices of the selected lamps, in the order of the lamps."""
    found = np.ones(len(fleet.lamps), np.bool_)
    tests = _tests(selection)
    if inside_group is not None:
        tests.append(inside_group)
    if tests:
        found &= np.fromiter(
            (all(test(lamp) for test in tests) for lamp in fleet.lamps), np.bool_, len(fleet.lamps)
        )
    if selection.area:
        found &= inside(selection.area, fleet.lon, fleet.lat)
    if selection.state:
        found &= _in_state(fleet, selection.state)
    return np.flatnonzero(found)


def still_chosen(fleet: Fleet, selection: Selection, inside_group: Inside | None = None) -> Indices:
    """The same without the state, remembered for as long as the lamps are the same (those of a group of planning
    or of a fault are not: they may be others by now)."""
    if inside_group is not None:
        return chosen(fleet, selection.still(), inside_group)
    known = fleet.selected
    if (found := known.get(selection.still())) is None:
        if len(known) >= _REMEMBERED:
            known.pop(next(iter(known)))
        found = known[selection.still()] = chosen(fleet, selection.still())
    return found


def _tests(selection: Selection) -> list[Inside]:
    tests: list[Inside] = []
    if street := selection.street.casefold():
        tests.append(lambda lamp: lamp.street.casefold() == street)
    if selection.district:
        tests.append(lambda lamp: lamp.district == selection.district)
    if selection.group:
        tests.append(lambda lamp: selection.group in lamp.groups)
    if selection.model:
        tests.append(lambda lamp: lamp.model == selection.model)
    if selection.cabinet:
        tests.append(lambda lamp: lamp.cabinet == selection.cabinet)
    if selection.category:
        tests.append(lambda lamp: lamp.category == selection.category)
    if text := selection.text.casefold():
        tests.append(lambda lamp: text in f"{lamp.name}\n{lamp.pole}\n{lamp.id}".casefold())
    return tests


def _in_state(fleet: Fleet, state: str) -> npt.NDArray[np.bool_]:
    if state == "on":
        return fleet.is_on()
    if state == "off":
        return (fleet.power > 0) & ~fleet.is_on()
    return fleet.has_alarm() if state == "alarm" else fleet.power == 0


def inside(
    corners: tuple[Corner, ...], lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Which places are inside of a polygon (even-odd rule)."""
    found = np.zeros(len(lon), np.bool_)
    for (x, y), (next_x, next_y) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if y != next_y:
            crosses = (y > lat) != (next_y > lat)
            found ^= crosses & (lon < (next_x - x) * (lat - y) / (next_y - y) + x)
    return found


class Choices(msgspec.Struct, frozen=True):
    """What can be chosen, with the number of lamps of each, the most frequent words in the order of the alphabet."""

    streets: list[str]
    districts: list[tuple[str, int]]
    groups: list[tuple[str, int]]
    models: list[tuple[str, int]]
    cabinets: list[tuple[str, int]]
    categories: list[tuple[str, int]]


def choices(fleet: Fleet) -> Choices:
    """What the lamps offer for a selection."""
    lamps = fleet.lamps
    return Choices(
        streets=sorted({lamp.street for lamp in lamps if lamp.street}, key=str.casefold),
        districts=_counted(Counter(lamp.district for lamp in lamps), fleet),
        groups=_counted(Counter(group for lamp in lamps for group in lamp.groups), fleet),
        models=_counted(Counter(lamp.model or "" for lamp in lamps), fleet),
        cabinets=_counted(Counter(lamp.cabinet or "" for lamp in lamps), fleet),
        categories=_counted(Counter(lamp.category for lamp in lamps), fleet),
    )


def _counted(found: Counter[str], fleet: Fleet) -> list[tuple[str, int]]:
    named = [(one, number) for one, number in found.items() if one]
    return sorted(named, key=lambda pair: fleet.names.get(pair[0], pair[0]).casefold())
