"""Real traffic, read from text; and a generated street along which it is made to travel.

What is data: when each vehicle passed one cross-section, how fast, which way (Moers); how many passed a lane in each
hour (Münster). What is generated: the street, the vehicles' way along it, everybody on foot."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from rhinecloud.apps.lighting.demand.neighbours import Detector, Kind, Lamps, Profile, Table, table
from rhinecloud.apps.lighting.demand.reacting import Detection
from rhinecloud.apps.lighting.demand.roads import Position, Roads, Way

from .usefulness import Seen

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LANE = re.compile(r"MQ_(\d{5})_FV(\d)")
_BEGINS = (6.6326, 51.4516)  # Moers
_EVERY = 50.0  # metres between points at which a vehicle's speed may change
_LEAST_SPEED = 2.0


class Crossings(msgspec.Struct, frozen=True):
    """Vehicles at the cross-section in the order of time: seconds since 1970, metres a second, +1 or −1."""

    at: Floats
    speed: Floats
    sense: Ints

    def between(self, begin: float, end: float) -> Crossings:
        """Those of a time."""
        chosen = (self.at >= begin) & (self.at < end)
        return Crossings(self.at[chosen], self.speed[chosen], self.sense[chosen])

    def hourly(self, begin: float, hours: int) -> Ints:
        """How many in each hour from `begin` on."""
        edges = begin + 3600.0 * np.arange(hours + 1)
        return np.histogram(self.at, edges)[0].astype(np.int64)


class Street(msgspec.Struct, frozen=True, kw_only=True):
    """A straight street of `length` metres. Its ends are there so that vehicles arrive and leave; what is measured is
    between `measured`. `lamps` and `junctions` in metres, rising; the cross-section is in the middle."""

    length: float
    lamps: Floats
    junctions: Floats
    measured: tuple[float, float]

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Which lamps are measured."""
        return (self.lamps >= self.measured[0]) & (self.lamps <= self.measured[1])

    def table(self, every: int, profiles: dict[Kind, Profile]) -> Table:
        """The neighbour table with a sensor at every n-th lamp, named by the lamp's number; forward is +1."""
        roads = Roads([Way((self._at(0.0), self._at(self.length)), "generated")])
        places = [self._at(float(x)) for x in self.lamps]
        lamps = Lamps([str(i) for i in range(len(places))], roads.place(places))
        sensors = [Detector(str(i), places[i], "generated", 90.0) for i in range(0, len(places), every)]
        return table(roads, lamps, sensors, profiles)

    def _at(self, x: float) -> Position:
        return _BEGINS[0] + x / (111_195.0 * np.cos(np.deg2rad(_BEGINS[1]))), _BEGINS[1]


class Trips(msgspec.Struct, frozen=True):
    """Travellers on the street: for each the times and the metres of the points between which it goes steadily."""

    kind: Kind
    times: list[Floats]
    places: list[Floats]

    def seen(self, street: Street, begin: float, steps: int, step: float) -> Seen:
        """Where they are at each step, on the part that is measured."""
        parts: list[tuple[Ints, Floats, Ints, Floats]] = []
        for times, places in zip(self.times, self.places, strict=True):
            first = max(0, int(np.ceil((times[0] - begin) / step)))
            last = min(steps, int(np.ceil((times[-1] - begin) / step)))
            if first >= last:
                continue
            numbers = np.arange(first, last)
            moments = begin + numbers * step
            leg = np.clip(np.searchsorted(times, moments, "right") - 1, 0, len(times) - 2)
            speed = (np.diff(places) / np.diff(times))[leg]
            place = np.interp(moments, times, places)
            inside = (place >= street.measured[0]) & (place <= street.measured[1])
            parts.append(
                (
                    numbers[inside],
                    place[inside],
                    np.sign(speed[inside]).astype(np.int64),
                    np.abs(speed[inside]),
                )
            )
        if not parts:
            return Seen(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64), np.empty(0))
        step_of, place_of, sense_of, speed_of = (
            np.concatenate([part[i] for part in parts]) for i in range(4)
        )
        return Seen(step_of, place_of, sense_of, speed_of)

    def detections(self, street: Street, every: int, missed: float, seed: int) -> list[Detection]:
        """What sensors at every n-th lamp see of them, in the order of time: each passing once, a share `missed` of
        them not at all, speeds wrong by 5 % (standard deviation)."""
        chance = np.random.default_rng(seed)
        found: list[Detection] = []
        numbers = np.arange(0, len(street.lamps), every)
        for times, places in zip(self.times, self.places, strict=True):
            forward = bool(places[-1] > places[0])
            ordered = (times, places) if forward else (times[::-1], places[::-1])
            low, high = ordered[1][0], ordered[1][-1]
            passed = numbers[(street.lamps[numbers] >= low) & (street.lamps[numbers] <= high)]
            at = np.interp(street.lamps[passed], ordered[1], ordered[0])
            speeds = np.abs(np.diff(ordered[1]) / np.diff(ordered[0]))
            legs = np.clip(np.searchsorted(ordered[1], street.lamps[passed], "right") - 1, 0, len(speeds) - 1)
            measured = speeds[legs] * chance.normal(1.0, 0.05, len(passed))
            kept = chance.random(len(passed)) >= missed
            found += [
                Detection(str(number), float(time), self.kind, forward, float(speed))
                for number, time, speed in zip(passed[kept], at[kept], measured[kept], strict=True)
            ]
        return sorted(found, key=lambda one: (one.at, one.detector))


def crossings(text: str, zone: str = "Europe/Berlin") -> tuple[Crossings, int]:
    """Single vehicles of the Moers file (`24.10.16 08:37:29;00;032;01;0`: date and time, hundredths, km/h, class,
    direction), and how many lines are not such. The time is taken as that of the clock of the town."""
    clock = ZoneInfo(zone)
    rows: list[tuple[float, float, int]] = []
    wrong = 0
    for line in filter(str.strip, text.splitlines()):
        try:
            moment, hundredths, speed, _, direction = (part.strip() for part in line.split(";"))
            at = datetime.strptime(moment, "%d.%m.%y %H:%M:%S").replace(tzinfo=clock).timestamp()
            rows.append((at + int(hundredths) / 100, int(speed) / 3.6, 1 if int(direction) else -1))
        except ValueError:
            wrong += 1
    rows.sort()
    at_, speed_, sense = zip(*rows, strict=True) if rows else ((), (), ())
    return Crossings(np.array(at_, float), np.array(speed_, float), np.array(sense, np.int64)), wrong


def approaches(text: str) -> dict[str, Ints]:
    """Hourly vehicles of each approach to a junction in a Münster file: the sum of its lanes. Lines that are not a lane
    (sums, test detectors) or have not 24 hours are left out."""
    found: dict[str, Ints] = {}
    for line in text.splitlines()[1:]:
        parts = line.split(";")
        lane = _LANE.match(parts[0])
        try:
            hours = np.array([int(part) for part in parts[1:25]], np.int64)
        except ValueError:
            continue
        if lane is not None and len(hours) == 24 and hours.min() >= 0:
            name = f"{lane[1]}/{lane[2]}"
            found[name] = found.get(name, np.zeros(24, np.int64)) + hours
    return found


def generated_street(seed: int = 6, measured: float = 1000.0, ends: float = 500.0) -> Street:
    """Lamps 28 to 36 m apart, a junction every 150 m or so on the measured part."""
    chance = np.random.default_rng(seed)
    length = measured + 2 * ends
    lamps = np.cumsum(chance.uniform(28.0, 36.0, int(length / 28.0)))
    junctions = ends + np.arange(75.0, measured, 150.0)
    junctions += chance.uniform(-25.0, 25.0, len(junctions))
    return Street(
        length=length, lamps=lamps[lamps < length], junctions=junctions, measured=(ends, ends + measured)
    )


def drive(vehicles: Crossings, street: Street, seed: int, turning: float = 0.1) -> Trips:
    """Each vehicle passes the middle when and as fast as it did; elsewhere its speed wanders by some 10 %. A share
    `turning` joins at a junction before the middle, unseen until the next sensor, and as many leave at one after it."""
    chance = np.random.default_rng(seed)
    middle = street.length / 2
    points = np.arange(0.0, street.length + _EVERY / 2, _EVERY)
    before, after = (
        street.junctions[street.junctions < middle - 50],
        street.junctions[street.junctions > middle + 50],
    )
    times: list[Floats] = []
    places: list[Floats] = []
    for at, speed, sense in zip(vehicles.at, vehicles.speed, vehicles.sense, strict=True):
        wander = np.convolve(chance.normal(0.0, 0.1, len(points) + 1), np.ones(3) / np.sqrt(3.0), "valid")
        legs = np.maximum(_LEAST_SPEED, speed * (1.0 + wander))
        clock = np.concatenate(([0.0], np.cumsum(_EVERY / legs)))
        clock += at - np.interp(middle, points, clock)
        way = points
        begins = float(chance.choice(before)) if chance.random() < turning and len(before) else 0.0
        ends = float(chance.choice(after)) if chance.random() < turning and len(after) else street.length
        way, clock = _cut(way, clock, begins, ends)
        times.append(clock)
        places.append(way if sense > 0 else street.length - way)
    return Trips("vehicle", times, places)


def walkers(street: Street, begin: float, an_hour: Ints, seed: int) -> Trips:
    """Simulated: so many people on foot in each hour from `begin` on, 200 to 900 m each, at 1.1 to 1.7 m/s, from and to
    anywhere."""
    chance = np.random.default_rng(seed)
    times: list[Floats] = []
    places: list[Floats] = []
    for hour, number in enumerate(an_hour):
        for _ in range(int(chance.poisson(number))):
            at = begin + 3600.0 * (hour + chance.random())
            far, speed = chance.uniform(200.0, 900.0), chance.uniform(1.1, 1.7)
            start = chance.uniform(0.0, street.length - far)
            way = np.array([start, start + far])
            times.append(np.array([at, at + far / speed]))
            places.append(way if chance.random() < 0.5 else way[::-1])
    return Trips("pedestrian", times, places)


def _cut(way: Floats, clock: Floats, begins: float, ends: float) -> tuple[Floats, Floats]:
    inner = way[(way > begins) & (way < ends)]
    cut = np.concatenate(([begins], inner, [ends]))
    return cut, np.interp(cut, way, clock)
