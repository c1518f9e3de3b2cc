"""What lamps say of their schedule, their clock and their level: each report is compared with what the group should
have, and what is wrong raises an alarm that names its evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from rhinecloud.city import Change, City
from rhinecloud.model import CORE

from . import rows
from .judging import Heard, Verdict, judge
from .keeping import VIEW
from .rows import WAKE

_VERSION: Final = CORE.expand_term("scheduleVersion")
_HASH: Final = CORE.expand_term("scheduleHash")
_CLOCK: Final = CORE.expand_term("deviceClock")
_LEVEL: Final = CORE.expand_term("illuminanceLevel")
_GIVEN_UP: Final = timedelta(hours=1)  # after which a lamp that speaks again is told again


async def follow(city: City) -> None:
    """For as long as the city is served (a `Task`)."""
    async for changes in city.watch("lorawan-reports", "Streetlight"):
        if said := reports(changes):
            await _take(city, said)


def reports(changes: Iterable[Change]) -> dict[str, Heard]:
    """lamp → the newest that it said of its schedule."""
    found = {}
    for change in changes:
        if change.entity is not None and {_VERSION, _HASH, _CLOCK} & set(change.attributes):
            one = heard(change.entity.attributes)
            if one is not None:
                found[change.entity_id] = one
    return found


def heard(attributes: Mapping[str, Any]) -> Heard | None:
    """A report; None if it is none. Clock and level count only if they were heard with the version."""
    version, at = _said(attributes, _VERSION)
    name, named_at = _said(attributes, _HASH)
    clock, clock_at = _said(attributes, _CLOCK)
    level, level_at = _said(attributes, _LEVEL)
    if not _is_number(version) or at is None or named_at != at or not 0 <= version < 2**32:
        return None
    if not isinstance(name, str) or not re.fullmatch(r"[0-9a-fA-F]{8}", name):
        return None
    return Heard(
        version=int(version),
        hash=int(name, 16),
        clock=float(clock) if _is_number(clock) and clock_at == at else None,
        level=100.0 * level if _is_number(level) and level_at == at else None,
        at=at,
    )


def _said(attributes: Mapping[str, Any], iri: str) -> tuple[Any, datetime | None]:
    instance: Mapping[str, Any] = next((one for one in attributes.get(iri, ()) if "datasetId" not in one), {})
    at = instance.get("observedAt")
    try:
        return instance.get("value"), datetime.fromisoformat(at) if isinstance(at, str) else None
    except ValueError:
        return None, None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


async def _take(city: City, said: Mapping[str, Heard]) -> None:
    records = await city.db.pool.fetch(
        "SELECT lamp, grp, device, heard_at, troubles FROM lorawan_member WHERE lamp = ANY($1::text[])",
        list(said),
    )
    if not records:
        return
    schedules = await rows.schedules(city.db.pool)
    for record in records:
        one, row = said[record["lamp"]], schedules.get(record["grp"])
        if row is None or (record["heard_at"] is not None and one.at <= record["heard_at"]):
            continue
        verdict = judge(one, row.wanted, city.settings.lorawan_drift_seconds)
        troubles = {*verdict.troubles}
        if rows.MISSING in record["troubles"] and verdict.state != "verified":
            troubles.add(rows.MISSING)
        # The alarms first: who dies between both raises them once more.
        await _alarm(city, record, verdict, troubles)
        noted = await rows.heard(
            city.db.pool,
            record["lamp"],
            one.at,
            (one.version, one.hash, one.level),
            verdict,
            sorted(verdict.troubles),
        )
        # It left the group meanwhile, or was given up: nothing else would end these.
        before, after = (troubles, set[str]()) if noted is None else noted
        for over in sorted((before | troubles) - after):
            await city.devices.clear_alarm(record["device"], over)
        if verdict.state == "older":
            now = city.clock.now()
            await rows.reopen(city.db.pool, record["grp"], record["lamp"], now, now - _GIVEN_UP)
    await city.bus.tell(WAKE)
    await city.refresh(VIEW)


async def _alarm(city: City, record: Any, verdict: Verdict, troubles: Iterable[str]) -> None:
    for kind, evidence in verdict.troubles.items():
        detail = {"lamp": record["lamp"], **evidence}
        await city.devices.raise_alarm(record["device"], kind, detail)
    for over in sorted(set(record["troubles"]) - set(troubles)):
        await city.devices.clear_alarm(record["device"], over)
