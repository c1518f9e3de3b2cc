"""The benchmarks run and tell what they measured. How fast anything is, no test says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .running import quick

ROOT = Path(__file__).parents[2]
MEASURED = {
    "get by id",
    "type page of 20",
    "q, 20 of 400",
    "geo 500 m, page of 20",
    "single durable update",
    "single create",
    "single upsert",
    "MQTT QoS 1 → acknowledged",
    "MQTT QoS 1 → committed",
    "MQTT QoS 1 → committed (5)",
    "MQTT QoS 0 → committed (5)",
    "commit → webhook",
    "commit → browser event",
    "20 viewers, 1 change/s",
    "devices come back",
    "hourly means of a year",
    "means of 20 series",
    "batch upsert of 1,000",
}


def test_the_broker_bench_runs_and_writes_its_figures(tmp_path: Path) -> None:
    printed, figures = quick("broker", tmp_path)
    assert "single durable update" in printed
    assert {one["name"] for one in figures["comparisons"]} == MEASURED
    assert figures["errors"] == 0
    assert figures["one_by_one"]["done"] == 3
    assert figures["viewing"]["viewers"] == 20
    by_name = {one["name"]: one for one in figures["comparisons"]}
    assert by_name["commit → webhook"]["product"]["done"] == 10
    assert by_name["commit → browser event"]["product"]["done"] == 2
    assert by_name["20 viewers, 1 change/s"]["product"]["done"] >= 20
    assert by_name["devices come back"]["product"]["done"] == 20
    assert by_name["MQTT QoS 0 → committed (5)"]["product"]["done"] > 0
    assert figures["starts"]["cold"] > 0
    assert figures["memory_idle"]["total"] > 0


def test_comparisons_can_be_chosen_and_unknown_ones_are_refused() -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "bench", "broker", "--only", "nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "get, page, q, geo, update, create, upsert, mqtt, mqtt5, qos0, webhook" in refused.stderr


def test_the_backup_bench_runs_and_nothing_acknowledged_is_missing(tmp_path: Path) -> None:
    printed, figures = quick("backup", tmp_path)
    assert "back in service after" in printed
    assert figures["missing"] == 0 and figures["writes_meanwhile"] > 0 and figures["values"] == 500 * 744
