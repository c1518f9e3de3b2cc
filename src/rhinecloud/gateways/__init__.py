"""How things come in: MQTT with payload profiles, a bridge, HTTP push, file imports; and how devices are told.

It offers `Gateways`, all that a worker runs of this room, and `importing.command`, which the command line runs and
which speaks to the API over HTTP like anybody else. A profile turns topic and payload into measurements, purely.
"""

from rhinecloud.gateways.gateways import Gateways
from rhinecloud.gateways.mqtt import MqttGateway

__all__ = ["Gateways", "MqttGateway"]
