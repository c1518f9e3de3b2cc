"""What the load generator is asked, and what it answers."""

from __future__ import annotations

from typing import Literal

import msgspec

Workload = Literal["create", "update", "upsert", "get", "page", "q", "geo", "batch", "measured"]


class HttpJob(msgspec.Struct, frozen=True, tag="http", kw_only=True):
    """Closed loop: each connection sends its next request when the answer to the last is there.

    `seconds` are measured after `warm_up`. Entities 0 to `entities` − 1 are there; `seed` chooses which are asked
    for, and names new ones.
    """

    port: int
    workload: Workload
    connections: int
    seconds: float
    warm_up: float
    seed: int
    entities: int


class SqlJob(msgspec.Struct, frozen=True, tag="sql", kw_only=True):
    """The same loop with one statement a request; `rows`: write what the product writes, not the state alone."""

    url: str
    workload: Workload
    connections: int
    seconds: float
    warm_up: float
    seed: int
    entities: int
    rows: bool = False


class MqttJob(msgspec.Struct, frozen=True, tag="mqtt", kw_only=True):
    """Devices, one connection each, that publish with QoS 1 and wait for the PUBACK. `attributes` of each message."""

    port: int
    connections: int
    seconds: float
    seed: int
    entities: int
    attributes: int = 1


class FloodJob(msgspec.Struct, frozen=True, tag="flood", kw_only=True):
    """Devices that publish with QoS 0, `rate` messages a second together; nobody acknowledges."""

    port: int
    connections: int
    seconds: float
    rate: float
    seed: int
    entities: int
    attributes: int


class CoreJob(msgspec.Struct, frozen=True, tag="core", kw_only=True):
    """The same messages through core NATS, as fast as one subscriber takes them."""

    port: int
    user: str
    password: str
    connections: int
    seconds: float
    seed: int
    entities: int
    attributes: int


class OneByOneJob(msgspec.Struct, frozen=True, tag="one_by_one", kw_only=True):
    """One device that publishes `number` times; each time until the value can be read from the database at `url`."""

    port: int
    url: str
    number: int
    seed: int
    entities: int


class NatsJob(msgspec.Struct, frozen=True, tag="nats", kw_only=True):
    """Clients, one connection each, that publish to a stream and wait for its acknowledgement."""

    port: int
    user: str
    password: str
    stream: str
    connections: int
    seconds: float
    seed: int
    entities: int
    attributes: int = 1


class WebhookJob(msgspec.Struct, frozen=True, tag="webhook", kw_only=True):
    """`rate` updates a second over HTTP; the subscriber at `receiver` hears of each. p50 and p99 are from the answer
    to the update (later than its commit) to the notification's last byte, `extra` also has those from its sending."""

    port: int
    receiver: int
    connections: int
    seconds: float
    rate: float
    seed: int
    entities: int


class RawWebhookJob(msgspec.Struct, frozen=True, tag="raw_webhook", kw_only=True):
    """The same way without the product: an UPDATE with all its rows, JetStream, an HTTP request to `receiver`."""

    url: str
    nats: int
    user: str
    password: str
    stream: str
    receiver: int
    connections: int
    seconds: float
    rate: float
    seed: int
    entities: int


class BrowserJob(msgspec.Struct, frozen=True, tag="browser", kw_only=True):
    """`number` updates, one at a time, each until a viewer of the live map has its event; from the answer to the
    update. `pause` seconds in between: events leave four times a second at most."""

    port: int
    number: int
    pause: float
    seed: int
    entities: int


class RawBrowserJob(msgspec.Struct, frozen=True, tag="raw_browser", kw_only=True):
    """An UPDATE, and once it is committed a message of core NATS to a subscriber."""

    url: str
    nats: int
    user: str
    password: str
    number: int
    seed: int
    entities: int


class GatherJob(msgspec.Struct, frozen=True, tag="gather", kw_only=True):
    """Open so many views of the live map and keep them (`done`: those that were let in)."""

    port: int
    viewers: int


class RawGatherJob(msgspec.Struct, frozen=True, tag="raw_gather", kw_only=True):
    """Open so many connections to NATS with a subscription each, and keep them."""

    port: int
    user: str
    password: str
    viewers: int


class StirJob(msgspec.Struct, frozen=True, tag="stir", kw_only=True):
    """Change a lamp (or publish a message of that size) `rate` times a second; `done` is what all viewers were told,
    p50 and p99 from the change to each viewer's event. `port` is that of HTTP, None for core NATS."""

    port: int | None
    rate: float
    seconds: float
    seed: int
    entities: int


class ConnectJob(msgspec.Struct, frozen=True, tag="connect", kw_only=True):
    """So many devices connect over MQTT at once, and try again until they are let in; `named`: with credentials."""

    port: int
    devices: int
    named: bool
    seed: int


class ScatterJob(msgspec.Struct, frozen=True, tag="scatter"):
    """Close all views."""


class CloseJob(msgspec.Struct, frozen=True, tag="close"):
    """Close every connection that was kept for the next job."""


Job = (
    HttpJob
    | SqlJob
    | MqttJob
    | FloodJob
    | CoreJob
    | OneByOneJob
    | NatsJob
    | WebhookJob
    | RawWebhookJob
    | BrowserJob
    | RawBrowserJob
    | GatherJob
    | RawGatherJob
    | StirJob
    | ConnectJob
    | ScatterJob
    | CloseJob
)


class Load(msgspec.Struct, kw_only=True):
    """What happened. Seconds throughout; `errors` are answers that were not the expected ones, or none at all: they
    are in no other figure. `begun` and `ended` are time.time()."""

    done: int = 0
    errors: int = 0
    seconds: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    begun: float = 0.0
    ended: float = 0.0
    generator_cpu: float = 0.0
    complaint: str = ""
    extra: dict[str, float] = {}

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.done / self.seconds if self.seconds else 0.0
