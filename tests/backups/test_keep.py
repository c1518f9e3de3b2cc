"""Which backups stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.backup_keep import Rule, kept, parse

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


def test_rules_are_read() -> None:
    assert parse("7 daily 4 weekly, 12 monthly") == (Rule(7, "daily"), Rule(4, "weekly"), Rule(12, "monthly"))
    for text in ("", "daily", "0 daily", "7 daily 3 daily", "7 daily and more", "-1 weekly"):
        with pytest.raises(ValueError, match="daily|names a period twice"):
            parse(text)


def test_a_year_of_nights() -> None:
    nights = [NOW - timedelta(days=n) for n in range(400)]
    stay = kept(nights, parse("7 daily 4 weekly 12 monthly"), BERLIN)
    assert set(nights[:7]) <= stay
    # The last night of each of twelve months, the Sundays of the weeks before; some are among the seven.
    assert len({(one.year, one.month) for one in stay}) == 12
    assert len(stay) == 7 + 2 + 11
    assert NOW - timedelta(days=23) in stay  # 31 October


def test_the_hour_that_comes_twice_is_two() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # half past two, summer time; and an hour later again
    assert len(kept([first, first + timedelta(hours=1)], parse("24 hourly"), BERLIN)) == 2


@given(
    st.lists(st.integers(0, 20_000), unique=True, min_size=1),
    st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(["hourly", "daily", "weekly", "monthly", "yearly"])),
        min_size=1,
        unique_by=lambda rule: rule[1],
    ),
)
def test_what_stays_once_stays_when_it_is_asked_again(hours: list[int], told: list[tuple[int, str]]) -> None:
    rules = [Rule(*rule) for rule in told]
    moments = [NOW - timedelta(hours=n) for n in hours]
    stay = kept(moments, rules, BERLIN)
    assert max(moments) in stay and stay <= set(moments)
    assert len(stay) <= 1 + sum(rule.count for rule in rules)
    assert kept(stay, rules, BERLIN) == stay
