"""What goes out: commit → webhook, commit → browser event, thousands of viewers; against the same ways made by hand."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing, contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

from . import documents
from .figures import Comparison, Taken, Viewing, compared
from .installation import free_port
from .jobs import (
    BrowserJob,
    GatherJob,
    RawBrowserJob,
    RawGatherJob,
    RawWebhookJob,
    ScatterJob,
    StirJob,
    WebhookJob,
)

if TYPE_CHECKING:
    from .broker import Bench

_CONNECTIONS = 16
_PAUSE = 0.3  # seconds between events of a live page, which come four times a second at most
_EVENTS_RATE = 1.0  # changes a second that thousands of viewers are told of
_SUBSCRIPTIONS = "/ngsi-ld/v1/subscriptions"


def webhook(bench: Bench) -> Comparison:
    """Changes at a rate, each told to one subscriber."""
    plan, receiver = bench.plan, free_port()
    common: dict[str, Any] = {
        "receiver": receiver,
        "connections": min(_CONNECTIONS, plan.connections),
        "seconds": plan.told_seconds,
        "rate": plan.told,
        "entities": plan.entities,
    }
    with _subscription(bench, receiver), bench.raw_stream() as (port, user, password):
        product, raw = bench.in_turns(
            plan.few_rounds,
            [
                lambda: bench.take(WebhookJob(port=bench.installed.port, seed=bench.next_seed(), **common)),
                lambda: bench.take(
                    RawWebhookJob(
                        url=bench.raw_url,
                        nats=port,
                        user=user,
                        password=password,
                        stream=bench.raw_stream_name,
                        seed=bench.next_seed(),
                        **common,
                    )
                ),
            ],
        )
    return compared(
        "commit → webhook",
        "changes/s",
        int(common["connections"]),
        product,
        raw,
        "SQL, JetStream, POST",
        by="p50",
    )


@contextmanager
def _subscription(bench: Bench, receiver: int) -> Iterator[None]:
    document = {
        "type": "Subscription",
        "entities": [{"type": documents.TYPE}],
        "watchedAttributes": ["illuminanceLevel"],
        "notification": {
            "format": "simplified",
            "attributes": ["illuminanceLevel"],
            "endpoint": {"uri": f"http://127.0.0.1:{receiver}/told"},
        },
    }
    location = _ask(bench, "POST", _SUBSCRIPTIONS, document, 201)
    try:
        yield
    finally:
        _ask(bench, "DELETE", location, None, 204)


def _ask(bench: Bench, method: str, path: str, document: Any, expected: int) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", bench.installed.port, timeout=30)) as connection:
        body = None if document is None else documents.encode(document)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != expected:
            raise RuntimeError(f"{method} {path}: {answer.status} {told[:500]!r}")
        return answer.headers.get("Location") or ""


def browser(bench: Bench) -> Comparison:
    """One change at a time, until a viewer of the live map has its event."""
    plan = bench.plan
    port, user, password = bench.installed.nats()
    common: dict[str, Any] = {"number": plan.events, "entities": plan.entities}
    product, raw = bench.in_turns(
        plan.few_rounds,
        [
            lambda: bench.take(
                BrowserJob(port=bench.installed.port, pause=_PAUSE, seed=bench.next_seed(), **common)
            ),
            lambda: bench.take(
                RawBrowserJob(
                    url=bench.raw_url,
                    nats=port,
                    user=user,
                    password=password,
                    seed=bench.next_seed(),
                    **common,
                )
            ),
        ],
    )
    return compared("commit → browser event", "events/s", 1, product, raw, "SQL, core NATS", by="p50")


def viewers(bench: Bench) -> Comparison:
    """Thousands of views of the live map, told of one change a second; the CPU time of an event, and the memory."""
    plan = bench.plan
    port, user, password = bench.installed.nats()
    before = bench.memory().worker
    seen: list[tuple[float, float]] = []

    def stir(port: int | None) -> Taken:
        return bench.take(
            StirJob(
                port=port,
                rate=_EVENTS_RATE,
                seconds=plan.viewed_seconds,
                seed=bench.next_seed(),
                entities=plan.entities,
            )
        )

    def product() -> Taken:
        gathered = bench.take(GatherJob(port=bench.installed.port, viewers=plan.viewers))
        there = bench.installed.memory().worker
        taken = _with_errors(stir(bench.installed.port), gathered)
        seen.append((there, bench.installed.memory().worker))
        bench.take(ScatterJob())
        return taken

    def raw() -> Taken:
        gathered = bench.take(RawGatherJob(port=port, user=user, password=password, viewers=plan.viewers))
        taken = _with_errors(stir(None), gathered)
        bench.take(ScatterJob())
        return taken

    told, limit = bench.in_turns(min(2, plan.few_rounds), [product, raw])
    bench.viewing = Viewing(
        viewers=plan.viewers,
        before=before,
        gathered=median(there for there, _ in seen),
        told=median(after for _, after in seen),
        rounds=seen,
    )
    name = f"{plan.viewers:,} viewers, 1 change/s"
    return compared(name, "events/s", plan.viewers, told, limit, "core NATS", by="cpu")


def _with_errors(taken: Taken, gathered: Taken) -> Taken:
    """Who was not let in counts as well."""
    taken.load.errors += gathered.load.errors
    taken.load.complaint = gathered.load.complaint or taken.load.complaint
    return taken
