"""What streams forget before its time, because somebody asks to be forgotten.

The stream of changes is forgotten whole for a tenant: whoever reads it goes on from PostgreSQL where something is
missing. What devices sent and nobody read yet is somebody's or somebody else's: it is looked at one by one, and a
message that is deleted is overwritten on the disk.
"""

from __future__ import annotations

from collections.abc import Callable

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from .connection import CHANGES, Bus
from .intake import PREFIX, STREAM, topic_of

_RETAINED = "$MQTT_rmsgs"
_RETAINED_PREFIX = "$MQTT.rmsgs."
# What was published with QoS 2 and not yet released by the device (MQTT 3.1.1 §4.3.3). Its subjects name the session
# and the packet; the subject of the message stands in a header.
_UNRELEASED = "$MQTT_qos2in"
_UNRELEASED_SUBJECT = "Nmqtt-Subject"


async def forget_changes(bus: Bus, tenant: str) -> None:
    """Forget all changes of a tenant that the stream holds. Raises BusUnavailable."""
    async with bus.asking():
        try:
            await bus.streams.purge_stream(CHANGES, subject=f"changes.{tenant}")
        except NotFoundError:
            return


async def forget_messages(bus: Bus, concerns: Callable[[str, bytes], bool]) -> int:
    """Forget what waits to be read from devices, what they have not released yet (QoS 2), and what is retained for
    those who subscribe later, as far as `concerns` (MQTT topic, payload) says so; how many messages. Raises
    BusUnavailable."""
    count = 0
    # What is released meanwhile goes from the first to the second: in this order it is seen in one of them.
    for stream, subject in ((_UNRELEASED, _unreleased), (STREAM, _waiting), (_RETAINED, _retained)):
        async with bus.asking():
            try:
                last = (await bus.streams.stream_info(stream)).state.last_seq
            except NotFoundError:
                continue
        count += await _forget_up_to(bus, stream, subject, last, concerns)
    return count


def _unreleased(message: RawStreamMsg) -> str:
    return str((message.headers or {}).get(_UNRELEASED_SUBJECT, ""))


def _waiting(message: RawStreamMsg) -> str:
    return (message.subject or "").removeprefix(PREFIX)


def _retained(message: RawStreamMsg) -> str:
    return (message.subject or "").removeprefix(_RETAINED_PREFIX)


async def _forget_up_to(
    bus: Bus,
    stream: str,
    subject: Callable[[RawStreamMsg], str],
    last: int,
    concerns: Callable[[str, bytes], bool],
) -> int:
    count = sequence = 0
    while sequence < last:
        async with bus.asking():
            try:
                message = await bus.streams.get_msg(stream, seq=sequence + 1, subject=">", next=True)
            except NotFoundError:  # there are no more
                break
            assert message.seq is not None
            sequence = message.seq
            if concerns(topic_of(subject(message)), message.data or b""):
                try:
                    await bus.streams.delete_msg(stream, sequence)
                except NotFoundError:  # it was read meanwhile
                    continue
                count += 1
    return count
