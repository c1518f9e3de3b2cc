"""Which backups stay: the newest of each of the last hours, days, weeks, months and years that have one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

# What tells two moments of one period from those of two.
_PERIODS: dict[str, Callable[[datetime], tuple[int, ...]]] = {
    "hourly": lambda at: (at.year, at.month, at.day, at.hour, at.fold),
    "daily": lambda at: (at.year, at.month, at.day),
    "weekly": lambda at: at.isocalendar()[:2],
    "monthly": lambda at: (at.year, at.month),
    "yearly": lambda at: (at.year,),
}
_RULE = re.compile(rf"([1-9][0-9]{{0,3}})\s+({'|'.join(_PERIODS)})")


class Rule(msgspec.Struct, frozen=True):
    """Keep the newest of each of `count` periods."""

    count: int
    period: str


def parse(text: str) -> tuple[Rule, ...]:
    """`7 daily 4 weekly` as rules. Raises ValueError in words."""
    words = " ".join(text.replace(",", " ").split())
    rules = tuple(Rule(int(number), period) for number, period in _RULE.findall(words))
    if not rules or _RULE.sub("", words).strip():
        raise ValueError(f"{text!r} is not like: 7 daily 4 weekly 12 monthly ({', '.join(_PERIODS)})")
    if len({rule.period for rule in rules}) < len(rules):
        raise ValueError(f"{text!r} names a period twice")
    return rules


def kept(moments: Iterable[datetime], rules: Iterable[Rule], zone: ZoneInfo) -> set[datetime]:
    """Those of the moments (with a time zone) that stay; days begin and end as in `zone`. The newest always does."""
    newest_first = sorted(moments, reverse=True)
    stay = set(newest_first[:1])
    for rule in rules:
        seen: set[tuple[int, ...]] = set()
        for moment in newest_first:
            period = _PERIODS[rule.period](moment.astimezone(zone))
            if period not in seen:
                if len(seen) == rule.count:
                    break
                seen.add(period)
                stay.add(moment)
    return stay
