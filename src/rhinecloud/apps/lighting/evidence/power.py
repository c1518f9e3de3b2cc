"""The electric power of a lamp at a level. An assumption, stated: no lamp was measured."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Luminaire(msgspec.Struct, frozen=True, kw_only=True):
    """Watts. A lit LED luminaire takes `fixed` of its rated power whatever its level, and the rest in proportion to it.
    `controller`: what a node that can be spoken to takes day and night; `sensor`: what one more sensor takes."""

    rated: float = 62.0
    fixed: float = 0.05
    controller: float = 0.5
    sensor: float = 0.4

    def power(self, level: Floats) -> Floats:
        """Of the light alone, at levels in percent."""
        lit = self.rated * (self.fixed + (1.0 - self.fixed) * np.clip(level, 0.0, 100.0) / 100.0)
        return np.where(level > 0, lit, 0.0)


def energy(
    light: Luminaire, levels: Floats, step: float, *, networked: bool, sensors: int, hours: float
) -> float:
    """Kilowatt-hours of lamps whose levels (lamps × steps of `step` seconds) are known while it is dark, in `hours` in
    all: beyond the steps the light is off, and what stands by goes on."""
    lit = float(light.power(levels).sum()) * step / 3.6e6
    standing = (light.controller * levels.shape[0] if networked else 0.0) + light.sensor * sensors
    return lit + standing * hours / 1000.0
