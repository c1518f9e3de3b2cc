"""What is wanted, in the device's own words: the rules of `wanted`, compiled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .document import WantedRule
from .rules import Wrong

_DIGITS = 12  # significant digits of a number that is not rounded


class Translating:
    """The rules of a profile. What no rule names is said as it is wanted."""

    def __init__(self, rules: Sequence[tuple[str, WantedRule]]) -> None:
        """Each with its pointer. Raises Wrong for a rule that cannot be."""
        self._rules: dict[str, list[WantedRule]] = {}
        for pointer, rule in rules:
            _check(pointer, rule)
            self._rules.setdefault(rule.name, []).append(rule)

    def told(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the device is told of what is wanted. Raises ValueError for a value that no rule of its name takes."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            rules = self._rules.get(name)
            if rules is None:
                found[name] = value
                continue
            said = {rule.key: _said(rule, value) for rule in rules if _takes(rule, value)}
            if not said:
                raise ValueError(f"the profile has no words for {name} = {value!r:.60}")
            found |= said
        return found


def _check(pointer: str, rule: WantedRule) -> None:
    if not rule.name or not rule.key:
        raise Wrong(pointer, "a rule has a name and a key")
    numeric = (rule.scale, rule.offset, rule.digits, rule.least)
    if sum((rule.value is not None, rule.map is not None, any(one is not None for one in numeric))) > 1:
        raise Wrong(pointer, "a rule has one of value, map, and scale with offset, digits and least")


def _takes(rule: WantedRule, value: Any) -> bool:
    if rule.map is not None and _text(value) not in rule.map:
        return False
    if rule.above is None and rule.up_to is None:
        return True
    number = _number(value)
    if number is None:
        return False
    return (rule.above is None or number > rule.above) and (rule.up_to is None or number <= rule.up_to)


def _said(rule: WantedRule, value: Any) -> Any:
    if rule.value is not None:
        return rule.value
    if rule.map is not None:
        return rule.map[_text(value)]
    if rule.scale is None and rule.offset is None and rule.digits is None and rule.least is None:
        return value
    number = _number(value)
    if number is None:
        raise ValueError(f"{rule.name} = {value!r:.60} is no number")
    number = number * (1.0 if rule.scale is None else rule.scale) + (rule.offset or 0.0)
    if rule.least is not None:
        number = max(number, rule.least)
    return _rounded(number, rule.digits)


def _rounded(number: float, digits: int | None) -> float | int:
    """Halves away from zero: 2.5 is 3, as people and devices round."""
    if digits is None:
        number = float(f"{number:.{_DIGITS}g}")
    else:
        shift = 10.0**digits
        number = math.copysign(math.floor(float(f"{abs(number) * shift:.{_DIGITS}g}") + 0.5) / shift, number)
    return int(number) if number.is_integer() else number


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
