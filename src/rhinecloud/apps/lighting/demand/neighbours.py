"""Who stands ahead: for every detector and direction the lamps along the road with their distance, and the profiles by
which they react, in a form that fits a field gateway and needs no network."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from rhinecloud.app import Text

from .roads import Placed, Position, Roads, Sense

FORMAT: Literal["light-on-demand/1"] = "light-on-demand/1"
REACH, ASIDE = 400.0, 60.0  # metres to which tables are computed; a profile says how much of it is used

Kind = Literal["vehicle", "cyclist", "pedestrian"]
LONGEST_HOLD = 300.0  # seconds for which a detection may keep a lamp raised at the most


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """How lamps react to one kind of traveller. Metres, seconds, metres a second; `level` in percent.

    `reach`: how far ahead it is to be light, as (speed, metres), linear in between and constant beyond.
    `least_speed`, `most_speed`: the shares of the measured speed between which the traveller is expected to go on.
    `lead`: seconds that a raised lamp takes to be bright, given before it is due.
    `lasting`: the farthest a detection may keep a lamp raised; after that nothing is left of it.
    """

    level: float = 100.0
    hold: float = 10.0
    reach: tuple[tuple[float, float], ...] = ((0.0, 100.0),)
    ahead: float = 250.0
    behind: float = 0.0
    aside: float = 40.0
    typical_speed: float = 8.3
    least_speed: float = 0.75
    most_speed: float = 1.3
    lead: float = 2.0
    lasting: float = 240.0

    def reaches(self, speed: float) -> float:
        """Metres ahead of a traveller of that speed that are to be light."""
        before = self.reach[0]
        for point in self.reach:
            if speed < point[0]:
                share = (speed - before[0]) / (point[0] - before[0]) if point is not before else 0.0
                return before[1] + share * (point[1] - before[1])
            before = point
        return before[1]


# max(100 m, v·2 s + v²/2a) with a = 3.4 m/s², as docs/reference/lighting-evidence.md has it.
VEHICLE = Profile(reach=((0.0, 100.0), (20.0, 100.0), (27.8, 170.0), (36.1, 265.0)), ahead=200.0)
CYCLIST = Profile(
    reach=((0.0, 60.0), (5.0, 60.0), (10.0, 100.0)), behind=30.0, typical_speed=5.0, ahead=160.0, hold=15.0
)
PEDESTRIAN = Profile(
    reach=((0.0, 110.0),),
    ahead=150.0,
    behind=110.0,
    typical_speed=1.4,
    hold=25.0,
    least_speed=0.5,
    aside=60.0,
)
PROFILES: dict[Kind, Profile] = {"vehicle": VEHICLE, "cyclist": CYCLIST, "pedestrian": PEDESTRIAN}


class Detector(msgspec.Struct, frozen=True):
    """A sensor at a road. `bearing`: the direction of travel that it calls forward, in degrees clockwise from north;
    without one it is that of the road's points."""

    id: str
    position: Position
    street: str = ""
    bearing: float | None = None


class Lamps(msgspec.Struct, frozen=True):
    """The lamps that may react: ids, and where each stands along the roads (`Roads.place`)."""

    ids: Sequence[str]
    placed: Placed


Flat = tuple[int, ...]
"""Number of a lamp, metres along the road, number of the next, …; the nearest first."""


class Reacts(msgspec.Struct, frozen=True):
    """How the lamps of a zone react to one kind of traveller: level in percent, at once, for `hold` seconds."""

    level: float = 100.0
    hold: float = 60.0


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """Lamps that are raised together, whatever way anybody goes: a square, a car park, a path. Kinds of travellers that
    `reacts` does not name raise nothing."""

    id: str
    lamps: Collection[str]
    detectors: Collection[str]
    reacts: Mapping[Kind, Reacts]


class Together(msgspec.Struct, frozen=True):
    """A zone in the table of one of its detectors: the numbers of its lamps."""

    zone: str
    lamps: tuple[int, ...]
    reacts: dict[Kind, Reacts]


class Directions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The lamps ahead of a detector for travel forward and backward; `_aside`: behind a turn into another street.
    `zones` are those that it raises as a whole."""

    forward: Flat = ()
    backward: Flat = ()
    forward_aside: Flat = ()
    backward_aside: Flat = ()
    zones: tuple[Together, ...] = ()

    def flats(self) -> tuple[Flat, ...]:
        """Those along the road, each way."""
        return self.forward, self.backward, self.forward_aside, self.backward_aside

    def lamps(self) -> set[int]:
        """All of them, by their numbers."""
        return {n for flat in self.flats() for n in flat[::2]} | {n for one in self.zones for n in one.lamps}


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What a field gateway needs. `lamps` are the ids that the numbers stand for, `revision` names the content."""

    format: Literal["light-on-demand/1"] = FORMAT
    revision: str = ""
    lamps: tuple[str, ...] = ()
    detectors: dict[str, Directions] = {}
    profiles: dict[Kind, Profile] = {}


def table(
    roads: Roads,
    lamps: Lamps,
    detectors: Sequence[Detector],
    profiles: Mapping[Kind, Profile] = PROFILES,
    reach: float = REACH,
    aside: float = ASIDE,
) -> Table:
    """The table of a whole city. Detectors and lamps with no road near them have no part in it."""
    standing = _by_edge(lamps)
    where = roads.place([one.position for one in detectors], [one.street for one in detectors])
    found: dict[str, Directions] = {}
    for number, one in enumerate(detectors):
        edge, offset = int(where.edge[number]), float(where.offset[number])
        if edge < 0:
            continue
        sense: Sense = 1 if one.bearing is None else roads.sense(edge, offset, one.bearing)
        forward = _lamps_ahead(roads, standing, edge, offset, sense, reach, aside)
        backward = _lamps_ahead(roads, standing, edge, offset, -1 if sense == 1 else 1, reach, aside)
        found[one.id] = Directions(forward[0], backward[0], forward[1], backward[1])
    return _revised(Table(lamps=tuple(lamps.ids), detectors=found, profiles=dict(profiles)))


def zoned(whole: Table, zones: Sequence[Zone]) -> Table:
    """A table with zones: their detectors need no road, and what they raise is beside what stands ahead of them."""
    numbers = {id: number for number, id in enumerate(whole.lamps)}
    found = dict(whole.detectors)
    for zone in sorted(zones, key=lambda one: one.id):
        lamps = tuple(sorted(numbers[lamp] for lamp in set(zone.lamps) if lamp in numbers))
        together = Together(zone.id, lamps, dict(zone.reacts))
        for name in sorted(set(zone.detectors)) if lamps else ():
            before = found.get(name, Directions())
            found[name] = msgspec.structs.replace(before, zones=(*before.zones, together))
    return _revised(msgspec.structs.replace(whole, detectors=found))


def alone(whole: Table, detector: str) -> Table:
    """What one detector raises, in the whole city."""
    there = whole.detectors[detector]
    lamps = {whole.lamps[number] for number in there.lamps()}
    return part(msgspec.structs.replace(whole, detectors={detector: there}), lamps)


def part(whole: Table, lamps: Collection[str]) -> Table:
    """What one field gateway gets: its own lamps, and every detector that has one of them ahead, wherever the detector
    is connected; the gateways pass detections of such detectors on to each other."""
    mine = {
        number: short for short, number in enumerate(n for n, id in enumerate(whole.lamps) if id in lamps)
    }
    kept = {}
    for name, there in whole.detectors.items():
        shorter = Directions(
            _only(there.forward, mine),
            _only(there.backward, mine),
            _only(there.forward_aside, mine),
            _only(there.backward_aside, mine),
            tuple(one for zone in there.zones if (one := _within(zone, mine)).lamps),
        )
        if shorter != Directions():
            kept[name] = shorter
    ids = tuple(whole.lamps[number] for number in mine)
    return _revised(Table(lamps=ids, detectors=kept, profiles=whole.profiles))


def encode(one: Table) -> bytes:
    """JSON, the same bytes for the same content."""
    return msgspec.json.encode(one, order="sorted")


def decode(data: bytes) -> Table:
    """Raises msgspec.ValidationError where it is not such a table, ValueError where what it says cannot be meant or
    the revision is not that of the content (a damaged file)."""
    one = msgspec.json.decode(data, type=Table)
    for name, there in one.detectors.items():
        flats = (there.forward, there.backward, there.forward_aside, there.backward_aside)
        if any(len(flat) % 2 for flat in flats) or any(not 0 <= n < len(one.lamps) for n in there.lamps()):
            raise ValueError(f"{name}: lamps that the table does not name")
        for zone in there.zones:
            for _, message in (wrong for reacts in zone.reacts.values() for wrong in unmeant(reacts)):
                raise ValueError(f"{name}: zone {zone.zone}: {message}")
    for kind, profile in one.profiles.items():
        for _, message in problems(profile):
            raise ValueError(f"{kind}: {message}")
    if one.revision != _revised(one).revision:
        raise ValueError("the revision is not that of the content")
    return one


def problems(profile: Profile) -> list[Text]:
    """What cannot be meant by a profile; nothing if it may be used."""
    found: list[Text] = []
    if not 0 <= profile.level <= 100:
        found.append(("die Stufe liegt nicht zwischen 0 und 100 %", "the level is not between 0 and 100 %"))
    speeds = [speed for speed, _ in profile.reach]
    if not speeds or speeds != sorted(set(speeds)) or any(metres < 0 for _, metres in profile.reach):
        found.append(
            ("die Reichweiten steigen nicht mit der Geschwindigkeit an", "the reach has no rising speeds")
        )
    if not 0 < profile.least_speed <= 1 <= profile.most_speed:
        found.append(
            ("die Spanne der Geschwindigkeit umfasst nicht 1", "the range of the speed does not contain 1")
        )
    if not 0 < profile.lasting <= LONGEST_HOLD:
        found.append(
            (
                "eine Erfassung wirkt höchstens fünf Minuten",
                "a detection may not last longer than five minutes",
            )
        )
    others = (profile.hold, profile.ahead, profile.behind, profile.aside, profile.lead)
    if min(others) < 0 or profile.typical_speed <= 0:
        found.append(("eine Länge oder Dauer ist negativ", "a length or a duration is negative"))
    return found


def unmeant(reacts: Reacts) -> list[Text]:
    """What cannot be meant by a zone's reaction; nothing if it may be used."""
    found: list[Text] = []
    if not 0 <= reacts.level <= 100:
        found.append(("die Stufe liegt nicht zwischen 0 und 100 %", "the level is not between 0 and 100 %"))
    if not 0 < reacts.hold <= LONGEST_HOLD:
        found.append(
            (
                "eine Erfassung wirkt höchstens fünf Minuten",
                "a detection may not last longer than five minutes",
            )
        )
    return found


_Standing = dict[int, tuple[list[float], list[int]]]


def _by_edge(lamps: Lamps) -> _Standing:
    """For each edge the offsets of its lamps, rising, and their numbers."""
    order = np.lexsort((lamps.placed.offset, lamps.placed.edge))
    standing: _Standing = {}
    for number in order.tolist():
        edge = int(lamps.placed.edge[number])
        if edge >= 0:
            offsets, numbers = standing.setdefault(edge, ([], []))
            offsets.append(float(lamps.placed.offset[number]))
            numbers.append(number)
    return standing


def _lamps_ahead(
    roads: Roads, standing: _Standing, edge: int, offset: float, sense: Sense, reach: float, aside: float
) -> tuple[Flat, Flat]:
    """Lamps ahead on the road and aside of it, each once and by its shortest way."""
    found: dict[int, tuple[float, bool]] = {}
    for stretch in roads.ahead(edge, offset, sense, reach, aside):
        if stretch.edge not in standing:
            continue
        offsets, numbers = standing[stretch.edge]
        length = stretch.end - stretch.begin
        low, high = sorted((stretch.offset, stretch.offset + stretch.sense * length))
        for i in range(bisect_left(offsets, low - 1e-6), bisect_right(offsets, high + 1e-6)):
            away = stretch.begin + abs(offsets[i] - stretch.offset)
            if numbers[i] not in found or away < found[numbers[i]][0]:
                found[numbers[i]] = (away, stretch.aside)
    ordered = sorted((round(away), number, aside) for number, (away, aside) in found.items())
    return (
        tuple(part for away, number, turned in ordered if not turned for part in (number, away)),
        tuple(part for away, number, turned in ordered if turned for part in (number, away)),
    )


def _only(flat: Flat, mine: dict[int, int]) -> Flat:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return tuple(part for number, away in pairs if number in mine for part in (mine[number], away))


def _within(zone: Together, mine: dict[int, int]) -> Together:
    lamps = tuple(sorted(mine[number] for number in zone.lamps if number in mine))
    return Together(zone.zone, lamps, zone.reacts)


def _revised(one: Table) -> Table:
    content = encode(msgspec.structs.replace(one, revision=""))
    return msgspec.structs.replace(one, revision=hashlib.sha256(content).hexdigest()[:16])
