"""What people and programs ask for, read and judged: detectors and profiles. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from rhinecloud.app import Text

from .neighbours import ASIDE, REACH, Profile, problems
from .passing import KINDS, Placed

_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_LONGEST: Final = 120  # letters of a name
_LONGEST_HOLD: Final = 300.0  # seconds
NUMBERS: Final = (
    "level",
    "hold",
    "ahead",
    "behind",
    "aside",
    "typical_speed",
    "least_speed",
    "most_speed",
    "lead",
    "lasting",
)


class Wrong(Exception):  # noqa: N818  # says what it is
    """What was asked for cannot be meant; every reason."""

    def __init__(self, reasons: list[Text]) -> None:
        super().__init__("; ".join(english for _, english in reasons))
        self.reasons = reasons


def number(text: str) -> float:
    """A number with a point or a comma; NaN for anything else."""
    try:
        found = float(text.strip().replace(",", "."))
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def placed(given: Mapping[str, str]) -> Placed:
    """A detector from the fields of its form. Raises Wrong."""
    bearing = given.get("bearing", "").strip()
    one = Placed(
        id=given.get("id", "").strip(),
        name=given.get("name", "").strip(),
        lon=number(given.get("lon", "")),
        lat=number(given.get("lat", "")),
        kinds=tuple(kind for kind in KINDS if given.get(kind)),
        bearing=number(bearing) if bearing else None,
        street=given.get("street", "").strip(),
    )
    if reasons := wrong(one):
        raise Wrong(reasons)
    return one


def wrong(one: Placed) -> list[Text]:
    """What cannot be meant by a detector; nothing if it can."""
    found: list[Text] = []
    if _ID.fullmatch(one.id) is None or one.id in (".", ".."):
        found.append(("die Kennung ist nicht die eines Geräts", "the id is not that of a device"))
    if not 0 < len(one.name) <= _LONGEST or not one.name.isprintable():
        found.append(("ein Name mit 1 bis 120 Zeichen fehlt", "a name of 1 to 120 characters is missing"))
    if not (-180 <= one.lon <= 180 and -90 <= one.lat <= 90):
        found.append(("der Ort ist nicht in Grad", "the place is not in degrees"))
    if one.bearing is not None and not 0 <= one.bearing < 360:
        found.append(
            ("die Richtung liegt nicht zwischen 0 und 360°", "the bearing is not between 0 and 360°")
        )
    if not one.kinds or len(set(one.kinds)) < len(one.kinds):
        found.append(("wen er erkennt, fehlt", "whom it detects is missing"))
    if len(one.street) > _LONGEST or not one.street.isprintable():
        found.append(("die Straße ist kein Name", "the street is no name"))
    return found


def profile(given: Mapping[str, str]) -> Profile:
    """A profile from the fields of its form; `reach` is lines of speed and metres. Raises Wrong."""
    numbers = {name: number(given.get(name, "")) for name in NUMBERS}
    reach: list[tuple[float, float]] = []
    for line in given.get("reach", "").splitlines():
        if line.strip():
            words = line.split()
            pair = [number(word) for word in words] if len(words) == 2 else [math.nan, math.nan]
            reach.append((pair[0], pair[1]))
    if any(math.isnan(one) for pair in (*reach, tuple(numbers.values())) for one in pair):
        raise Wrong([("eine Zahl fehlt oder ist keine", "a number is missing or is none")])
    one = Profile(**numbers, reach=tuple(reach))
    if reasons := [*problems(one), *_too_much(one)]:
        raise Wrong(reasons)
    return one


def _too_much(one: Profile) -> list[Text]:
    found: list[Text] = []
    if max(one.ahead, one.behind, *(metres for _, metres in one.reach)) > REACH or one.aside > ASIDE:
        found.append(
            (
                f"weiter als {REACH:.0f} m voraus und {ASIDE:.0f} m hinter einer Abbiegung reichen die Tabellen nicht",
                f"tables reach {REACH:.0f} m ahead and {ASIDE:.0f} m behind a turn, not further",
            )
        )
    if one.hold > _LONGEST_HOLD or one.lead > _LONGEST_HOLD:
        found.append(("länger als fünf Minuten", "longer than five minutes"))
    if any(speed < 0 for speed, _ in one.reach) or one.typical_speed > 60:
        found.append(("eine Geschwindigkeit kann nicht sein", "a speed cannot be"))
    if one.least_speed < 0.1 or one.most_speed > 5:
        found.append(("die Spanne der Geschwindigkeit ist zu weit", "the range of the speed is too wide"))
    return found
