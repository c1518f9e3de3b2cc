"""The rule as people are told it says what was done, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from rhinecloud.apps.participation.choosing.ways import Way, announced, rule
from rhinecloud.apps.participation.events.model import Option, Poll, Rule


def poll(rule: Rule, reserved: int = 0) -> Poll:
    return Poll(
        number=1,
        event=1,
        kind="groups",
        title="",
        explanation="",
        secret=False,
        results="live",
        state="closed",
        revealed=False,
        rule=rule,
        options=(Option(1, "one", 5, {"club": reserved}),),
    )


@pytest.mark.parametrize("by", ["lot", "arrival"])
@pytest.mark.parametrize("way", [None, "lot", "arrival", "solver"])
def test_the_rule_is_that_of_the_way(by: Way, way: Way | None) -> None:
    told = [english for _, english in rule(poll(Rule(by=by)), way)]  # type: ignore[arg-type]
    assert any("draw" in one for one in told) == (by == "lot")
    assert any("voted first" in one for one in told) == (by == "arrival")
    assert any("solver gave" in one for one in told) == (way == "solver")
    # What the solver gives is not by rank: it is not said that first wishes come first, but for waiting lists.
    assert any(one.startswith("First wishes come before") for one in told) == (way != "solver")
    assert any("moves up by itself" in one for one in told)
    assert not any("eserved places" in one for one in told)
    reserved = [english for _, english in rule(poll(Rule(by=by), 2), way)]  # type: ignore[arg-type]
    assert any("eserved places" in one for one in reserved)


def test_only_what_was_announced_may_be_done() -> None:
    one = poll(Rule())
    assert announced(one) == ("lot",)
    assert announced(msgspec.structs.replace(one, rule=Rule(by="arrival", solver=True))) == (
        "arrival",
        "solver",
    )
    assert any("may choose a solver" in english for _, english in rule(poll(Rule(solver=True)), None))
    assert not any("may choose a solver" in english for _, english in rule(poll(Rule(solver=True)), "lot"))
