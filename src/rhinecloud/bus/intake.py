"""The stream in which NATS keeps what MQTT devices publish, and our durable consumer of it.

How NATS treats an MQTT publication (2.15, found by experiment; tests/bus/test_intake.py repeats it):
- QoS 1 and 2 are stored in the stream `$MQTT_msgs` under `$MQTT.msgs.<subject>` before the PUBACK. The
  stream forgets by interest: without a consumer a message is acknowledged to the device and gone. So the
  consumer has to exist before the first device connects.
- The server makes its five streams when the first MQTT client connects; those that exist are taken as they
  are. Ours has a limit with `discard: new`: when it is full a device gets no PUBACK, is disconnected and
  sends again.
- Every publication, whatever its QoS, also goes to core NATS under `<subject>`, with its QoS in the header
  `Nmqtt-Pub`. The ones that no stream keeps are those with QoS 0.
- `/` in a topic becomes `.`, `.` becomes `//`, an empty level becomes `/`; a space ends the connection.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from rhinecloud.bus.connection import Bus

STREAM = "$MQTT_msgs"
PREFIX = "$MQTT.msgs."
CONSUMER = "gateways"
QOS_HEADER = "Nmqtt-Pub"
MAX_BYTES = 1024**3  # some five million measurements: half a day without PostgreSQL at 100 a second
ACK_WAIT = 30.0  # seconds after which what was not acknowledged is delivered again
MAX_ACK_PENDING = 20_000  # the default, 1,000, stops a consumer whose database is slow
_DUPLICATE_WINDOW = 120  # seconds, as the server itself has it


class Intake(msgspec.Struct, frozen=True):
    """The stream as it is now."""

    messages: int
    bytes: int
    max_bytes: int
    waiting: int  # not yet delivered to our consumer
    unacknowledged: int  # delivered, not yet acknowledged


async def ensure_intake(bus: Bus, max_bytes: int = MAX_BYTES) -> Intake:
    """Make the stream and our consumer where they are missing; a city's own limit stays.

    Raises BusUnavailable.
    """
    async with bus.asking():
        try:
            config = (await bus.streams.stream_info(STREAM)).config
        except NotFoundError:
            config = StreamConfig(
                name=STREAM,
                subjects=[PREFIX + ">"],
                retention=RetentionPolicy.INTEREST,
                storage=StorageType.FILE,
                discard=DiscardPolicy.NEW,
                max_bytes=max_bytes,
                num_replicas=bus.replicas,
                duplicate_window=_DUPLICATE_WINDOW,
            )
            await bus.ensure_stream(config)
        else:
            if config.discard != DiscardPolicy.NEW or (config.max_bytes or -1) < 0:
                limit = config.max_bytes if config.max_bytes and config.max_bytes > 0 else max_bytes
                await bus.ensure_stream(config.evolve(discard=DiscardPolicy.NEW, max_bytes=limit))
    await bus.ensure_consumer(
        STREAM,
        ConsumerConfig(
            durable_name=CONSUMER,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_ack_pending=MAX_ACK_PENDING,
            filter_subject=PREFIX + ">",
        ),
    )
    return await look(bus)


async def look(bus: Bus) -> Intake:
    """The figures of the intake. Raises BusUnavailable, also when it does not exist."""
    async with bus.asking():
        stream = await bus.streams.stream_info(STREAM)
        consumer = await bus.streams.consumer_info(STREAM, CONSUMER)
    return Intake(
        messages=stream.state.messages,
        bytes=stream.state.bytes,
        max_bytes=stream.config.max_bytes or -1,
        waiting=consumer.num_pending or 0,
        unacknowledged=consumer.num_ack_pending or 0,
    )


@lru_cache(65_536)  # devices speak again and again
def topic_of(subject: str) -> str:
    """The MQTT topic that NATS turned into this subject (without PREFIX)."""
    return "/".join("" if token == "/" else token.replace("//", ".") for token in subject.split("."))


def subject_of(topic: str) -> str:
    """The subject into which NATS turns an MQTT topic; topic filters with + and # are not meant."""
    return ".".join(level.replace(".", "//") if level else "/" for level in topic.split("/"))
