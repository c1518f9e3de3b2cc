"""A street of lamps for the pure tests: they tell what they are made to tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from rhinecloud.apps.lighting.faults.detectors import Detectors, Finding
from rhinecloud.apps.lighting.faults.judging import Lamps, Reports
from rhinecloud.apps.lighting.faults.thresholds import Thresholds

NIGHT = datetime(2026, 1, 10, 22, 0, tzinfo=UTC).timestamp()
NOON = datetime(2026, 1, 10, 11, 30, tzinfo=UTC).timestamp()
RATED = 60.0
MINUTE = 60.0


def known(number: int, **columns: Any) -> Lamps:
    """Lamps in Duisburg, new, of 60 W."""
    values = {
        "longitude": np.full(number, 6.76),
        "latitude": np.full(number, 51.43),
        "rated": np.full(number, RATED),
        "begun": np.full(number, NIGHT),
    }
    return Lamps(**(values | {name: np.asarray(value, np.float64) for name, value in columns.items()}))


def watts(level: float) -> float:
    """What a new lamp without constant light output takes."""
    return RATED * (0.05 + 0.95 * level / 100) if level > 0 else 0.3


def reports(*told: Mapping[str, Any]) -> Reports:
    """One report of each; by default of lamp 0, at night, at 100 percent as planned long since."""
    nan = float("nan")

    def column(name: str, usual: Any, kind: Any = np.float64) -> Any:
        return np.array([one.get(name, usual) for one in told], kind)

    target = column("target", 100.0)
    return Reports(
        row=column("row", 0, np.int64),
        at=column("at", NIGHT),
        level=column("level", nan),
        power=column("power", nan),
        temperature=column("temperature", nan),
        says_defect=column("says_defect", False, np.bool_),
        impossible=column("impossible", False, np.bool_),
        target=target,
        most=np.array(
            [one.get("most", goal) for one, goal in zip(told, target.tolist(), strict=True)], np.float64
        ),
        target_since=column("target_since", -1e12),
    )


def over_time(
    detectors: Detectors, begin: float, minutes: int, every: float = 5.0, **told: Any
) -> list[Finding]:
    """The same told again and again, from `begin` for so many minutes."""
    found = []
    for step in range(int(minutes / every) + 1):
        found += detectors.take(reports({**told, "at": begin + step * every * MINUTE}))
    return found


def street(number: int = 1, limits: Thresholds | None = None, **columns: Any) -> Detectors:
    """Detectors of so many lamps."""
    return Detectors(known(number, **columns), limits)
