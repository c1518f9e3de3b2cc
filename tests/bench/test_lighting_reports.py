"""The bench of lamps that report: it runs through a served city and tells what it counted. How much, no test says."""

from __future__ import annotations

from pathlib import Path

from .running import quick


def test_it_runs_and_writes_its_figures(tmp_path: Path) -> None:
    _, figures = quick("lighting_reports", tmp_path)
    assert figures["lamps"] == 500 and figures["broken"] == 5 == figures["faults"]
    assert figures["share"]["worker"] > 0
