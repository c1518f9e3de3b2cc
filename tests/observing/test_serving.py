"""Two workers behind one port: what they tell Prometheus is what happened, and machines can read what they log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rhinecloud.observing import METRICS
from tests.conftest import START_PATIENCE, Server, _external_database, server_factory

SECRET = "k3Jx9-aQw_7LmZ0pTrY5vBnC8dEfGh2i"


@dataclass
class Told:
    """A server that logs JSON; `base_url` is read from its announcement. `started` is before it was."""

    server: Server
    base_url: str
    started: float

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.server.output.splitlines()]


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    factory = server_factory(_external_database(request))
    flags = ("--workers=2", "--log-format=json", "--access-log")
    started = time.time()
    server = next(factory)(*flags, wait=False)
    pages: list[str] = []
    until(lambda: bool(pages.extend(re.findall(r"Pages\s+(http://[^;\s]+)", server.output)) or pages), server)
    yield Told(server, pages[0], started)
    for _ in factory:
        pass


def until(condition: Callable[[], bool], server: Server) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while not condition():
        assert server.process.poll() is None and time.monotonic() < deadline, server.output
        time.sleep(0.05)


def scrape(told: Told) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels, as Prometheus' own parser reads it."""
    answer = httpx.get(f"{told.base_url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def total(samples: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    """The sum over all workers."""
    return sum(
        value
        for (found, of), value in samples.items()
        if found == name and labels.items() <= dict(of).items()
    )


def test_what_is_told_is_what_happened(told: Told) -> None:
    before = scrape(told)
    created, missing = 12, 7
    for number in range(created):  # a connection each: both workers get some
        entity = {"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp"}
        assert httpx.post(f"{told.base_url}/ngsi-ld/v1/entities", json=entity).status_code == 201
    for number in range(missing):
        assert httpx.get(f"{told.base_url}/ngsi-ld/v1/entities/urn:ngsi-ld:No:{number}").status_code == 404

    def grown(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    requests = "rhinecloud_http_requests_total"
    deadline = time.monotonic() + 30
    while True:
        after = scrape(told)
        if grown(requests, part="ngsi_ld") == created + missing:
            break
        assert time.monotonic() < deadline, after
        time.sleep(0.1)
    assert grown(requests, part="ngsi_ld", method="POST", status="201") == created
    assert grown(requests, part="ngsi_ld", method="GET", status="404") == missing
    assert grown("rhinecloud_writes_committed_total") == created
    assert grown("rhinecloud_http_request_duration_seconds_count", part="ngsi_ld") == created + missing
    assert (
        grown("rhinecloud_http_request_duration_seconds_bucket", part="ngsi_ld", le="+Inf")
        == created + missing
    )
    assert grown("rhinecloud_http_request_duration_seconds_sum", part="ngsi_ld") > 0
    assert after["rhinecloud_up", frozenset()] == 1
    assert after["rhinecloud_entities", frozenset()] == created
    assert total(after, "rhinecloud_bus_up") == 2
    for worker in "01":
        own = frozenset({("worker", worker)})
        assert after["rhinecloud_worker_resident_memory_bytes", own] > 10_000_000
        # An age, not an instant; and the instant is one of this run.
        assert after["rhinecloud_worker_sign_of_life_age_seconds", own] < time.time() - told.started
        assert told.started <= after["rhinecloud_worker_start_time_seconds", own] <= time.time()
    declared = {metric.name for metric in METRICS}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name, _ in after} <= declared


def test_lines_are_json_name_the_request_and_hide_who_it_was(told: Told) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    asked = httpx.get(
        f"{told.base_url}/first/{SECRET}?token={SECRET}&mail=somebody@example.org",
        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
    )
    assert asked.headers["x-request-id"] == trace
    invalid = httpx.get(
        f"{told.base_url}/health", headers={"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}
    )
    drawn = invalid.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", drawn) and drawn != "0" * 32

    def of(request: str) -> list[dict[str, Any]]:
        return [line for line in told.lines if line.get("request") == request and "status" in line]

    until(lambda: bool(of(trace) and of(drawn)), told.server)
    (line,) = of(trace)
    assert line["method"] == "GET" and line["status"] == asked.status_code and line["part"] == "pages"
    assert line["logger"] == "rhinecloud.access" and line["process"].startswith("worker-")
    assert line["seconds"] >= 0
    assert SECRET not in told.server.output
    assert "somebody" not in told.server.output and "127.0.0.1" not in str(line)
    assert {"time", "level", "message"} <= {*line}
    assert any(one["process"] == "supervisor" for one in told.lines)
