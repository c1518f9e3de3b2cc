"""What light on demand costs: the neighbour tables of a city of 50,000 lamps, and one reaction in a field gateway."""

from __future__ import annotations

import math
import random
from time import perf_counter, process_time

import msgspec

from rhinecloud.apps.lighting.demand.neighbours import Detector, Lamps, encode, part, table
from rhinecloud.apps.lighting.demand.reacting import Detection, Reacting
from rhinecloud.apps.lighting.demand.roads import Position, Roads, Way

_WEST, _SOUTH = 6.63, 51.34
_BLOCK, _LAMPS_A_BLOCK = 120.0, 4  # metres between crossings, lamps on a side of a block
_EVERY = 3
_A_GATEWAY = 100


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of one core, milliseconds of the clock, bytes."""

    lamps: int
    detectors: int
    ways: int
    graph_seconds: float
    placing_seconds: float
    table_seconds: float
    table_bytes: int
    gateway_bytes: int
    gateway_detectors: int
    reactions: int
    reaction_p50_ms: float
    reaction_p99_ms: float
    most_kept: int


def run(quick: bool) -> Field:
    """A grid of streets with their lamps, then an hour of detections at one gateway of it."""
    blocks = 12 if quick else round(math.sqrt(50_000 / 2 / _LAMPS_A_BLOCK))
    ways, places, names = _grid(blocks)
    begun = process_time()
    roads = Roads(ways)
    graph = process_time() - begun
    begun = process_time()
    lamps = Lamps([f"urn:ngsi-ld:Streetlight:{i}" for i in range(len(places))], roads.place(places, names))
    placing = process_time() - begun
    detectors = [Detector(f"d{i}", places[i], names[i]) for i in range(0, len(places), _EVERY)]
    begun = process_time()
    whole = table(roads, lamps, detectors)
    tables = process_time() - begun
    middle = len(places) // 2
    mine = part(whole, set(lamps.ids[middle : middle + _A_GATEWAY]))
    times, most = _reactions(Reacting(mine), sorted(mine.detectors), 500 if quick else 20_000)
    return Field(
        lamps=len(places),
        detectors=len(detectors),
        ways=len(ways),
        graph_seconds=graph,
        placing_seconds=placing,
        table_seconds=tables,
        table_bytes=len(encode(whole)),
        gateway_bytes=len(encode(mine)),
        gateway_detectors=len(mine.detectors),
        reactions=len(times),
        reaction_p50_ms=times[len(times) // 2],
        reaction_p99_ms=times[len(times) * 99 // 100],
        most_kept=most,
    )


def _grid(blocks: int) -> tuple[list[Way], list[Position], list[str]]:
    """`blocks` streets each way, with a lamp every 30 m beside each."""
    ways: list[Way] = []
    places: list[Position] = []
    names: list[str] = []
    for street in range(blocks):
        for upright in (False, True):
            name = f"{'Längs' if upright else 'Quer'} {street}"
            course = [(along * _BLOCK, street * _BLOCK) for along in range(blocks + 1)]
            beside = [
                ((i + 0.5) * _BLOCK / _LAMPS_A_BLOCK, street * _BLOCK + 5.0)
                for i in range(blocks * _LAMPS_A_BLOCK)
            ]
            ways.append(Way(tuple(_degrees(*point, upright) for point in course), name))
            places += [_degrees(*point, upright) for point in beside]
            names += [name] * len(beside)
    return ways, places, names


def _degrees(x: float, y: float, upright: bool) -> Position:
    x, y = (y, x) if upright else (x, y)
    return _WEST + x / (111_195.0 * math.cos(math.radians(_SOUTH))), _SOUTH + y / 111_195.0


def _reactions(machine: Reacting, detectors: list[str], number: int) -> tuple[list[float], int]:
    """Milliseconds from a detection in to the changes out, rising; one detection every 0.2 s."""
    chance = random.Random(1)
    times, most, now = [], 0, 1.8e9
    for _ in range(number):
        now += chance.expovariate(5.0)
        one = Detection(
            chance.choice(detectors), now, "vehicle", chance.random() < 0.5, chance.uniform(5.0, 17.0)
        )
        begun = perf_counter()
        machine.detect(one, now)
        times.append((perf_counter() - begun) * 1e3)
        most = max(most, machine.kept)
    return sorted(times), most


def table_of(one: Field) -> str:
    """For a person."""
    return "\n".join(
        (
            f"city        {one.lamps:,} lamps on {one.ways} generated streets, {one.detectors:,} sensors",
            f"tables      graph {one.graph_seconds:.2f} s, lamps onto roads {one.placing_seconds:.2f} s, neighbours "
            f"{one.table_seconds:.2f} s of one core; {one.table_bytes / 1e6:.1f} MB of JSON",
            f"a gateway   {_A_GATEWAY} lamps, {one.gateway_detectors} sensors: {one.gateway_bytes / 1e3:.1f} kB",
            f"reaction    p50 {one.reaction_p50_ms:.3f} ms, p99 {one.reaction_p99_ms:.3f} ms from a detection to its "
            f"changes ({one.reactions:,}, one every 0.2 s); at most {one.most_kept} windows and wake-ups kept",
        )
    )
