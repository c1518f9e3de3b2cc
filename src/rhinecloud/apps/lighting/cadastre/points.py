"""Selected lamps as the map takes them: a binary snapshot, then what changed. Pure.

A viewer's mark is `EPOCH.VERSION` of the fleet; where the epoch is another one it is told everything again.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from .fleet import Fleet, Indices
from .looks import Codes, Look

Places = npt.NDArray[np.float64]


def snapshot(fleet: Fleet, chosen: Indices, look: Look) -> bytes:
    """Everything, as `packed` writes it."""
    lon, lat, codes = fleet.lon[chosen], fleet.lat[chosen], look.codes(fleet)[chosen]
    return packed(fleet.epoch, fleet.version, lon, lat, codes)


def packed(epoch: str, version: int, lon: Places, lat: Places, codes: Codes) -> bytes:
    """Length of the head (uint32), head (JSON, filled up to 4 bytes), float32 lon, lat as differences to its origin,
    uint8 codes."""
    count = len(codes)
    origin = (round(float(lon.mean()), 2), round(float(lat.mean()), 2)) if count else (0.0, 0.0)
    head = msgspec.json.encode({"epoch": epoch, "version": version, "count": count, "origin": origin})
    head += b" " * (-len(head) % 4)
    places = np.empty((count, 2), np.float32)
    places[:, 0], places[:, 1] = lon - origin[0], lat - origin[1]
    return np.uint32(len(head)).tobytes() + head + places.tobytes() + codes.tobytes()


def since(fleet: Fleet, chosen: Indices, look: Look, mark: str) -> dict[str, Any] | None:
    """What has changed since a mark: `states` as [place in the selection, code, …], or `all` codes in base 64 where
    that is shorter. None for a mark of another epoch."""
    epoch, _, version = mark.partition(".")
    if epoch != fleet.epoch or not version.isascii() or not version.isdigit():
        return None
    told: dict[str, Any] = {"version": fleet.version, "count": len(chosen)}
    changed = np.flatnonzero(fleet.stamp[chosen] > int(version))
    if len(changed) * 6 > len(chosen):
        told["all"] = base64.b64encode(look.codes(fleet)[chosen].tobytes()).decode()
    elif len(changed):
        codes = look.codes(fleet)[chosen[changed]]
        told["states"] = np.column_stack([changed, codes]).ravel().tolist()
    return told
