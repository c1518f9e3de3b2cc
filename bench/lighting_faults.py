"""What faults cost: 50,000 lamps report every five minutes and 1 % of them have a fault. Share of one core.

From changes as the bus brings them (encoded) to findings and what they amount to, in this process; what the house
does before (taking a report in, telling the change) is measured by `python -m bench broker`. Rows are written for what
begins and ends only, and are not part of it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np

from rhinecloud.apps.lighting.faults import reading
from rhinecloud.apps.lighting.faults.detectors import Detectors
from rhinecloud.apps.lighting.faults.judging import Lamps
from rhinecloud.apps.lighting.faults.kinds import Kind
from rhinecloud.apps.lighting.faults.relating import Grid, Place, Relating, Single
from rhinecloud.city import Change
from rhinecloud.model import CORE

_EVERY: Final = 300.0  # seconds between the reports of a lamp
_ROUNDS: Final = 6  # the first finds nothing, the others what lasts
_LIST: Final = 200  # changes that come together
_NIGHT: Final = datetime(2026, 1, 10, 21, 0, tzinfo=UTC).timestamp()
_STREETLIGHT: Final = CORE.expand_type("Streetlight")


class Result(msgspec.Struct, frozen=True):
    """`seconds`: of processor for all reports of `_EVERY` seconds, the median of the rounds; `share` of one core.
    `sweep_s`: one look for what is silent."""

    lamps: int
    found: int
    seconds: float
    share: float
    decoding_s: float
    sweep_s: float


def run(lamps: int) -> Result:
    """Measure."""
    generator = np.random.default_rng(20_26)
    broken = set(generator.choice(lamps, lamps // 100, replace=False).tolist())
    ids = [f"urn:ngsi-ld:Streetlight:duisburg-{number:05}" for number in range(lamps)]
    rows = {lamp: number for number, lamp in enumerate(ids)}
    places = {lamp: Place(f"f{number // 40}", f"c{number // 100}") for number, lamp in enumerate(ids)}
    grid, relating = Grid(places, ids), Relating()
    detectors = Detectors(
        Lamps(
            longitude=np.full(lamps, 6.76),
            latitude=np.full(lamps, 51.43),
            rated=np.full(lamps, 60.0),
            begun=np.full(lamps, _NIGHT),
        )
    )
    decoder = msgspec.json.Decoder(Change)
    spent, decoding, sweeps, found = [], [], [], 0
    signs: dict[tuple[str, Kind], Single] = {}
    for number in range(_ROUNDS):
        told = [_told(ids[lamp], number, lamp, lamp in broken) for lamp in range(lamps)]
        begun, decoded = time.process_time(), 0.0
        for start in range(0, lamps, _LIST):
            before = time.process_time()
            changes = [decoder.decode(one) for one in told[start : start + _LIST]]
            decoded += time.process_time() - before
            now = _NIGHT + number * _EVERY + _EVERY
            reports = [one for change in changes if (one := reading.report(change, now)) is not None]
            columns = reading.columns(reports, rows)
            columns = msgspec.structs.replace(
                columns,
                target=np.full(len(reports), 100.0),
                most=np.full(len(reports), 100.0),
                target_since=np.full(len(reports), _NIGHT - 7_200.0),
            )
            findings = detectors.take(columns)
            for one in findings:
                if one.begins:
                    signs[ids[one.row], one.kind] = Single(ids[one.row], one.kind, one.at)
            if findings:
                relating.relate(signs.values(), grid, now)
            found += len(findings)
        spent.append(time.process_time() - begun)
        decoding.append(decoded)
        before = time.process_time()
        detectors.sweep(_NIGHT + number * _EVERY + _EVERY, np.full(lamps, -np.inf))
        sweeps.append(time.process_time() - before)
    seconds = float(np.median(spent))
    return Result(
        lamps, found, seconds, seconds / _EVERY, float(np.median(decoding)), float(np.median(sweeps))
    )


def _told(lamp: str, number: int, row: int, broken: bool) -> bytes:
    at = (
        datetime.fromtimestamp(_NIGHT + number * _EVERY + row % 300 * 0.9, UTC)
        .isoformat()
        .replace("+00:00", "Z")
    )

    def one(value: object) -> list[dict[str, object]]:
        return [{"type": "Property", "value": value, "observedAt": at}]

    attributes = {
        CORE.expand_term("illuminanceLevel"): one(1.0),
        CORE.expand_term("powerState"): one("on"),
        CORE.expand_term("powerConsumption"): one(0.3 if broken else 59.0),
        CORE.expand_term("temperature"): one(41.5),
    }
    entity = {"id": lamp, "types": [_STREETLIGHT], "attributes": attributes}
    change = {
        "entityId": lamp,
        "types": [_STREETLIGHT],
        "operation": "update",
        "attributes": list(attributes),
        "entity": entity,
        "old": attributes,
        "id": number * 100_000 + row,
        "at": at,
    }
    return msgspec.json.encode(change)


def table(result: Result) -> str:
    """For reading, beside what the project aims at."""
    return "\n".join(
        (
            f"{result.lamps:,} lamps, a report each in {_EVERY:.0f} s, 1 % with a fault ({result.found} found)",
            f"processor   {result.seconds:6.2f} s, of which decoding {result.decoding_s:.2f} s",
            f"one core    {result.share:6.1%}   aim < 20 % (with what the house needs before)",
            f"one sweep   {result.sweep_s * 1e3:6.1f} ms",
        )
    )
