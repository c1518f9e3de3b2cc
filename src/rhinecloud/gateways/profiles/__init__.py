"""Payload profiles: from a topic and a payload to measurements. Pure, one module per profile."""

from rhinecloud.gateways.profiles.plain_json import Measurement, Unmappable, read

__all__ = ["Measurement", "Unmappable", "read"]
