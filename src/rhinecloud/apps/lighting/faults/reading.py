"""From changes of the graph to reports of lamps. Pure.

A lamp may say anything: what cannot be is set aside and counted as a fault of its own (`nonsense`); nothing that it
says raises an error here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from rhinecloud.city import Change
from rhinecloud.model import CORE

from .judging import Reports

FOUND_BY: Final = "foundBy"  # what marks a `status` that this app wrote
_LEVEL, _STATE = CORE.expand_term("illuminanceLevel"), CORE.expand_term("powerState")
# The second is the name that older models and many gateways use.
_POWERS: Final = (CORE.expand_term("powerConsumption"), CORE.expand_term("activePower"))
_TEMPERATURE, _FAILURE = CORE.expand_term("temperature"), CORE.expand_term("lampFailure")
STATUS: Final = CORE.expand_term("status")
_FOUND_BY: Final = CORE.expand_term(FOUND_BY)
_MEASURED: Final = frozenset({_LEVEL, _STATE, *_POWERS, _TEMPERATURE, _FAILURE, STATUS})
_DEFECTS: Final = frozenset({"defectivelamp", "brokenlantern", "columnissue", "defective"})
_AHEAD: Final = 300.0  # seconds by which a clock may be ahead
_TOGETHER: Final = 60.0  # seconds between values that are of one moment
_NAN: Final = math.nan


class Report(NamedTuple):
    """What a lamp told: percent, W, °C (NaN: not told), seconds since 1970."""

    lamp: str
    at: float
    level: float
    power: float
    temperature: float
    says_defect: bool
    impossible: bool


class Status(msgspec.Struct, frozen=True):
    """`status` as it stands, and whether this app wrote it."""

    value: str
    ours: bool


def report(change: Change, now: float) -> Report | None:
    """What a change of a Streetlight tells, None if nothing was measured. `now`: seconds since 1970."""
    entity = change.entity
    if entity is None or _MEASURED.isdisjoint(change.attributes):
        return None
    attributes = entity.attributes
    status = status_of(attributes)
    if status is not None and status.ours and set(change.attributes) <= {STATUS}:
        return None
    level, state, power, active, temperature, failure = (
        _value(attributes, iri, now) for iri in (_LEVEL, _STATE, *_POWERS, _TEMPERATURE, _FAILURE)
    )
    values = (level, state, power, active, temperature, failure)
    at = max((one.at for one in values if one.at is not None), default=_at(change.at) or now)
    # What was measured before this moment says nothing of it: a power is of the light that there was then.
    stale = at - _TOGETHER
    share = _number(level, 0.0, 1.0)
    watts = _number(_fresh(active if power.value is None else power, stale), -10.0, 5_000.0)
    celsius = _number(_fresh(temperature, stale), -60.0, 200.0)
    percent = None if share is None else share * 100.0
    if isinstance(state.value, str) and state.value.lower() == "off" and not _older(state, level):
        percent = 0.0
    return Report(
        lamp=change.entity_id,
        at=at,
        level=_NAN if percent is None else percent,
        power=_NAN if watts is None or watts is _NAN else max(0.0, watts),
        temperature=_NAN if celsius is None else celsius,
        says_defect=failure.value is True
        or (status is not None and not status.ours and status.value.lower() in _DEFECTS),
        impossible=any(one.late for one in values) or any(one is _NAN for one in (share, watts, celsius)),
    )


class _Value(NamedTuple):
    value: Any
    at: float | None
    late: bool = False


def _number(one: _Value, low: float, high: float) -> float | None:
    """None where nothing is told, NaN (this module's own, found by identity) where it cannot be."""
    if one.value is None:
        return None
    if isinstance(one.value, bool) or not isinstance(one.value, (int, float)):
        return _NAN
    return float(one.value) if low <= one.value <= high else _NAN


def _fresh(one: _Value, stale: float) -> _Value:
    return _Value(None, None) if one.at is not None and one.at < stale else one


def _older(one: _Value, other: _Value) -> bool:
    return one.at is not None and other.at is not None and one.at < other.at


def _value(attributes: Mapping[str, Any], iri: str, now: float) -> _Value:
    """The value of the default instance, unless it says that it is from the future."""
    for one in attributes.get(iri) or ():
        if "datasetId" not in one:
            at = _at(one.get("observedAt"))
            if at is not None and at > now + _AHEAD:
                return _Value(None, None, True)
            return _Value(one.get("value"), at)
    return _Value(None, None)


def _at(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) and text else None
    except (ValueError, OverflowError):
        return None


def status_of(attributes: Mapping[str, Any]) -> Status | None:
    """What `status` says, None if there is none."""
    for one in attributes.get(STATUS) or ():
        if "datasetId" not in one and isinstance(one.get("value"), str):
            return Status(one["value"], bool(one.get(_FOUND_BY)))
    return None


def columns(told: Sequence[Report], rows: Mapping[str, int]) -> Reports:
    """Reports of lamps that have a row, as columns; nothing is known yet of what was expected."""
    known = [one for one in told if one.lamp in rows]
    unknown = np.full(len(known), np.nan)
    return Reports(
        row=np.array([rows[one.lamp] for one in known], np.int64),
        at=np.array([one.at for one in known], np.float64),
        level=np.array([one.level for one in known], np.float64),
        power=np.array([one.power for one in known], np.float64),
        temperature=np.array([one.temperature for one in known], np.float64),
        says_defect=np.array([one.says_defect for one in known], np.bool_),
        impossible=np.array([one.impossible for one in known], np.bool_),
        target=unknown,
        most=unknown,
        target_since=unknown,
    )
