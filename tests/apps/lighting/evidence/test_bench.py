"""`python -m bench lighting` runs, says what it skips, and draws a chart. What it finds, no test says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench.lighting_evidence import Evidence, Line

from bench import lighting, lighting_chart
from rhinecloud.apps.lighting.evidence.usefulness import Score

ROOT = Path(__file__).parents[4]
DATA = ROOT.parent / "shared" / "data" / "traffic"


def test_without_the_data_it_says_that_it_skips(tmp_path: Path) -> None:
    said: list[str] = []
    result = lighting.run(True, frozenset(("volume", "evidence")), None, said.append, data=tmp_path)
    assert result.volume is None and result.evidence is None
    assert lighting.table(result).count("SKIPPED") == 2


def test_tables_and_reactions_are_measured(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "lighting", "--quick", "--only", "field", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reaction" in done.stdout
    found = json.loads(file.read_text())
    assert found["field"]["reactions"] == 500 and found["field"]["gateway_bytes"] > 1000
    assert found["evidence"] is None and found["skipped"] == []


@pytest.mark.skipif(not DATA.exists(), reason="the traffic data (../shared/data/traffic) are not there")
def test_the_experiment_runs_on_real_vehicles(tmp_path: Path) -> None:
    chart = tmp_path / "chart.svg"
    result = lighting.run(True, frozenset(["evidence"]), chart, lambda _: None, data=DATA)
    assert result.evidence is not None
    (one,) = result.evidence
    assert one.vehicles > 100 and one.lamps > 25
    assert [line.name for line in one.lines] == [
        "always on", "dusk to dawn", "part-night", "stepped", "class by volume", "sensor zone", "directional",
        "directional, not tuned",
    ]  # fmt: skip
    assert one.lines[1].of_dusk == 100 and one.lines[1].motorist.mean == 1
    assert "SIMULATED" in lighting.table(result) and "generated" in lighting.table(result)
    ElementTree.fromstring(chart.read_text())


def test_the_chart_is_an_image_that_can_be_read_aloud() -> None:
    line = Line(
        name="a < b",
        kwh=1.0,
        of_always=50.0,
        of_dusk=60.0,
        motorist=Score(0.99, 0.95, 10.0),
        adaptive=Score(1.0, 1.0, 10.0),
        pedestrian=Score(0.5, 0.1, 10.0),
        parameters="",
    )
    one = Evidence(
        tuned_on="x", judged_on="y", vehicles=1, lamps=1, hours=1.0, missing=0.0, bound=60.0,
        lines=[line], with_walkers=[line], reached=True,
    )  # fmt: skip
    tree = ElementTree.fromstring(lighting_chart.chart(one))
    described = tree.find("{http://www.w3.org/2000/svg}desc")
    assert described is not None and "a < b: 60 % of dusk to dawn, usefulness 0.990" in (described.text or "")
