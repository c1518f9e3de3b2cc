"""The bridge from the city's existing MQTT brokers (docs/reference/bridge.md). It offers `Bridges`."""

from .bridge import Bridges

__all__ = ["Bridges"]
