"""Rules of the city: how dark a lamp may become at night. They are rows that the city edits; two come from the law.

- A lamp that does not shine all night has to carry sign 394 (Laternenring: StVO, annex 3 to § 42 (2), no. 38), because
  whoever parks in its light need not light the car (§ 17 (4) StVO). A lamp that is dimmed still shines.
- A pedestrian crossing (Zebrastreifen, § 26 StVO) has to be lit in the dark: R-FGÜ 2001, no. 3.4; VwV-StVO on § 26.

Each rule is a floor: a level that some lamps keep while it is dark. A plan that goes below it is refused or warned of,
and a lamp that would go below it is kept there, whatever its program says (`targets`). Dark is the time between the
ends of civil twilight, less the rule's `grace`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, Literal, Protocol

import msgspec

from rhinecloud.app import Text

from .curve import Stretch
from .problems import Problem, refused
from .sun import Dark

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Grace = Annotated[int, msgspec.Meta(ge=0, le=120)]
_SWITCHING: Final = 60  # seconds below a floor that are no breach


class LampFacts(Protocol):
    """What rules ask of a lamp; `category` is where it stands (road, crossing, pedestrianPath, park, …)."""

    @property
    def category(self) -> str: ...
    @property
    def sign_394(self) -> bool: ...


class PartNightNeedsSign394(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag="part_night_needs_sign_394",
    tag_field="kind",
):
    """Lamps without the sign shine all night: at `level` or more. `categories`: none for all."""

    categories: tuple[str, ...] = ()
    level: Percent = 10
    grace: Grace = 15


class CrossingStaysLit(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag="crossing_stays_lit",
    tag_field="kind",
):
    """Lamps of crossings keep what the crossing was designed with."""

    categories: tuple[str, ...] = ("crossing",)
    level: Percent = 100
    grace: Grace = 15


class MinimumLevel(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag="minimum_level",
    tag_field="kind",
):
    """Lamps of these categories (none: all) never go below a level at night, for reasons of the city's own."""

    categories: tuple[str, ...] = ()
    level: Percent
    grace: Grace = 15


Demanded = PartNightNeedsSign394 | CrossingStaysLit | MinimumLevel


class LawRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row. Whoever plans below it is refused, or with `severity` warn only told."""

    id: str
    name: Text
    rule: Demanded
    severity: Literal["refuse", "warn"] = "refuse"
    active: bool = True


DEFAULTS: Final = (
    LawRule(
        id="sign-394",
        name=(
            "Ohne Zeichen 394 (Laternenring) brennt die Leuchte die ganze Nacht (§ 17 Abs. 4, Anlage 3 StVO)",
            "without sign 394 a lamp shines all night (StVO § 17 (4), annex 3)",
        ),
        rule=PartNightNeedsSign394(
            categories=("road", "parking", "bridge", "centralIsland", "tunnel", "sidewalk")
        ),
    ),
    LawRule(
        id="crossing",
        name=(
            "Fußgängerüberwege bleiben beleuchtet (§ 26 StVO, R-FGÜ 2001 Nr. 3.4)",
            "pedestrian crossings stay lit (StVO § 26, R-FGÜ 2001 no. 3.4)",
        ),
        rule=CrossingStaysLit(),
    ),
)


class Floor(msgspec.Struct, frozen=True):
    """The level that a lamp keeps while it is dark; `grace` in seconds at both ends; `rule` is the id of the row."""

    rule: str
    level: float
    grace: int

    def holds(self, dark: Dark) -> tuple[float, float] | None:
        """From when to when, in a night with this darkness; None where it does not become dark."""
        begin, end = dark.begin + self.grace, dark.end - self.grace
        return (begin, end) if begin < end else None


def floors(lamp: LampFacts, rules: Iterable[LawRule]) -> tuple[Floor, ...]:
    """What the active rules ask of a lamp, the highest first."""
    found = [
        Floor(row.id, float(row.rule.level), 60 * row.rule.grace)
        for row in rules
        if row.active and _concerns(row.rule, lamp)
    ]
    return tuple(sorted(found, key=lambda floor: -floor.level))


def _concerns(rule: Demanded, lamp: LampFacts) -> bool:
    if rule.categories and lamp.category not in rule.categories:
        return False
    return not (isinstance(rule, PartNightNeedsSign394) and lamp.sign_394)


def check(lamp: LampFacts, curve: Sequence[Stretch], dark: Dark, rules: Sequence[LawRule]) -> list[Problem]:
    """What the rules have against this lamp following this curve. `dark`: between the ends of civil twilight."""
    severities = {row.id: row for row in rules}
    return [
        problem
        for floor in floors(lamp, rules)
        for problem in _below(severities[floor.rule], floor, curve, dark)
    ]


def _below(row: LawRule, floor: Floor, curve: Sequence[Stretch], dark: Dark) -> Iterator[Problem]:
    span = floor.holds(dark)
    if span is None:
        return
    breaches = [
        stretch
        for stretch in curve
        if stretch.level < floor.level
        and min(stretch.end, span[1]) - max(stretch.begin, span[0]) > _SWITCHING
    ]
    if breaches:
        lowest = min(stretch.level for stretch in breaches)
        yield Problem(
            row.severity,
            row.id,
            (
                f"{row.name[0]}: geplant sind {lowest:.0f} %, nötig mindestens {floor.level:.0f} %.",
                f"{row.name[1]}: planned are {lowest:.0f} %, at least {floor.level:.0f} % is needed.",
            ),
        )


def parse(text: bytes | str) -> LawRule:
    """A rule from its JSON form. Raises msgspec.ValidationError, which names the field."""
    return msgspec.json.decode(text, type=LawRule)


def printed(rule: LawRule) -> bytes:
    """The JSON form."""
    return msgspec.json.encode(rule)


def problems(rule: LawRule) -> list[Problem]:
    """What is wrong with a rule."""
    found = []
    if not rule.id or len(rule.id) > 100 or not rule.id.isprintable():
        found.append(refused("id", "Die Kennung hat 1 bis 100 Zeichen.", "The id has 1 to 100 characters."))
    if not all(one.strip() for one in rule.name):
        found.append(
            refused("name", "Der Name fehlt (deutsch, englisch).", "The name is missing (German, English).")
        )
    return found
