"""What comes in without being acknowledged: MQTT with QoS 0, against core NATS and straight SQL."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from .figures import Comparison, Taken, compared
from .jobs import CoreJob, FloodJob

if TYPE_CHECKING:
    from .broker import Bench

_ATTRIBUTES = 5
_SILENCE = 1.5  # seconds without a change after which the last one was the last
_PATIENCE = 60.0
_LAST = "SELECT last_value FROM tenant_city.change_id"
_VALUES = "SELECT count(*) FROM tenant_city.history"


def without_acknowledgement(bench: Bench) -> Comparison:
    """Five attributes a message, offered at a rate above the aim; what was committed, and what was lost on the way."""
    plan = bench.plan
    port, user, password = bench.installed.nats()
    common: dict[str, Any] = {
        "connections": plan.connections,
        "seconds": plan.few_seconds,
        "entities": plan.entities,
        "attributes": _ATTRIBUTES,
    }
    product, raw, rows = bench.in_turns(
        plan.few_rounds,
        [
            lambda: _flood(
                bench,
                FloodJob(port=bench.installed.mqtt_port, rate=plan.offered, seed=bench.next_seed(), **common),
            ),
            lambda: bench.take(
                CoreJob(port=port, user=user, password=password, seed=bench.next_seed(), **common)
            ),
            bench.raw_rows,
        ],
    )
    return compared(
        "MQTT QoS 0 → committed (5)",
        "messages/s",
        plan.connections,
        product,
        raw,
        "core NATS, one subscriber",
        rows=rows,
        rows_factor=bench.at_once,
        latencies=False,
    )


def _flood(bench: Bench, job: FloodJob) -> Taken:
    """From the first message to the last commit. What QoS 0 lost is a figure, not an error."""
    before = asyncio.run(_count(bench.installed.url))
    taken = bench.take(job)
    sent = taken.load.done
    ended = asyncio.run(_until_silent(bench.installed.url))
    committed = (asyncio.run(_count(bench.installed.url)) - before) // _ATTRIBUTES
    load = msgspec.structs.replace(
        taken.load,
        done=committed,
        seconds=max(ended - taken.load.begun, 0.001),
        extra={"sent_per_s": sent / taken.load.seconds, "lost_percent": 100 * (1 - committed / max(1, sent))},
    )
    if committed > sent:
        load.errors, load.complaint = committed - sent, "more messages were committed than sent"
    return Taken(load, taken.before, bench.installed.costs())


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url)
    number = int(await connection.fetchval(_VALUES))
    await connection.close()
    return number


async def _until_silent(url: str) -> float:
    """When the last change was committed (time.time()), as far as one who asks every 20 ms can tell."""
    connection = await asyncpg.connect(url)
    deadline = time.time() + _PATIENCE
    last, changed = -1, time.time()
    while time.time() < min(deadline, changed + _SILENCE):
        now = int(await connection.fetchval(_LAST))
        if now != last:
            last, changed = now, time.time()
        await asyncio.sleep(0.02)
    await connection.close()
    return changed
