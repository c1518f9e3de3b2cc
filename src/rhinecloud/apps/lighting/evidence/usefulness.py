"""How much of the light that somebody needs is there, between 0 and 1, for each second that they are on the road.

A motorist needs the lamps ahead as far as they must see to stop; a pedestrian the lamp they are at and three
neighbours both ways."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_AHEAD = 100.0  # metres
REACTION = 2.0  # seconds
BRAKING = 3.4  # metres a second squared, comfortable on a wet road
NEIGHBOURS = (1.0, 0.75, 0.5, 0.25)


class Seen(msgspec.Struct, frozen=True):
    """Moments of travellers, one element each: the step of the levels, metres along the street, +1 or −1, metres a
    second. Each stands for the same time."""

    step: Ints
    place: Floats
    sense: Ints
    speed: Floats

    def only(self, chosen: npt.NDArray[np.bool_]) -> Seen:
        """Some of them."""
        return Seen(self.step[chosen], self.place[chosen], self.sense[chosen], self.speed[chosen])


class Score(msgspec.Struct, frozen=True):
    """Time-weighted mean and 5th percentile of usefulness, over `seconds` of travellers; NaN without any."""

    mean: float
    fifth: float
    seconds: float


def ahead(speed: Floats) -> Floats:
    """R in metres: max(100 m, v·2 s + v²/2a)."""
    return np.maximum(LEAST_AHEAD, speed * REACTION + speed**2 / (2.0 * BRAKING))


def motorist(levels: Floats, lamps: Floats, seen: Seen, required: Floats) -> Floats:
    """Of each moment: the mean of min(1, level ÷ required) over the lamps within R ahead. `levels` in percent (lamps ×
    steps), `lamps` rising in metres, `required` in percent for each moment. 1 where there is no lamp ahead."""
    far = ahead(seen.speed)
    forward = seen.sense > 0
    first = np.where(
        forward,
        np.searchsorted(lamps, seen.place, "left"),
        np.searchsorted(lamps, seen.place - far, "left"),
    )
    last = np.where(
        forward,
        np.searchsorted(lamps, seen.place + far, "right"),
        np.searchsorted(lamps, seen.place, "right"),
    )
    total = np.zeros(len(seen.place))
    for k in range(int((last - first).max(initial=0))):
        there = first + k < last
        level = levels[np.minimum(first + k, len(lamps) - 1), seen.step]
        total += np.where(there, np.minimum(1.0, level / required), 0.0)
    number = last - first
    return np.where(number > 0, total / np.maximum(number, 1), 1.0)


def pedestrian(levels: Floats, lamps: Floats, seen: Seen, required: Floats) -> Floats:
    """Of each moment: min(1, level ÷ required) with weights 1, 0.75, 0.5, 0.25 for the nearest lamp and three
    neighbours both ways, over the weights of those that there are."""
    middles = (lamps[1:] + lamps[:-1]) / 2.0
    own = np.searchsorted(middles, seen.place)
    total, weights = np.zeros(len(own)), np.zeros(len(own))
    for away in range(1 - len(NEIGHBOURS), len(NEIGHBOURS)):
        there = (own + away >= 0) & (own + away < len(lamps))
        level = levels[np.clip(own + away, 0, len(lamps) - 1), seen.step]
        weight = np.where(there, NEIGHBOURS[abs(away)], 0.0)
        total += weight * np.minimum(1.0, level / required)
        weights += weight
    return np.asarray(total / weights)


def score(usefulness: Floats, step: float) -> Score:
    """Of moments that each stand for `step` seconds. The percentile is a value that occurs, not one in between."""
    if not len(usefulness):
        return Score(float("nan"), float("nan"), 0.0)
    fifth = np.percentile(usefulness, 5, method="lower")
    return Score(float(usefulness.mean()), float(fifth), len(usefulness) * step)
