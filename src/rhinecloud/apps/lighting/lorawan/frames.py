"""What is sent over the air: a schedule in frames for the lamps, and what a lamp reports. Pure.

Numbers have their highest byte first. A frame has at most 51 bytes, which is what LoRaWAN carries at the slowest data
rate in Europe (RP002-1.0.4, EU863-870: DR0, N = 51).
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from .schedule import Malformed, Schedule, decode, encode, hash_of

FRAME: Final = 51  # bytes
_SCHEDULE: Final = 0x11  # kind 1 of frame, format 1
_REPORT: Final = 0x21  # kind 2, format 1
_HEAD: Final = struct.Struct(">BIIB")
_PIECE: Final = FRAME - _HEAD.size
_MOST_FRAMES: Final = 16
_REPORTED: Final = struct.Struct(">BIIIBH")
_NO_LEVEL, _NO_POWER = 0xFF, 0xFFFF


def frames(version: int, body: bytes) -> list[bytes]:
    """The frames of an encoded schedule. Raises Malformed for one that is too long."""
    pieces = [body[place : place + _PIECE] for place in range(0, len(body), _PIECE)]
    if not 0 < len(pieces) <= _MOST_FRAMES:
        raise Malformed(f"the schedule has {len(body)} bytes; {_MOST_FRAMES * _PIECE} are the most")
    if not 0 < version < 2**32:
        raise Malformed(f"{version} is no version")
    name, last = hash_of(version, body), len(pieces) - 1
    return [
        _HEAD.pack(_SCHEDULE, version, name, index << 4 | last) + piece for index, piece in enumerate(pieces)
    ]


class Receiver:
    """What a lamp does with frames: the reference for its makers, and what the tests let lamps be. It takes the newest
    schedule of which every piece came, in whatever order and however often, and never an older one."""

    def __init__(self) -> None:
        self.version = 0
        self.hash = 0
        self.schedule: Schedule | None = None
        self._coming: tuple[int, int, int] = (0, 0, 0)
        self._pieces: dict[int, bytes] = {}

    def take(self, frame: bytes) -> bool:
        """Whether a new schedule is complete with this frame. Raises Malformed for what is no such frame."""
        if not _HEAD.size < len(frame) <= FRAME or frame[0] != _SCHEDULE:
            raise Malformed("no frame of a schedule")
        _, version, name, place = _HEAD.unpack_from(frame)
        index, last = place >> 4, place & 0x0F
        piece = frame[_HEAD.size :]
        if index > last or (index < last and len(piece) != _PIECE):
            raise Malformed("a piece that is none")
        coming = (version, name, last)
        if version < max(self.version, self._coming[0]) or (version, name) == (self.version, self.hash):
            return False
        if coming != self._coming:
            self._coming, self._pieces = coming, {}
        self._pieces[index] = piece
        if len(self._pieces) <= last:
            return False
        body = b"".join(self._pieces[each] for each in range(last + 1))
        self._coming, self._pieces = (0, 0, 0), {}
        if hash_of(version, body) != name:
            raise Malformed("the pieces do not fit each other")
        self.schedule = decode(body)
        self.version, self.hash = version, name
        return True


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a lamp says in an uplink: the schedule it has (version and hash 0: none), its clock (seconds since 1970),
    its level (percent) and its power (W), None where it does not measure them."""

    version: int
    hash: int
    clock: int
    level: int | None = None
    power: float | None = None


def report(one: Report) -> bytes:
    """The 16 bytes of an uplink. Power is told in tenths of a watt. Raises Malformed."""
    level = _NO_LEVEL if one.level is None else one.level
    power = _NO_POWER if one.power is None else round(10 * one.power)
    try:
        return _REPORTED.pack(_REPORT, one.version, one.hash, one.clock, level, power)
    except struct.error as error:
        raise Malformed(str(error)) from None


def reported(frame: bytes) -> Report:
    """What an uplink says. Raises Malformed."""
    if len(frame) != _REPORTED.size or frame[0] != _REPORT:
        raise Malformed("no report of a lamp")
    _, version, name, clock, level, power = _REPORTED.unpack(frame)
    if level > 100 and level != _NO_LEVEL:
        raise Malformed(f"{level} is no level")
    return Report(
        version=version,
        hash=name,
        clock=clock,
        level=None if level == _NO_LEVEL else level,
        power=None if power == _NO_POWER else power / 10,
    )


def fits(schedule: Schedule) -> bytes | None:
    """Its bytes, if they fit into frames."""
    try:
        body = encode(schedule)
        frames(1, body)
    except Malformed:
        return None
    return body
