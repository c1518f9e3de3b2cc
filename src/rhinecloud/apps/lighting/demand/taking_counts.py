"""One worker takes the counts of field gateways, and tells each what was taken: what it is not told, it tells again."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Final

from rhinecloud.city import City, Operation, Said, Unavailable
from rhinecloud.model import CORE

from . import store
from .computing import VIEW
from .counting import Count
from .field_counts import Refused, read
from .neighbours import decode
from .passing import Placed
from .telling import of_count

PROFILE: Final = "light-on-demand-gateway"
ALARM: Final = "counts_refused"
_WAITING: Final = 1_000  # messages; what does not fit is told again
_log = logging.getLogger(__name__)


async def serve(city: City) -> None:
    """Take them for as long as the city is served (a `Task`)."""
    waiting: deque[Said] = deque()
    some = asyncio.Event()

    def heard(said: Said) -> None:
        if len(waiting) < _WAITING:
            waiting.append(said)
            some.set()

    async with city.devices.hearing(PROFILE, heard):
        while True:
            await some.wait()
            some.clear()
            while waiting:
                said = waiting.popleft()
                try:
                    await take(city, said)
                except Unavailable as error:
                    _log.warning("counts of %s: %s", said.device, error or type(error).__name__)


async def take(city: City, said: Said) -> None:
    """One message: into the graph as a whole, once however often it comes, or an alarm that names the broken rule.
    Raises one of Unavailable: then nothing is told, and the gateway tells it again."""
    pool = city.db.pool
    if said.device not in {one.device for one in await store.gateways(pool)}:
        return
    part = await store.part(pool, f"field:{said.device}")
    own = () if part is None else decode(part.body).detectors
    detectors = await store.detectors(pool)
    try:
        begin, counts = read(said.payload, detectors, own, said.at)
    except Refused as refused:
        await city.devices.raise_alarm(said.device, ALARM, {"rule": refused.reason})
        return
    if counts:
        await city.broker.apply([_operation(said.device, one, detectors[one.detector]) for one in counts])
        await city.refresh(VIEW)
    await city.devices.clear_alarm(said.device, ALARM)
    await city.devices.tell({said.device: {"counts": begin}})


def _operation(gateway: str, count: Count, detector: Placed) -> Operation:
    """A late quarter goes to the history and leaves what is newer."""
    document: dict[str, Any] = of_count(count, detector)
    attributes = {
        CORE.expand_term(name): [value] for name, value in document.items() if name not in ("id", "type")
    }
    types = (CORE.expand_type(document["type"]),)
    delivery = f"demand:{gateway}:{count.begin}:{count.detector}:{count.kind}"
    return Operation("measure", document["id"], types, attributes=attributes, delivery=delivery)
