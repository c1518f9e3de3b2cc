"""Who may try how often, without a clock: thousands of tries take less than a moment."""

from __future__ import annotations

from typing import Any

from rhinecloud.people.actors import ANONYMOUS
from rhinecloud.people.limits import COUNT, UNJUDGED, Buckets, Limits, Rule, count, recognise
from rhinecloud.settings import Settings

MANY = 5_000


def _request(address: str = "192.0.2.7") -> dict[str, Any]:
    return {"method": "POST", "path": "/api/lighting/talq/events", "client": (address, 4711)}


def test_whom_an_app_knows_is_not_counted_and_who_guesses_is() -> None:
    limits = Limits(Settings())
    for _ in range(MANY):
        scope = _request()
        assert limits.take_unjudged(scope, {}) == 0
        recognise(scope)
        recognise(scope)  # says it once
    guessing = [limits.take_unjudged(_request("192.0.2.8"), {}) for _ in range(MANY)]
    assert guessing[0] == 0 and guessing[-1] > 0
    # They share a neighbourhood, which is not that of others; what is read there without a secret is counted apart.
    assert limits.take_unjudged(_request(), {}) > 0
    assert limits.take_unjudged(_request("198.51.100.1"), {}) == 0
    assert limits.take(_request(), {}, ANONYMOUS, of_api=True) == 0


def test_what_is_put_back_is_no_more_than_was_taken() -> None:
    buckets = Buckets()
    buckets.give_back(UNJUDGED, "nobody")
    assert len(buckets) == 0
    for _ in range(3):
        assert buckets.take(UNJUDGED, "a", now=1.0) == 0
        buckets.give_back(UNJUDGED, "a")
        buckets.give_back(UNJUDGED, "a")
    taken = [buckets.take(UNJUDGED, "a", now=1.0) for _ in range(int(UNJUDGED.burst) + 1)]
    assert not any(taken[:-1]) and taken[-1] > 0


def test_an_app_counts_by_rules_of_its_own_and_each_rule_for_itself() -> None:
    limits = Limits(Settings())

    def tried(address: str, name: str) -> float:
        scope = _request(address)
        scope[COUNT] = lambda rule: limits.count(scope, {}, rule)
        return count(scope, Rule(name, 2, 0.001))

    assert [tried("192.0.2.7", "codes") > 0 for _ in range(3)] == [False, False, True]
    assert tried("192.0.2.200", "codes") > 0  # the same neighbourhood
    assert tried("192.0.2.7", "joining") == 0 == tried("198.51.100.1", "codes")
    assert count(_request(), Rule("codes", 0, 1)) == 0  # where no gate looked


def test_where_nobody_counted_nothing_is_put_back() -> None:
    recognise(_request())
