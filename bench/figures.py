"""Figures of a run and how they are made from rounds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, Literal

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
    extra: dict[str, float] = {}


By = Literal["rate", "p50", "cpu"]


class Comparison(msgspec.Struct, kw_only=True):
    """The product against raw limits; a ratio is the median of the ratios of the rounds. `rows` writes every row
    that the product writes, `raw` the state alone. `latencies` says whether the product's p50 and p99 mean anything.
    `by` says of what the ratio is: rates (product / raw), or what is better when it is less (raw / product): the
    median latency, or the CPU time of the server for one unit."""

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
    by: By = "rate"

    @property
    def errors(self) -> int:
        """Of all sides."""
        return self.product.errors + self.raw.errors + (self.rows.errors if self.rows is not None else 0)


class Starts(msgspec.Struct, kw_only=True):
    """Seconds from the command to the first answered query."""

    cold: float
    warm: float
    warm_all: list[float]


class Viewing(msgspec.Struct, kw_only=True):
    """The worker's memory in MB with nobody looking, with all viewers there, and after they were told for a while;
    `rounds` of the last two."""

    viewers: int
    before: float
    gathered: float
    told: float
    rounds: list[tuple[float, float]]


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
    viewing: Viewing | None = None
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
    rows_factor: int | None = None,
    latencies: bool = True,
    by: By = "rate",
) -> Comparison:
    """A comparison of rounds that were taken in pairs; `factor` is how much of the unit one request carries
    (`rows_factor` if it is another one for the rows)."""
    rows_factor = factor if rows_factor is None else rows_factor
    return Comparison(
        name=name,
        unit=unit,
        connections=connections,
        product=_side(product, factor),
        raw=_side(raw, factor),
        raw_name=raw_name,
        ratio=_ratio(product, raw, by, 1.0),
        rows=_side(rows, rows_factor, rows_factor // factor) if rows else None,
        ratio_rows=_ratio(product, rows, by, factor / rows_factor) if rows else None,
        latencies=latencies,
        by=by,
    )


def _ratio(product: Sequence[Taken], raw: Sequence[Taken], by: By, factor: float) -> float:
    match by:
        case "rate":
            pairs = [(p.load.rate, r.load.rate) for p, r in zip(product, raw, strict=True)]
        case "p50":
            pairs = [(r.load.p50, p.load.p50) for p, r in zip(product, raw, strict=True)]
        case "cpu":
            pairs = [(_cpu(r), _cpu(p)) for p, r in zip(product, raw, strict=True)]
    return median(factor * upper / lower if lower else 0.0 for upper, lower in pairs)


def _cpu(taken: Taken) -> float:
    """Seconds of worker, PostgreSQL and NATS for one unit."""
    used = sum(getattr(taken.after, part) - getattr(taken.before, part) for part in PARTS)
    return used / max(1, taken.load.done)


def _side(taken: Sequence[Taken], factor: int, each: int = 1) -> Side:
    loads = [one.load for one in taken]
    rates = [load.rate * factor for load in loads]
    cpu = {
        part: median(
            (getattr(one.after, part) - getattr(one.before, part)) / max(1, one.load.done) / each
            for one in taken
        )
        for part in PARTS
    }
    cpu["generator"] = median(load.generator_cpu / max(1, load.done) / each for load in loads)
    return Side(
        rate=median(rates),
        rates=[round(rate, 1) for rate in rates],
        p50_ms=median(load.p50 for load in loads) * 1e3,
        p99_ms=median(load.p99 for load in loads) * 1e3,
        done=sum(load.done for load in loads),
        errors=sum(load.errors for load in loads),
        complaint=next((load.complaint for load in loads if load.complaint), ""),
        cpu_ms={part: round(seconds * 1e3, 4) for part, seconds in cpu.items()},
        extra={name: round(median(load.extra[name] for load in loads), 3) for name in loads[0].extra},
    )
