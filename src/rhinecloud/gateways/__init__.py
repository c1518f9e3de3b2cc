"""How things come in: MQTT with payload profiles, file imports.

It offers `MqttGateway`, which a worker runs, and `importing.command`, which the command line runs and which
speaks to the API over HTTP like anybody else. A profile turns topic and payload into measurements, purely.
"""

from rhinecloud.gateways.mqtt import MqttGateway

__all__ = ["MqttGateway"]
