"""`python -m bench lighting`: light on demand in the field, class by volume, and energy against usefulness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from . import lighting_chart, lighting_evidence, lighting_field, lighting_volume
from .lighting_evidence import Evidence
from .lighting_field import Field
from .lighting_volume import Volume

PARTS = ("field", "volume", "evidence")

_DATA = Path(__file__).parents[2] / "shared" / "data" / "traffic"
_MOERS = "moers_roemerstrasse_2016-10.txt"
_MUENSTER = "muenster"


class Result(msgspec.Struct, kw_only=True):
    """What was measured; None: not asked for, or skipped for want of data, which `skipped` then says."""

    field: Field | None = None
    volume: list[Volume] | None = None
    evidence: list[Evidence] | None = None
    skipped: list[str] = []


def run(
    quick: bool, only: frozenset[str], chart: Path | None, say: Callable[[str], None], data: Path = _DATA
) -> Result:
    """Measure the parts that are asked for (all, if none is named); `chart`: where to write the held-out night's."""
    result = Result(skipped=[])
    wanted = only or frozenset(PARTS)
    if "field" in wanted:
        say("tables and reactions")
        result.field = lighting_field.run(quick)
    if "volume" in wanted and _there(data / _MUENSTER, result):
        say("class by volume")
        result.volume = lighting_volume.run(data / _MUENSTER)
    if "evidence" in wanted and _there(data / _MOERS, result):
        result.evidence = lighting_evidence.run(data / _MOERS, quick, say)
        if chart is not None:
            chart.write_text(lighting_chart.chart(result.evidence[0]))
    return result


def table(result: Result) -> str:
    """Everything as text."""
    parts = [f"SKIPPED: {one}" for one in result.skipped]
    if result.field is not None:
        parts.append(lighting_field.table_of(result.field))
    if result.volume is not None:
        parts.append(lighting_volume.table(result.volume))
    if result.evidence is not None:
        parts.append(lighting_evidence.table(result.evidence))
    return "\n\n".join(parts)


def _there(path: Path, result: Result) -> bool:
    if not path.exists():
        result.skipped.append(f"the traffic data are not there ({path.name} in shared/data/traffic)")
    return path.exists()
