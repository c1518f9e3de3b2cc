"""What lamps should be doing, for comparison with what they tell: the targets of the plan that is applied."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from rhinecloud.city import City

from ..control.citywide import CityTargets
from ..planning import citynight
from ..planning.citynight import CityNight
from .judging import Floats, Reports

_LOOK_AGAIN: Final = 30.0  # seconds after which it is asked whether there is another plan
_LATE: Final = 900.0  # seconds; what is reported later is compared with no plan


class Expecting:
    """The targets of lamps by their rows. Where no plan speaks of a lamp nothing is expected of it but to be dark by
    day."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._night: CityNight | None = None
        self._asked = -1e18
        self._found: CityTargets | None = None
        self._of_row: NDArray[np.int64] = np.empty(0, np.int64)

    async def look(self, rows: Mapping[str, int], *, again: bool = False) -> None:
        """Read the plan anew if it is another, or `again` if the rows are."""
        now = self._city.clock.now()
        if not again and now.timestamp() - self._asked < _LOOK_AGAIN:
            return
        self._asked = now.timestamp()
        night = await citynight.renewed(self._city, self._night)
        if night is not self._night:
            self._night, again, self._found = night, True, None
        if again:
            self._of_row = np.full(len(rows), -1, np.int64)
            for index, row in enumerate(self._night.rows if self._night is not None else ()):
                if row.planned and row.lamp in rows:
                    self._of_row[rows[row.lamp]] = index

    def complete(self, told: Reports, *, on_demand: bool) -> Reports:
        """The reports with what was expected of each when it was made."""
        if self._night is None or not len(told.row):
            return told
        now = self._city.clock.now().timestamp()
        target, since, until = self._targets(told)
        if (until <= told.at).any() and (told.at > now - _LATE).any():
            at = float(told.at[until <= told.at].max())
            self._found = self._night.at(self._city, datetime.fromtimestamp(min(at, now), UTC))
            target, since, until = self._targets(told)
        then = (since <= told.at) & (told.at < until)
        target = np.where(then, target, np.nan)
        most = np.where((target > 0) & on_demand, 100.0, target)
        return msgspec.structs.replace(told, target=target, most=most, target_since=since)

    def _targets(self, told: Reports) -> tuple[Floats, Floats, Floats]:
        index = self._of_row[told.row]
        planned = index >= 0
        if self._found is None:
            nothing = np.full(len(told.row), np.nan)
            return nothing, nothing, np.where(planned, -np.inf, np.inf)
        found = self._found
        return (
            np.where(planned, found.level[index], np.nan).astype(np.float64),
            np.where(planned, found.since[index], np.nan),
            np.where(planned, found.until[index], np.inf),
        )
