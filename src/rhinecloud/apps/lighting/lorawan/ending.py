"""What ends with a group, and for a lamp that leaves it: alarms, as nobody would say any more that it is well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rhinecloud.app import Attempt
from rhinecloud.city import City, Transaction

OVER: Final = "lorawan-over"
OF_NETWORK: Final = ("lorawan_away", "lorawan_declines")
Alarms = list[tuple[str, str]]
"""Device or group, kind of alarm."""


def of_members(records: Iterable[Mapping[str, Any]]) -> Alarms:
    """Alarms of lamps that are no members any more: rows with device and troubles."""
    return [(record["device"], kind) for record in records for kind in record["troubles"]]


async def end(city: City, transaction: Transaction, alarms: Sequence[tuple[str, str]]) -> None:
    """Have these cleared after the commit, also if this process dies right after it."""
    if alarms:
        await city.jobs.enqueue(transaction, OVER, alarms)


async def clear(city: City, alarms: Alarms, _: Attempt) -> None:
    """The job."""
    for subject, kind in alarms:
        await city.devices.clear_alarm(subject, kind)
