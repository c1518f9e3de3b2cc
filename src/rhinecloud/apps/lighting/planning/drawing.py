"""A night as a picture and as a table. Pure: what a template needs to draw both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Final, NamedTuple

from rhinecloud.app import Text

from ..control.clocks import bounds
from ..control.reasons import Why
from ..control.targets import Target

WIDTH: Final = 720
HEIGHT: Final = 160
_ROWS: Final = 60  # of a table; a ramp has twenty steps


class Span(NamedTuple):
    """A row of the table. `begin` in the city's clock; `chain` says why."""

    begin: datetime
    level: float
    chain: tuple[Text, ...]


class Drawing(NamedTuple):
    """`line` and `area` are paths of a picture of WIDTH × HEIGHT; `dark` where night lies in it (left, width); `before`
    is the path of what was; `marks` are (left in percent, text) of the hours."""

    line: str
    area: str
    before: str
    dark: tuple[float, float]
    marks: tuple[tuple[float, str], ...]
    spans: tuple[Span, ...]
    sunset: datetime | None
    sunrise: datetime | None


def draw(
    targets: Sequence[Target],
    evening: date,
    zone: tzinfo,
    sun: tuple[float, float],
    words: Callable[[Why], tuple[Text, ...]],
    before: Sequence[Target] = (),
) -> Drawing:
    """A night that begins at noon of `evening`; `sun`: when it sets and rises, `before`: the night as it was."""
    begin, end = bounds(evening, zone)
    scale = WIDTH / (end - begin)
    line = _path(targets, begin, scale)
    left, right = (
        min(max((one - begin) * scale, 0.0), float(WIDTH)) if not math.isnan(one) else 0.0 for one in sun
    )
    hours = [
        (100.0 * (moment - begin) / (end - begin), datetime.fromtimestamp(moment, zone))
        for moment in range(begin, end + 1, 3 * 3600)
    ]
    return Drawing(
        line=line,
        area=f"{line}V{HEIGHT}H0Z" if line else "",
        before=_path(before, begin, scale),
        dark=(round(left, 1), round(max(0.0, right - left), 1)),
        marks=tuple((round(place, 2), f"{at:%H}") for place, at in hours),
        spans=tuple(_spans(targets, words))[:_ROWS],
        sunset=_moment(sun[0], zone),
        sunrise=_moment(sun[1], zone),
    )


def _path(targets: Sequence[Target], begin: int, scale: float) -> str:
    """A step line, 0 % at the bottom."""
    parts: list[str] = []
    for target in targets:
        height = HEIGHT - target.level / 100 * (HEIGHT - 8)
        start, finish = (target.since - begin) * scale, (target.until - begin) * scale
        parts.append(f"{'V' if parts else f'M{start:.1f} '}{height:.1f}H{finish:.1f}")
    return "".join(parts)


def _spans(targets: Sequence[Target], words: Callable[[Why], tuple[Text, ...]]) -> list[Span]:
    """The table says once what a ramp passes through: that it begins."""
    found: list[Span] = []
    in_ramp = False
    for target in targets:
        ramp = any(reason.kind == "ramp" for reason in target.why)
        if not (ramp and in_ramp):
            found.append(Span(datetime.fromtimestamp(target.since, UTC), target.level, words(target.why)))
        in_ramp = ramp
    return found


def _moment(seconds: float, zone: tzinfo) -> datetime | None:
    return datetime.fromtimestamp(seconds, zone) if math.isfinite(seconds) else None
