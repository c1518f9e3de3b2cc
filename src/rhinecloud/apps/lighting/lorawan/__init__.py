"""Lamps behind a LoRaWAN network server that are told together, by class C multicast.

Nobody acknowledges a multicast, so the schedule lives on the lamp (docs/reference/lighting-lorawan.md) and each lamp's
next uplink says which schedule it has, what its clock shows and how bright it is.
"""
