"""A lamp's schedule for some nights, and how it is written in few bytes (Rhine Cloud lamp schedule, format 1). Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

DAY: Final = (
    1440  # minutes of a night, from noon to noon; the change of the hour moves the noons, not the nights
)
MOST_NIGHTS: Final = 31
MOST_STEPS: Final = 127  # in one night
_HEAD: Final = struct.Struct(">IB")
_STEP: Final = struct.Struct(">HB")
_SAME: Final = 0x80  # the levels of the night before at shifted times


class Malformed(ValueError):
    """Bytes that are no schedule, or a schedule that cannot be written."""


class Step(NamedTuple):
    """From this minute of the night on, a level in whole percent."""

    minute: int
    level: int


class Night(NamedTuple):
    """The level at the beginning of the night, and the steps after it."""

    level: int
    steps: tuple[Step, ...] = ()


class Schedule(msgspec.Struct, frozen=True):
    """Levels of nights that follow each other. `start`: when the first begins, in minutes since 1970 (UTC). After the
    last night that night is repeated."""

    start: int
    nights: tuple[Night, ...]

    @property
    def end(self) -> int:
        """When the last night ends, in minutes since 1970."""
        return self.start + DAY * len(self.nights)

    def level_at(self, instant: float) -> int | None:
        """The level at an instant (seconds since 1970); None before the first night."""
        past = int(instant // 60) - self.start
        if past < 0:
            return None
        night = self.nights[min(past // DAY, len(self.nights) - 1)]
        minute = past % DAY
        return next((step.level for step in reversed(night.steps) if step.minute <= minute), night.level)

    def levels_between(self, begin: float, end: float) -> set[int]:
        """All levels from `begin` to `end` (seconds since 1970, both included)."""
        first, last = int(begin // 60), int(end // 60)
        found = {self.level_at(60.0 * minute) for minute in range(first, last + 1)}
        return {level for level in found if level is not None}


def encode(schedule: Schedule) -> bytes:
    """Its bytes. Raises Malformed for what cannot be written."""
    if not 0 < len(schedule.nights) <= MOST_NIGHTS or not 0 <= schedule.start < 2**32:
        raise Malformed(f"a schedule has 1 to {MOST_NIGHTS} nights, and begins in 32 bits of minutes")
    written = bytearray(_HEAD.pack(schedule.start, len(schedule.nights)))
    for before, night in pairwise((None, *schedule.nights)):
        assert night is not None
        _check(night)
        shifts = _shifts(before, night)
        if shifts is None:
            written += bytes((len(night.steps), night.level))
            written += b"".join(_STEP.pack(*step) for step in night.steps)
        else:
            written.append(_SAME | len(shifts))
            written += struct.pack(f">{len(shifts)}b", *shifts)
    return bytes(written)


def decode(body: bytes) -> Schedule:
    """The schedule that was written. Raises Malformed."""
    if len(body) < _HEAD.size:
        raise Malformed("a schedule has five bytes or more")
    start, number = _HEAD.unpack_from(body)
    if not 0 < number <= MOST_NIGHTS:
        raise Malformed(f"{number} nights")
    nights: list[Night] = []
    place = _HEAD.size
    try:
        for _ in range(number):
            night, place = _read(body, place, nights[-1] if nights else None)
            _check(night)
            nights.append(night)
    except (struct.error, IndexError):
        raise Malformed("the schedule ends before its last night") from None
    if place != len(body):
        raise Malformed(f"{len(body) - place} bytes after the last night")
    return Schedule(start, tuple(nights))


def hash_of(version: int, body: bytes) -> int:
    """What names a version of a schedule with its content: CRC-32 (ISO-HDLC) over the version (four bytes, the highest
    first) and the body."""
    return zlib.crc32(struct.pack(">I", version) + body)


def same(one: Schedule, other: Schedule, since: int) -> bool:
    """Whether both say the same from a minute (since 1970) until the first of them ends."""
    until = min(one.end, other.end)
    begin = max(since, one.start, other.start)
    edges = {begin, *_edges(one), *_edges(other)}
    return all(
        one.level_at(60.0 * edge) == other.level_at(60.0 * edge) for edge in edges if begin <= edge < until
    )


def _edges(schedule: Schedule) -> Iterator[int]:
    for index, night in enumerate(schedule.nights):
        yield schedule.start + DAY * index
        for step in night.steps:
            yield schedule.start + DAY * index + step.minute


def _check(night: Night) -> None:
    minutes = [step.minute for step in night.steps]
    if len(minutes) > MOST_STEPS:
        raise Malformed(f"a night has at most {MOST_STEPS} steps, not {len(minutes)}")
    if any(one >= other for one, other in pairwise((0, *minutes))) or (minutes and minutes[-1] >= DAY):
        raise Malformed("the steps of a night follow each other, after its first minute and before its end")
    if not all(0 <= level <= 100 for level in (night.level, *(step.level for step in night.steps))):
        raise Malformed("a level is 0 to 100 percent")


def _shifts(before: Night | None, night: Night) -> list[int] | None:
    """By how many minutes each step is later than the night before; None where the nights are too different."""
    if before is None or _levels(before) != _levels(night):
        return None
    shifts = [one.minute - other.minute for one, other in zip(night.steps, before.steps, strict=True)]
    return shifts if all(-128 <= shift <= 127 for shift in shifts) else None


def _levels(night: Night) -> Sequence[int]:
    return [night.level, *(step.level for step in night.steps)]


def _read(body: bytes, place: int, before: Night | None) -> tuple[Night, int]:
    head = body[place]
    number, place = head & ~_SAME, place + 1
    if head & _SAME:
        if before is None or number != len(before.steps):
            raise Malformed("a night is like one before it, of which there is none with as many steps")
        shifts = struct.unpack_from(f">{number}b", body, place)
        steps = [
            Step(step.minute + shift, step.level) for step, shift in zip(before.steps, shifts, strict=True)
        ]
        return Night(before.level, tuple(steps)), place + number
    level, place = body[place], place + 1
    found = [Step(*_STEP.unpack_from(body, place + _STEP.size * index)) for index in range(number)]
    return Night(level, tuple(found)), place + _STEP.size * number
