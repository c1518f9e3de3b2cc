"""Less light by counted traffic for lamps behind TALQ gateways, from the targets that the worker keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np

from rhinecloud.city import City

from ..control.citywide import CityTargets
from ..talq import lowering
from ..talq.lowering import Lowered, Told
from ..talq.overrides import WAKE
from . import citynight, traffic
from .citynight import CityNight

ACTOR: Final = "lighting"


async def tell(city: City, night: CityNight, found: CityTargets, now: datetime) -> Told:
    """Have gateways told what is another than they were told. Nothing if the targets are outdated."""
    wanted, by_hand = of_targets(night, found, now)
    async with city.transaction() as transaction:
        connection = transaction.connection
        if await citynight.mark(connection) != night.mark or await traffic.mark(connection) != night.traffic:
            return Told(0, 0, 0)
        told = await lowering.tell(connection, wanted, by_hand, now, ACTOR)
        # One line for all: who looks for one lamp finds it in its target and its override.
        if told.lowered or told.ended:
            detail = {"lowered": told.lowered, "ended": told.ended}
            await transaction.audit(ACTOR, "lighting.traffic.gateways", "talq-gateways", detail)
    if told.lowered or told.ended or told.renewed:
        await city.bus.tell(WAKE)
    return told


def of_targets(night: CityNight, found: CityTargets, now: datetime) -> tuple[Lowered, list[str]]:
    """Lamps behind gateways that traffic lowers, and those that somebody overrode."""
    hand = np.array([bool(why) and why[0].kind == "override" for why in found.reasons], np.bool_)
    lower = np.flatnonzero(night.behind & (found.lowered > now.timestamp()))
    moments = {end: datetime.fromtimestamp(end, UTC) for end in np.unique(found.lowered[lower]).tolist()}
    wanted = Lowered(
        lamp=[night.rows[index].lamp for index in lower.tolist()],
        level=np.ceil(found.level[lower]).astype(np.int64).tolist(),
        ends=[moments[end] for end in found.lowered[lower].tolist()],
    )
    overridden = np.flatnonzero(night.behind & hand[found.why]) if len(hand) else lower[:0]
    return wanted, [night.rows[index].lamp for index in overridden.tolist()]
