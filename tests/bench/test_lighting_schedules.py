"""The bench of lighting's schedules runs and tells what it measured. How fast anything is, no test says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_runs_and_writes_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "lighting_schedules", "--quick", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "500 lamps, 365 nights" in done.stdout
    figures = json.loads(file.read_text())
    assert figures["lamps"] == 500 and figures["alike"] > 20
    assert figures["schedules"]["processor_s"] > 0 and figures["targets"]["wall_s"] > 0
