"""The bench of lighting's schedules runs and tells what it measured. How fast anything is, no test says."""

from __future__ import annotations

from pathlib import Path

from .running import quick


def test_it_runs_and_writes_its_figures(tmp_path: Path) -> None:
    printed, figures = quick("lighting_schedules", tmp_path)
    assert "500 lamps, 365 nights" in printed
    assert figures["lamps"] == 500 and figures["alike"] > 20
    assert figures["schedules"]["processor_s"] > 0 and figures["targets"]["wall_s"] > 0
