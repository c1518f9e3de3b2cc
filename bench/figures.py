"""Figures of a run and how they are made from rounds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import msgspec

from .installation import Costs, Memory
from .jobs import Load

PARTS = ("worker", "postgresql", "nats")


class Taken(msgspec.Struct, frozen=True):
    """A load, and the CPU time of the installation before and after it."""

    load: Load
    before: Costs
    after: Costs


class Side(msgspec.Struct, kw_only=True):
    """One side of a comparison: medians over its rounds. `rate` is in the comparison's unit, latencies in ms,
    `cpu_ms` is CPU time of each part for one request in ms."""

    rate: float
    rates: list[float]
    p50_ms: float
    p99_ms: float
    done: int
    errors: int
    complaint: str
    cpu_ms: dict[str, float]


class Comparison(msgspec.Struct, kw_only=True):
    """The product against raw limits; a ratio is the median of the ratios of the rounds. `rows` writes every row
    that the product writes, `raw` the state alone. `latencies` says whether the product's p50 and p99 mean anything."""

    name: str
    unit: str
    connections: int
    product: Side
    raw: Side
    raw_name: str
    ratio: float
    rows: Side | None = None
    ratio_rows: float | None = None
    latencies: bool = True

    @property
    def errors(self) -> int:
        """Of all sides."""
        return self.product.errors + self.raw.errors + (self.rows.errors if self.rows is not None else 0)


class Starts(msgspec.Struct, kw_only=True):
    """Seconds from the command to the first answered query."""

    cold: float
    warm: float
    warm_all: list[float]


class Result(msgspec.Struct, kw_only=True):
    """Everything `--json` writes. Memory in MB (10⁶ bytes), `loading` in entities a second, `one_by_one` in ms."""

    machine: dict[str, Any]
    plan: dict[str, Any]
    starts: Starts
    memory_idle: Memory
    memory_loaded: Memory
    loading: float
    comparisons: list[Comparison]
    one_by_one: dict[str, float]
    errors: int
    seconds: float


def compared(
    name: str,
    unit: str,
    connections: int,
    product: Sequence[Taken],
    raw: Sequence[Taken],
    raw_name: str,
    *,
    rows: Sequence[Taken] = (),
    factor: int = 1,
    latencies: bool = True,
) -> Comparison:
    """A comparison of rounds that were taken in pairs; `factor` is how much of the unit one request carries."""
    return Comparison(
        name=name,
        unit=unit,
        connections=connections,
        product=_side(product, factor),
        raw=_side(raw, factor),
        raw_name=raw_name,
        ratio=_ratio(product, raw),
        rows=_side(rows, factor) if rows else None,
        ratio_rows=_ratio(product, rows) if rows else None,
        latencies=latencies,
    )


def _ratio(product: Sequence[Taken], raw: Sequence[Taken]) -> float:
    return median(
        p.load.rate / r.load.rate if r.load.rate else 0.0 for p, r in zip(product, raw, strict=True)
    )


def _side(taken: Sequence[Taken], factor: int) -> Side:
    loads = [one.load for one in taken]
    rates = [load.rate * factor for load in loads]
    cpu = {
        part: median(
            (getattr(one.after, part) - getattr(one.before, part)) / max(1, one.load.done) for one in taken
        )
        for part in PARTS
    }
    cpu["generator"] = median(load.generator_cpu / max(1, load.done) for load in loads)
    return Side(
        rate=median(rates),
        rates=[round(rate, 1) for rate in rates],
        p50_ms=median(load.p50 for load in loads) * 1e3,
        p99_ms=median(load.p99 for load in loads) * 1e3,
        done=sum(load.done for load in loads),
        errors=sum(load.errors for load in loads),
        complaint=next((load.complaint for load in loads if load.complaint), ""),
        cpu_ms={part: round(seconds * 1e3, 4) for part, seconds in cpu.items()},
    )
