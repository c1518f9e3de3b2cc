"""Sensor zones as engineers set them up: who is in one follows from what is known of the lamps. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from rhinecloud.app import Text

from ..planning.groups import Selection
from .forms import Wrong, number
from .neighbours import Kind, Reacts, unmeant
from .passing import KINDS

MOST: Final = 500  # lamps of a zone when it is set up
_LONGEST: Final = 120  # letters of a name


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A zone: the lamps that are selected, the detectors that raise them (ids), and how lamps react to each kind."""

    id: str
    name: str
    selection: Selection
    detectors: tuple[str, ...]
    reacts: dict[Kind, Reacts]


def planned(
    id: str,
    given: Mapping[str, str],
    chosen: Collection[str],
    selection: Selection,
    known: Collection[str],
) -> Planned:
    """A zone from the fields of its form; `chosen` are the detectors that were ticked, `known` all of them. Raises
    Wrong."""
    found: list[Text] = []
    name = given.get("name", "").strip()
    if not 0 < len(name) <= _LONGEST or not name.isprintable():
        found.append(("ein Name mit 1 bis 120 Zeichen fehlt", "a name of 1 to 120 characters is missing"))
    if not chosen or not set(chosen) <= set(known):
        found.append(("ein Detektor fehlt", "a detector is missing"))
    reacts: dict[Kind, Reacts] = {}
    for kind in KINDS:
        if given.get(kind):
            reacts[kind] = Reacts(
                number(given.get(f"{kind}_level", "")), number(given.get(f"{kind}_hold", ""))
            )
            found += [one for one in unmeant(reacts[kind]) if one not in found]
    if not reacts:
        found.append(("auf wen die Zone reagiert, fehlt", "to whom the zone reacts is missing"))
    if found:
        raise Wrong(found)
    return Planned(id=id, name=name, selection=selection, detectors=tuple(sorted(set(chosen))), reacts=reacts)


def texts(one: Planned) -> dict[str, str]:
    """The same as the fields of its form."""
    given = {"name": one.name}
    for kind, reacts in one.reacts.items():
        given |= {kind: "on", f"{kind}_level": f"{reacts.level:g}", f"{kind}_hold": f"{reacts.hold:g}"}
    return given


USUAL: Final = {
    **{f"{kind}_level": "100" for kind in KINDS},
    "vehicle_hold": "60",
    "cyclist_hold": "60",
    "pedestrian_hold": "120",
}
