"""NATS: the connection, subjects, streams, durable pulls, and the MQTT side. A mere transport.

It offers `Bus` (publish into streams, subscribe, wake other workers), `Pull` (follow a durable consumer) and
`ensure_intake` (the stream in which the MQTT server keeps what devices publish); `forget_changes` and
`forget_messages` where a person is to be forgotten. It knows no entities.
"""

from rhinecloud.bus.connection import Bus, BusUnavailable, Message
from rhinecloud.bus.forgetting import forget_changes, forget_messages
from rhinecloud.bus.intake import Intake, ensure_intake
from rhinecloud.bus.pull import Delivery, Pull

__all__ = [
    "Bus",
    "BusUnavailable",
    "Delivery",
    "Intake",
    "Message",
    "Pull",
    "ensure_intake",
    "forget_changes",
    "forget_messages",
]
