"""Taking what gateways tell of lamps: into the graph in batches, each content once, what is doubtful set aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from rhinecloud.city import City, Operation
from rhinecloud.model import CORE

from . import devices, functions, overrides, plan_rows, readings
from .base import NIL, Document
from .gateways import Gateway
from .readings import Doubtful, Reading

_PORTION: Final = 500  # operations in one transaction
_MOST_REFUSED: Final = 1_000  # entries that are kept of one gateway
_MOST_TOLD: Final = 100  # of one report
_STREETLIGHT: Final = CORE.expand_type("Streetlight")


async def take(
    city: City, gateway: Gateway, told: Sequence[Reading], doubtful: Sequence[Doubtful] = ()
) -> None:
    """Take readings of devices of this gateway. Raises one of city.Unavailable: then they are to be told again."""
    believed = []
    unlikely = list(doubtful)
    for reading in told:
        reason = readings.implausible(reading)
        if reason is None:
            believed.append(reading)
        else:
            unlikely.append(Doubtful(reason, _entry(reading)))
    if unlikely:
        await _set_aside(city, gateway, unlikely)
    await _into_graph(city, gateway, believed)
    await _compare(city, gateway, believed)


def _entry(reading: Reading) -> Any:
    return msgspec.to_builtins(reading, str_keys=True)


async def _into_graph(city: City, gateway: Gateway, believed: Sequence[Reading]) -> None:
    """One operation for what a lamp says of one moment, the oldest first."""
    moments: dict[tuple[datetime, UUID], list[Reading]] = defaultdict(list)
    for reading in believed:
        moments[reading.at, reading.device].append(reading)
    those = sorted({device for _, device in moments})
    lamps, quiet = await devices.lamps_of(city.db.pool, those), await devices.quiet(city.db.pool, those)
    operations = []
    for (at, device), told in sorted(moments.items(), key=lambda item: item[0]):
        if device in quiet:
            told = [one for one in told if not functions.is_trace(one.function, one.name)]
        attributes = _attributes(told, at) if device in lamps else {}
        if attributes:
            name = readings.delivery(gateway.address or NIL, device, at, told)
            operations.append(
                Operation("measure", lamps[device], (_STREETLIGHT,), attributes=attributes, delivery=name)
            )
    for start in range(0, len(operations), _PORTION):
        await city.broker.apply(operations[start : start + _PORTION])


def _attributes(told: Sequence[Reading], at: datetime) -> dict[str, list[Document]]:
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        CORE.expand_term(name): [{**instance, "observedAt": moment}]
        for reading in told
        for name, instance in readings.told_of(reading)
    }


async def _set_aside(city: City, gateway: Gateway, unlikely: Sequence[Doubtful]) -> None:
    some = unlikely[:_MOST_TOLD]
    await city.db.pool.execute(
        "INSERT INTO talq_refused (gateway, reason, entry) "
        "SELECT $1, reason, entry::jsonb FROM unnest($2::text[], $3::text[]) AS told (reason, entry)",
        gateway.number,
        [_kept(one.reason)[:500] for one in some],
        [_kept(msgspec.json.encode(one.entry).decode()) for one in some],
    )
    await city.db.pool.execute(
        "DELETE FROM talq_refused WHERE gateway = $1 AND number <= (SELECT number FROM talq_refused "
        "WHERE gateway = $1 ORDER BY number DESC OFFSET $2 LIMIT 1)",
        gateway.number,
        _MOST_REFUSED,
    )
    detail = {"name": gateway.name, "entries": len(unlikely), "first": unlikely[0].reason}
    await city.devices.raise_alarm(gateway.subject, "gateway_doubtful", detail)


def _kept(text: str) -> str:
    """PostgreSQL keeps no NUL."""
    return text.replace("\\u0000", "").replace("\x00", "")


async def _compare(city: City, gateway: Gateway, believed: Sequence[Reading]) -> None:
    """What lamps say of their calendar and of what they follow, against what is wanted of them."""
    calendars = {
        one.device: calendar for one in believed if (calendar := readings.calendar_of(one)) is not None
    }
    if calendars:
        await devices.told_calendars(city.db.pool, calendars)
        await plan_rows.told_calendars(city, gateway, calendars)
    if any(readings.level_of(one) is not None or readings.command_of(one) for one in believed):
        await overrides.told(city, gateway, believed)
