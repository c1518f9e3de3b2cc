"""Every metric there is: its name by Prometheus' conventions, its unit, what it means, and where its value is found.

`of` says whose it is. A worker's own figures carry the label `worker` and begin anew when that worker does, which
Prometheus knows how to count. The installation's are asked of the database, the bus and the files by whichever worker
answers, and are the same at each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec


class Metric(msgspec.Struct, frozen=True):
    """`paths`: where the value is in the figures, by the value of the label; the label is "" where there is none."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    of: Literal["worker", "installation"]
    meaning: str
    label: str = ""
    paths: dict[str, str] = {}

    def samples(self, figures: dict[str, Any]) -> Iterator[tuple[str, float]]:
        """(value of the label, value) of what is known."""
        for value, path in self.paths.items():
            found: Any = figures
            for step in path.split("."):
                found = found.get(step) if isinstance(found, dict) else None
            if isinstance(found, (bool, int, float)):
                yield value, float(found)


def _worker(
    name: str, kind: Literal["counter", "gauge", "histogram"], meaning: str, label: str = "", **paths: str
) -> Metric:
    return Metric(f"rhinecloud_{name}", kind, "worker", meaning, label, _paths(paths))


def _installation(name: str, meaning: str, label: str = "", **paths: str) -> Metric:
    return Metric(f"rhinecloud_{name}", "gauge", "installation", meaning, label, _paths(paths))


def _paths(paths: dict[str, str]) -> dict[str, str]:
    return {"" if value == "at" else value: path for value, path in paths.items()}


METRICS: Final = (
    _worker(
        "http_requests_total",
        "counter",
        "requests answered, by `part`, `method` and `status` (0: gone before)",
    ),
    _worker(
        "http_request_duration_seconds",
        "histogram",
        "time until an answer was complete, by `part`, without live views",
    ),
    _worker(
        "http_requests_in_progress",
        "gauge",
        "requests being answered, live views among them",
        at="http.in_progress",
    ),
    _worker(
        "writes_committed_total",
        "counter",
        "operations on the graph that were committed",
        at="writer.committed",
    ),
    _worker(
        "writes_waiting", "gauge", "operations that wait for the statement before them", at="writer.waiting"
    ),
    _worker(
        "device_messages_total",
        "counter",
        "messages of devices over MQTT, by `outcome`",
        "outcome",
        received="mqtt.received",
        received_qos0="mqtt.received_qos0",
        applied="mqtt.applied",
        unmapped="mqtt.unmapped",
        duplicate="mqtt.duplicates",
        redelivered="mqtt.redelivered",
        history_only="mqtt.history_only",
        dropped_qos0="mqtt.dropped_qos0",
        dropped_flood="mqtt.dropped_flood",
    ),
    _worker(
        "device_pushes_total",
        "counter",
        "messages of devices over HTTP, by `outcome`",
        "outcome",
        applied="push.applied",
        unmapped="push.unmapped",
    ),
    _worker(
        "device_sign_ins_total",
        "counter",
        "sign-ins of devices, by `outcome`",
        "outcome",
        asked="door.asked",
        granted="door.granted",
        wrong="door.wrong",
        refused="door.refused",
        unavailable="door.unavailable",
    ),
    _worker("bus_published_total", "counter", "messages published to NATS", at="nats.published"),
    _worker(
        "bus_reconnections_total",
        "counter",
        "times that the connection to NATS was made anew",
        at="nats.reconnections",
    ),
    _worker("bus_up", "gauge", "1 if connected to NATS", at="nats.connected"),
    _worker("worker_cpu_seconds_total", "counter", "processor time", at="process.cpu_seconds"),
    _worker("worker_resident_memory_bytes", "gauge", "memory in use", at="process.memory_bytes"),
    _worker("worker_open_files", "gauge", "open files and sockets", at="process.open_files"),
    _worker(
        "worker_loop_delay_seconds",
        "gauge",
        "how late the event loop came to its last sign of life",
        at="process.loop_delay",
    ),
    _worker(
        "worker_start_time_seconds", "gauge", "when it started (seconds since 1970)", at="process.started"
    ),
    _worker("worker_sign_of_life_age_seconds", "gauge", "time since its last sign of life"),
    _installation("up", "1 if the database answered when this was asked", at="up"),
    _installation("database_size_bytes", "size of the database", at="postgresql.database_bytes"),
    _installation("entities", "entities of the default tenant (estimate)", at="graph.entities_estimate"),
    _installation("unmapped_messages", "messages kept that could not be mapped", at="graph.unmapped"),
    _installation(
        "changes_lag_seconds", "age of the oldest change that was not told yet", at="relay.lag_seconds"
    ),
    _installation(
        "subscriptions",
        "subscriptions, by `state`",
        "state",
        all="subscriptions.count",
        failing="subscriptions.failing",
    ),
    _installation("notifications_waiting", "notifications that wait to be taken", at="subscriptions.waiting"),
    _installation("intake_messages", "messages in the intake of MQTT", at="mqtt.intake.messages"),
    _installation("intake_size_bytes", "size of the intake", at="mqtt.intake.bytes"),
    _installation("intake_limit_bytes", "room of the intake", at="mqtt.intake.max_bytes"),
    _installation(
        "jobs", "jobs, by `state`", "state", waiting="jobs.waiting", running="jobs.running", dead="jobs.dead"
    ),
    _installation(
        "jobs_overdue_seconds",
        "for how long the job that waits longest has been due",
        at="jobs.overdue_seconds",
    ),
    _installation("mails_waiting", "letters that wait", at="mail.queued"),
    _installation(
        "mails_lag_seconds", "for how long the letter that waits longest has been due", at="mail.lag_seconds"
    ),
    _installation("files", "uploaded files", at="files.files"),
    _installation("files_size_bytes", "their size", at="files.bytes"),
    _installation("backup_age_seconds", "age of the newest backup", at="backups.age_seconds"),
    _installation("backup_late", "1 if the newest backup is older than it should be", at="backups.late"),
    _installation(
        "certificate_end_time_seconds",
        "when the certificate ends (seconds since 1970)",
        at="certificate.end_time",
    ),
)


def reference() -> list[str]:
    """The rows of the table in docs/reference/metrics.md."""
    return [
        f"| `{metric.name}` | {metric.kind} | {metric.of} | {metric.meaning}"
        + (f": {', '.join(f'`{value}`' for value in metric.paths)}" if metric.label else "")
        + " |"
        for metric in METRICS
    ]


if __name__ == "__main__":
    print("\n".join(reference()))
