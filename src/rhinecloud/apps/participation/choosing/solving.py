"""As many satisfied wishes as can be: the assignment that a solver finds. Pure; made to run in `city.jobs.compute`.

A flow of least cost: participants to options, of whose places those reserved that the rule had given to their kind are
kept for it. As many as can be get one of their wishes; then as few steps down from first wishes as can be; then those
who come first in the order have the better ones. As the rule's own result is one of those that it chooses from, never
fewer get a wish than by the rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import highspy
import numpy as np

from ..events.model import Option
from .rules import Settlement, Standing, Wishes, fill, settle

SECONDS: Final = 60.0


class Unsolved(Exception):
    """The solver did not find the best assignment in its time."""


def solve(wishes: Sequence[Wishes], options: Sequence[Option]) -> Settlement:
    """The places of all, who stand in their order. Raises Unsolved; KeyError for a wish that is no option."""
    by_rule = settle(wishes, options)
    if all(one.rank == 1 for one in by_rule.standings if one.who.wishes):
        return by_rule
    chosen = _flow(wishes, options, _kept(by_rule))
    best = Settlement(
        tuple(options), tuple(Standing(one, index, chosen.get(index)) for index, one in enumerate(wishes))
    )
    # A place that was kept for a kind which went elsewhere stays with nobody.
    return fill(best)[0]


def _kept(by_rule: Settlement) -> dict[tuple[int, str], int]:
    """Reserved places (option, kind of organisation) that the rule gave to whom they are for."""
    inside = Counter((one.option, one.who.kind) for one in by_rule.standings)
    return {
        (option.number, kind): min(number, inside[option.number, kind])
        for option in by_rule.options
        if option.capacity is not None
        for kind, number in option.reserved.items()
        if min(number, inside[option.number, kind]) > 0
    }


def _flow(
    wishes: Sequence[Wishes], options: Sequence[Option], kept: dict[tuple[int, str], int]
) -> dict[int, int]:
    """Index of a participant → rank of the wish that they get.

    One column for each wish, one for each kind that places are kept for. Rows: each participant has at most one place;
    each option at most its capacity, less what is kept and not used; what is used of kept places is at most how many of
    that kind are inside. This is a network, so that a vertex of it is whole numbers.
    """
    limited = {option.number: option for option in options if option.capacity is not None}
    rows = {number: len(wishes) + place for place, number in enumerate(limited)}
    kept_rows = {pair: len(wishes) + len(rows) + place for place, pair in enumerate(kept)}
    upper = [1.0] * len(wishes)
    upper += [
        float((option.capacity or 0) - sum(some for (of, _), some in kept.items() if of == number))
        for number, option in limited.items()
    ]
    upper += [0.0] * len(kept_rows)
    costs = _Costs(wishes, len(options) + len(kept))
    columns: list[tuple[int, int]] = []
    starts, indices, values, cost = [0], list[int](), list[float](), list[float]()
    for index, one in enumerate(wishes):
        for rank, number in enumerate(one.wishes, 1):
            columns.append((index, rank))
            cost.append(costs.of(index, rank))
            indices.append(index)
            values.append(1.0)
            if number in rows:
                indices.append(rows[number])
                values.append(1.0)
            if (number, one.kind) in kept_rows:
                indices.append(kept_rows[number, one.kind])
                values.append(-1.0)
            starts.append(len(indices))
    for (number, _), row in kept_rows.items():
        cost.append(0.0)
        indices += [rows[number], row]
        values += [-1.0, 1.0]
        starts.append(len(indices))
    bounds = [1.0] * len(columns) + [float(some) for some in kept.values()]
    solution = _minimum(cost, bounds, upper, starts, indices, values)
    return {index: rank for (index, rank), value in zip(columns, solution, strict=False) if value > 0.5}


class _Costs:
    """What a wish costs, in whole numbers: a place of more outweighs all steps down that it can take, and a step all
    that the order could say. An improvement passes each option, and each kind's share of it, at most once."""

    def __init__(self, wishes: Sequence[Wishes], nodes: int) -> None:
        self._number = len(wishes)
        self._deepest = max(len(one.wishes) for one in wishes)
        self._step = 2 * (nodes + 2) * self._number * (self._deepest + 1) + 1
        self._none = (nodes + 2) * (self._deepest + 1)

    def of(self, index: int, rank: int) -> float:
        """The cost of a wish, less that of no place: below 0."""
        before = self._number - index  # who comes first has more to lose
        saved = (self._none - (rank - 1)) * self._step + (self._deepest - (rank - 1)) * before
        return -float(saved)


class _Quiet(highspy.Highs):
    """Its callbacks, which nobody needs here, would announce it on the console before it can be told not to."""

    def enableCallbacks(self) -> None:  # noqa: N802
        pass


def _minimum(
    cost: list[float],
    bounds: list[float],
    upper: list[float],
    starts: list[int],
    indices: list[int],
    values: list[float],
) -> list[float]:
    """The columns' values at a cheapest vertex. Raises Unsolved."""
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(cost), len(upper)
    model.col_cost_ = np.array(cost)
    model.col_lower_, model.col_upper_ = np.zeros(len(cost)), np.array(bounds)
    model.row_lower_, model.row_upper_ = np.full(len(upper), -highspy.kHighsInf), np.array(upper)
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = np.array(starts, dtype=np.int32)
    model.a_matrix_.index_ = np.array(indices, dtype=np.int32)
    model.a_matrix_.value_ = np.array(values)
    solver = _Quiet()  # type: ignore[no-untyped-call]
    for name, value in (
        ("output_flag", False),
        ("solver", "simplex"),
        ("threads", 1),
        ("time_limit", SECONDS),
    ):
        solver.setOptionValue(name, value)
    solver.passModel(model)
    solver.run()
    found = [float(value) for value in solver.getSolution().col_value]
    whole = all(abs(value - round(value)) < 1e-6 for value in found)
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal or not whole:
        raise Unsolved(solver.modelStatusToString(solver.getModelStatus()))
    return found
