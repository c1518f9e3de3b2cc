"""Aggregation of attribute instances by periods (CIM 009 §4.5.19): which value takes part in which method, and the
figures of each period that has instances.

Numbers come as arrays or, for a whole period, as sums made elsewhere; whatever else an instance may hold comes
as the instance itself. Many attributes are worked out in one stroke: their numbers stand in the same arrays.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, cast, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from rhinecloud.model.entity import VALUE_MEMBER, Instance, is_null
from rhinecloud.model.errors import BadRequestData
from rhinecloud.model.temporal_periods import Duration, Times, parse_duration
from rhinecloud.model.values import normal_clock

Method = Literal["avg", "distinctCount", "max", "min", "stddev", "sum", "sumsq", "totalCount"]
Floats = npt.NDArray[np.float64]

SUMMED: Final = frozenset({"totalCount", "sum", "avg", "min", "max"})
"""Methods for which count, sum, smallest and largest of a part are enough."""

_COUNTS: Final = ("distinctCount", "totalCount")
_METHODS_OF: Final[dict[str, frozenset[str]]] = {
    "number": frozenset(get_args(Method)),
    "array": frozenset({"avg", "max", "min", "sum", *_COUNTS}),
    "text": frozenset({"max", "min", *_COUNTS}),
    "dateTime": frozenset({"max", "min", *_COUNTS}),
    "date": frozenset({"max", "min", *_COUNTS}),
    "time": frozenset({"avg", "max", "min", *_COUNTS}),
    "other": frozenset(_COUNTS),
}
"""Tables 4.5.19.1-1 to -3. Where values of several kinds lie in one period the first kind that is there counts."""
_TYPED: Final = {"DateTime": "dateTime", "Date": "date", "Time": "time", "@id": "other", "URI": "other"}

_encode = msgspec.json.Encoder(order="sorted").encode


class Aggregation(msgspec.Struct, frozen=True):
    """What to aggregate by which periods."""

    methods: tuple[Method, ...]
    duration: Duration = Duration()

    @property
    def by_sums(self) -> bool:
        """Whether sums of parts answer it."""
        return SUMMED.issuperset(self.methods)


def parse_aggregation(methods: Any, duration: Any) -> Aggregation:
    """Read `aggrMethods` (comma-separated, or a list) and `aggrPeriodDuration`, P0D if None. Raises BadRequestData."""
    names = methods.split(",") if isinstance(methods, str) else methods
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise BadRequestData("aggregatedValues needs aggrMethods", field="aggrMethods")
    names = [name.strip() for name in names]
    known = get_args(Method)
    for name in names:
        if name not in known:
            raise BadRequestData(
                f"aggrMethods are of {', '.join(known)}, not {name!r:.40}", field="aggrMethods"
            )
    return Aggregation(
        tuple(dict.fromkeys(cast("list[Method]", names))),
        Duration() if duration is None else parse_duration(duration),
    )


class Part(NamedTuple):
    """Numbers of a group (an attribute instance over time, by whatever number), each with that of its period."""

    group: int
    periods: Times
    values: Floats


class Sums(NamedTuple):
    """Columns: how many numbers of a group lie in a period, their sum, the smallest and the largest of them."""

    groups: Times
    periods: Times
    counts: Times
    totals: Floats
    smallest: Floats
    largest: Floats


class Figures(NamedTuple):
    """Method → the figure of each of these periods, which are those that have instances, in order. None where the
    values of a period are not eligible."""

    periods: Times
    methods: dict[str, list[Any]]


Others = Mapping[int, Sequence[tuple[int, Instance]]]
"""Group → instances that are more than a number, each with the number of its period."""

_NO_OTHERS: Final[Others] = MappingProxyType({})


def aggregate(
    methods: Sequence[Method], parts: Sequence[Part], others: Others = _NO_OTHERS, sums: Sums | None = None
) -> dict[int, Figures]:
    """The figures of each group that has instances, with those methods that its values are eligible for.

    `sums` only with methods that are answered by sums (SUMMED). Deleted instances count for nothing.
    """
    kept = {
        group: [(period, one) for period, one in instances if "deletedAt" not in one and not is_null(one)]
        for group, instances in others.items()
    }
    apart = frozenset(group for group, instances in kept.items() if instances)
    plain = [part for part in parts if part.group not in apart]
    given = sums
    if sums is not None and apart:
        given = chosen(sums, ~np.isin(sums.groups, list(apart)))
    figures = _numeric(methods, plain, given)
    for group in apart:
        own = None if sums is None else chosen(sums, sums.groups == group)
        figures[group] = _mixed(methods, [part for part in parts if part.group == group], kept[group], own)
    return figures


def chosen(sums: Sums, rows: npt.NDArray[Any]) -> Sums:
    """These rows, by numbers or by a mask."""
    return Sums(
        sums.groups[rows],
        sums.periods[rows],
        sums.counts[rows],
        sums.totals[rows],
        sums.smallest[rows],
        sums.largest[rows],
    )


def total(parts: Sequence[Part], given: Sums | None = None) -> Sums:
    """Sums of numbers and of what else is known to be, in the order of group and period."""
    groups, periods, values = _columns(parts)
    sums = _sums(groups, periods, values, _begins(groups, periods))
    return sums if given is None else _together(sums, given)


def _columns(parts: Sequence[Part]) -> tuple[Times, Times, Floats]:
    """All groups as one, in the order of group and period."""
    values = _joined([part.values for part in parts], np.float64)
    periods = _joined([part.periods for part in parts], np.int64)
    groups = np.repeat(
        np.asarray([part.group for part in parts], dtype=np.int64),
        np.asarray([len(part.values) for part in parts], dtype=np.int64),
    )
    if _in_order(groups, periods):
        return groups, periods, values
    order = np.lexsort((periods, groups))
    return groups[order], periods[order], values[order]


def _numeric(methods: Sequence[Method], parts: Sequence[Part], given: Sums | None) -> dict[int, Figures]:
    """All groups in one stroke."""
    groups, periods, values = _columns(parts)
    begins = _begins(groups, periods)
    sums = _sums(groups, periods, values, begins)
    if given is not None:
        sums = _together(sums, given)
    if not len(sums.groups):
        return {}
    figures: dict[str, list[Any]] = {}
    with np.errstate(over="ignore", invalid="ignore"):
        for method in methods:
            match method:
                case "totalCount":
                    figures[method] = sums.counts.tolist()
                case "sum":
                    figures[method] = sums.totals.tolist()
                case "avg":
                    figures[method] = (sums.totals / sums.counts).tolist()
                case "min":
                    figures[method] = sums.smallest.tolist()
                case "max":
                    figures[method] = sums.largest.tolist()
                case "sumsq":
                    figures[method] = _reduced(np.add, values * values, begins).tolist()
                case "stddev":
                    figures[method] = _deviations(values, begins, sums).tolist()
                case "distinctCount":
                    figures[method] = _distinct(groups, periods, values, begins).tolist()
    first = np.flatnonzero(np.diff(sums.groups, prepend=-1)).tolist()
    last = [*first[1:], len(sums.groups)]
    return {
        group: Figures(sums.periods[low:high], {name: column[low:high] for name, column in figures.items()})
        for group, low, high in zip(sums.groups[first].tolist(), first, last, strict=True)
    }


def _joined(arrays: Sequence[npt.NDArray[Any]], kind: type[Any]) -> npt.NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=kind)


def _in_order(groups: Times, periods: Times) -> bool:
    up, level = groups[1:] > groups[:-1], groups[1:] == groups[:-1]
    return bool((up | (level & (periods[1:] >= periods[:-1]))).all())


def _begins(groups: Times, periods: Times) -> Times:
    """Where another group or period begins."""
    news = (groups[1:] != groups[:-1]) | (periods[1:] != periods[:-1])
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(groups)), dtype=np.bool_), news]))


def _reduced(by: np.ufunc, values: npt.NDArray[Any], begins: Times) -> npt.NDArray[Any]:
    return np.asarray(by.reduceat(values, begins)) if len(values) else values


def _sums(groups: Times, periods: Times, values: Floats, begins: Times) -> Sums:
    with np.errstate(over="ignore", invalid="ignore"):
        return Sums(
            groups[begins],
            periods[begins],
            np.diff(np.append(begins, len(values))),
            _reduced(np.add, values, begins),
            _reduced(np.minimum, values, begins),
            _reduced(np.maximum, values, begins),
        )


def _together(one: Sums, other: Sums) -> Sums:
    """What two say of the same period of a group as one."""
    if not len(one.groups) and _in_order(other.groups, other.periods):
        return other
    both = Sums(*(np.concatenate(columns) for columns in zip(one, other, strict=True)))
    both = chosen(both, np.lexsort((both.periods, both.groups)))
    begins = _begins(both.groups, both.periods)
    with np.errstate(over="ignore", invalid="ignore"):
        return Sums(
            both.groups[begins],
            both.periods[begins],
            _reduced(np.add, both.counts, begins),
            _reduced(np.add, both.totals, begins),
            _reduced(np.minimum, both.smallest, begins),
            _reduced(np.maximum, both.largest, begins),
        )


def _deviations(values: Floats, begins: Times, sums: Sums) -> Floats:
    """Standard deviations of all values of each period (no sample of them), in two passes for the sake of digits."""
    means = np.repeat(sums.totals / sums.counts, sums.counts)
    return np.sqrt(_reduced(np.add, (values - means) ** 2, begins) / sums.counts)


def _distinct(groups: Times, periods: Times, values: Floats, begins: Times) -> Times:
    ordered = values[np.lexsort((values, periods, groups))]
    news = np.ones(len(values), dtype=np.int64)
    news[1:] = ordered[1:] != ordered[:-1]
    news[begins] = 1
    return _reduced(np.add, news, begins)


# Values that are more than numbers ------------------------------------------------------------------------------


class _Cell:
    """What lies in one period: values by their kind, and how often which value."""

    __slots__ = ("count", "distinct", "sums", "values")

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = defaultdict(list)
        self.distinct: set[bytes] = set()
        self.count = 0
        self.sums: tuple[int, float, float, float] | None = None


def _mixed(
    methods: Sequence[Method],
    parts: Sequence[Part],
    others: Sequence[tuple[int, Instance]],
    sums: Sums | None,
) -> Figures:
    cells: dict[int, _Cell] = defaultdict(_Cell)
    for part in parts:
        for period, value in zip(part.periods.tolist(), part.values.tolist(), strict=True):
            _put(cells[period], "number", value, value)
    for period, instance in others:
        _put(cells[period], *_kind(instance))
    if sums is not None:
        for _, period, count, *rest in zip(*(column.tolist() for column in sums), strict=True):
            cells[period].count += count
            cells[period].sums = (count, *rest)
    kinds = {period: _kind_of(cell) for period, cell in cells.items()}
    eligible = frozenset().union(*(_METHODS_OF[kind] for kind in kinds.values()))
    order = sorted(cells)
    return Figures(
        np.asarray(order, dtype=np.int64),
        {m: [_figure(m, kinds[p], cells[p]) for p in order] for m in methods if m in eligible},
    )


def _put(cell: _Cell, kind: str, comparable: Any, whole: Any) -> None:
    cell.values[kind].append(comparable)
    cell.distinct.add(_encode(float(whole) if type(whole) is int and abs(whole) < 2**53 else whole))
    cell.count += 1


def _kind_of(cell: _Cell) -> str:
    if cell.sums is not None:
        return "number"
    return next(kind for kind in _METHODS_OF if kind in cell.values)


def _kind(instance: Instance) -> tuple[str, Any, Any]:
    """The kind of an instance's value, what of it is compared and added, and the value whole."""
    type_ = instance.get("type", "Property")
    value: Any = instance.get(VALUE_MEMBER.get(type_, "value"))
    if type_ == "ListProperty":
        return "array", len(value), value
    if type_ not in ("Property", "JsonProperty"):
        return "other", None, value
    if isinstance(value, bool):
        return "number", float(value), value
    if isinstance(value, int | float):
        return "number", float(value), value
    if isinstance(value, str):
        return "text", value, value
    if isinstance(value, list):
        return "array", len(value), value
    if isinstance(value, dict) and type_ == "Property" and isinstance(value.get("@value"), str):
        name = str(value.get("@type", "")).rpartition("/")[2].rpartition("#")[2]
        text = value["@value"]
        kind = _TYPED.get(name, "text")
        if kind == "time" and normal_clock(text) is None:
            kind = "text"
        return kind, text, text
    return "other", None, value


def _figure(method: str, kind: str, cell: _Cell) -> Any:
    """None where the values of the period are not eligible for the method."""
    if method == "totalCount":
        return cell.count
    if method == "distinctCount":
        return len(cell.distinct)
    if method not in _METHODS_OF[kind]:
        return None
    values = cell.values.get(kind, [])
    if kind in ("text", "dateTime", "date"):
        return (max if method == "max" else min)(values, key=None if kind == "text" else _sortable)
    if kind == "time":
        if method == "avg":
            return _clock(sum(map(_seconds, values)) / len(values))
        return (max if method == "max" else min)(values, key=_sortable)
    values = [float(value) for value in values]
    if cell.sums is not None:
        count, total, smallest, largest = cell.sums
    else:
        count, total, smallest, largest = 0, 0.0, math.inf, -math.inf
    match method:
        case "sum":
            return sum(values) + total
        case "avg":
            return (sum(values) + total) / (len(values) + count)
        case "min":
            return min([*values, smallest])
        case "max":
            return max([*values, largest])
        case "sumsq":
            return sum(value * value for value in values)
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _sortable(text: str) -> str:
    # Without the Z a fraction sorts behind the whole second.
    return text.removesuffix("Z")


def _seconds(text: str) -> float:
    hours, minutes, seconds = text.removesuffix("Z").replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _clock(seconds: float) -> str:
    at = datetime.fromtimestamp(round(seconds, 6) % 86_400, UTC)
    text = at.strftime("%H:%M:%S")
    fraction = f"{at.microsecond:06d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"
