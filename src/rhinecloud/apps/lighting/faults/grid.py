"""What feeds lamps, and whether it has power: feeders and cabinets of the graph.

A lamp's `feederID` (text, or the id of a StreetlightFeeder) and its cabinet. Of a StreetlightFeeder or a cabinet two
attributes are looked at: `powerState` (`on`, `off`: it says so now) and `permanentSupply` (false: it is off by day).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from rhinecloud.city import Change, City
from rhinecloud.model import CORE

from ..cadastre.lamps import Lamp
from .judging import Floats, elevation
from .relating import Place

_NAMES: Final = ("name", "powerState", "permanentSupply")
_IRIS: Final = tuple(map(CORE.expand_term, _NAMES))
_TYPES: Final = ("StreetlightFeeder", "StreetlightControlCabinet")
_SET: Final = -0.833  # degrees of elevation at which the sun has set
_STEP: Final = 300.0  # seconds between looks


class Supply(msgspec.Struct, frozen=True):
    """A feeder or cabinet. `since`: when it was switched on or off, as far as this knows (seconds since 1970)."""

    name: str = ""
    on: bool = True
    permanent: bool = True
    since: float = -np.inf


class Supplies:
    """Of the city."""

    def __init__(self) -> None:
        self._known: dict[str, Supply] = {}
        self._dark_since: NDArray[np.float64] = np.empty(0)

    async def read(self, city: City) -> None:
        """All of them."""
        for type in _TYPES:
            async for some in city.values(type, *_NAMES):
                for supply, values in some:
                    self._known[supply] = _supply(dict(zip(_NAMES, values, strict=True)), None, -np.inf)

    def note(self, change: Change) -> bool:
        """One changed; whether that may be a feeder or cabinet."""
        if change.entity is None:
            return self._known.pop(change.entity_id, None) is not None
        values = {
            name: next((one.get("value") for one in change.entity.attributes.get(iri) or ()), None)
            for name, iri in zip(_NAMES, _IRIS, strict=True)
        }
        at = np.datetime64(change.at[:19]).astype("datetime64[s]").astype(float) if change.at else -np.inf
        self._known[change.entity_id] = _supply(values, self._known.get(change.entity_id), float(at))
        return True

    def name(self, subject: str) -> str:
        """As staff call a feeder or cabinet."""
        known = self._known.get(subject)
        return known.name if known is not None and known.name else subject.rpartition(":")[2] or subject

    def place(self, lamp: Lamp) -> Place:
        """Numbers of feeders are unique within their cabinet only."""
        feeder = lamp.feeder
        if feeder is not None and not feeder.startswith("urn:"):
            feeder = f"{lamp.cabinet or lamp.district}:{feeder}"
        return Place(feeder, lamp.cabinet)

    def powered_since(self, facts: Sequence[Lamp], now: float) -> Floats:
        """Since when each has power (seconds since 1970; −∞: for ever), NaN while it has none."""
        since = np.full(len(facts), -np.inf)
        by_night = []
        for row, lamp in enumerate(facts):
            for name in (lamp.feeder, lamp.cabinet):
                supply = self._known.get(name) if name is not None else None
                if supply is None:
                    continue
                since[row] = max(since[row], supply.since) if supply.on else np.nan
                if not supply.permanent:
                    by_night.append(row)
        if by_night:
            rows = np.array(sorted(set(by_night)), np.int64)
            since[rows] = np.maximum(since[rows], _dark_since([facts[row] for row in rows], now))
        return since


def _supply(values: Mapping[str, Any], before: Supply | None, at: float) -> Supply:
    state, name = values["powerState"], values["name"]
    on = not (isinstance(state, str) and state.lower() == "off")
    same = before is not None and before.on == on
    return Supply(
        name=name if isinstance(name, str) else "",
        on=on,
        permanent=values["permanentSupply"] is not False,
        since=before.since if same and before is not None else at,
    )


def _dark_since(facts: Sequence[Lamp], now: float) -> Floats:
    """Since when the sun is down, to five minutes (NaN: it is up); −∞ where it was down all day."""
    longitude = np.array([lamp.lon for lamp in facts])
    latitude = np.array([lamp.lat for lamp in facts])
    since = np.full(len(facts), -np.inf)
    times = now - np.arange(0.0, 86_400.0, _STEP)
    # Lamps of one place share their sun; the city's first stands for those within a tenth of a degree.
    cells, of = np.unique(np.round(np.column_stack((longitude, latitude)), 1), axis=0, return_inverse=True)
    for number, (lon, lat) in enumerate(cells):
        up = elevation(np.full_like(times, lon), np.full_like(times, lat), times) > _SET
        found = np.nan if up[0] else (times[int(np.argmax(up)) - 1] if up.any() else -np.inf)
        since[of.reshape(-1) == number] = found
    return since
