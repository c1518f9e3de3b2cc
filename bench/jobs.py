"""What the load generator is asked, and what it answers."""

from __future__ import annotations

from typing import Literal

import msgspec

Workload = Literal["create", "update", "upsert", "get", "page", "q", "geo", "batch"]


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
    """Devices, one connection each, that publish with QoS 1 and wait for the PUBACK."""

    port: int
    connections: int
    seconds: float
    seed: int
    entities: int


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


class CloseJob(msgspec.Struct, frozen=True, tag="close"):
    """Close every connection that was kept for the next job."""


Job = HttpJob | SqlJob | MqttJob | OneByOneJob | NatsJob | CloseJob


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

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.done / self.seconds if self.seconds else 0.0
