"""Packs of LwM2M resources (content formats SenML JSON and SenML CBOR of LwM2M 1.1), by the time of their values."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from . import senml

_PATH = re.compile(r"(?:^|[/:])(\d{1,5}(?:/\d{1,5}){2,3})/?$")


def resolve(payload: bytes, arrived: datetime) -> list[dict[str, Any]]:
    """The values of a pack, the oldest first: `time` (seconds since 1970) and `values`, which has for each path of a
    resource (`/3416/0/3`: object, instance, resource, and the instance of the resource where there are several) what it
    was then. What stands before the path in a name (an endpoint, say) is left aside, as are links between objects.

    Raises ValueError with the reason.
    """
    found: dict[float, dict[str, Any]] = {}
    for index, record in enumerate(senml.resolve(payload, arrived, lwm2m=True)):
        path = _PATH.search(record["name"])
        if path is None:
            raise ValueError(
                f"record {index}: {record['name']!r:.80} is no path of a resource such as /3416/0/3"
            )
        if record["kind"] != "sum":
            found.setdefault(record["time"], {})["/" + path[1]] = record["value"]
    return [{"time": time, "values": values} for time, values in sorted(found.items())]
