"""The temporal query language: ``timerel=between&timeAt=…&endTimeAt=…&timeproperty=…&lastN=…`` (CIM 009 §4.11)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, cast, get_args

import msgspec

from rhinecloud.model.errors import BadRequestData
from rhinecloud.model.values import normal_time

Timerel = Literal["before", "after", "between"]
TimeProperty = Literal["observedAt", "createdAt", "modifiedAt", "deletedAt"]

FOREVER_AGO: Final = datetime.min.replace(tzinfo=UTC)
FOREVER: Final = datetime.max.replace(tzinfo=UTC)

# The driver takes the first and the last instant of all for infinity.
_FIRST: Final = FOREVER_AGO + timedelta(microseconds=1)
_LAST: Final = FOREVER - timedelta(microseconds=1)


class TemporalQuery(msgspec.Struct, frozen=True):
    """Which instances are meant: those whose `timeproperty` lies in `since` <= time < `until`, and of these the last
    `last_n` of each attribute. Without a `timeproperty` (and then without a `timerel`) all are meant, each at its
    own time: that of its observation, else that of its arrival."""

    timerel: Timerel | None = None
    time_at: datetime | None = None
    end_time_at: datetime | None = None
    timeproperty: TimeProperty | None = None
    last_n: int | None = None

    @property
    def since(self) -> datetime:
        """The first instant that is meant, included."""
        if self.time_at is None or self.timerel == "before":
            return FOREVER_AGO
        return self.time_at

    @property
    def until(self) -> datetime:
        """The instant before which what is meant ends."""
        end = {"before": self.time_at, "between": self.end_time_at}.get(self.timerel or "")
        return FOREVER if end is None else end


def parse_temporal_query(given: Mapping[str, Any], *, required: bool = False) -> TemporalQuery:
    """Read `timerel`, `timeAt`, `endTimeAt`, `timeproperty` and `lastN`, from a query string or from the members of a
    TemporalQuery (§5.2.21). `required`: without a timerel there is no query (§5.7.4.4). Raises BadRequestData."""
    timerel, timeproperty = given.get("timerel"), given.get("timeproperty")
    time_at, end_time_at = _time(given, "timeAt"), _time(given, "endTimeAt")
    if timerel is None:
        if required:
            raise BadRequestData("a temporal query needs timerel and timeAt", field="timerel")
        if time_at is not None or end_time_at is not None:
            raise BadRequestData("timeAt and endTimeAt go with timerel", field="timerel")
    elif timerel not in get_args(Timerel):
        raise BadRequestData(f"timerel is one of {', '.join(get_args(Timerel))}", field="timerel")
    elif time_at is None:
        raise BadRequestData("timerel needs timeAt", field="timeAt")
    elif timerel == "between" and end_time_at is None:
        raise BadRequestData("timerel=between needs endTimeAt", field="endTimeAt")
    if timeproperty is not None and timeproperty not in get_args(TimeProperty):
        raise BadRequestData(
            f"timeproperty is one of {', '.join(get_args(TimeProperty))}", field="timeproperty"
        )
    if timerel is not None and timeproperty is None:
        timeproperty = "observedAt"
    return TemporalQuery(
        cast("Timerel | None", timerel),
        time_at,
        end_time_at,
        cast("TimeProperty | None", timeproperty),
        _last_n(given.get("lastN")),
    )


def _time(given: Mapping[str, Any], name: str) -> datetime | None:
    text = given.get(name)
    if text is None:
        return None
    normal = normal_time(text) if isinstance(text, str) else None
    if normal is None:
        raise BadRequestData(
            f"{name} is a DateTime such as 2026-01-31T12:00:00Z, not {text!r:.80}", field=name
        )
    return min(max(datetime.fromisoformat(normal), _FIRST), _LAST)


def _last_n(given: Any) -> int | None:
    if given is None:
        return None
    number = int(given) if isinstance(given, str) and given.isascii() and given.isdigit() else given
    if type(number) is not int or not 0 < number < 2**31:
        raise BadRequestData(f"lastN is a positive whole number, not {given!r:.40}", field="lastN")
    return number
