"""A board in memory that the processes of one machine share: who is alive, and each worker's figures.

Every worker has a slot that it alone writes and that all read. A text is written beside the one before it, and then
takes its place; a reader that is overtaken knows it by the check sum and looks again. The board needs neither the bus
nor the database, so that it tells of them when they are away.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
import zlib
from typing import Final

SLOT: Final = 128 * 1024
"""Bytes of a worker's slot."""
BEAT: Final = 1.0
"""Seconds between two signs of life."""

_LIFE = struct.Struct("d")
_PLACE = struct.Struct("I")  # which of the two texts is the newest
_TEXT = struct.Struct("II")  # length, CRC-32
_HEAD = 16
_ROOM = (SLOT - _HEAD) // 2 - _TEXT.size
_TRIES = 20


class Board:
    """`fd` is handed to workers; `Board.make` is for the supervisor, `Board(fd, workers)` for who was handed it."""

    def __init__(self, fd: int, workers: int) -> None:
        self.fd = fd
        self.workers = workers
        self._memory = mmap.mmap(fd, workers * SLOT)

    @classmethod
    def make(cls, workers: int) -> Board:
        """An empty one; the memory is taken as far as it is written."""
        fd = os.memfd_create("rhinecloud-board", os.MFD_CLOEXEC)
        os.ftruncate(fd, workers * SLOT)
        return cls(fd, workers)

    def beat(self, worker: int) -> None:
        """This worker's event loop turns."""
        _LIFE.pack_into(self._memory, worker * SLOT, time.monotonic())

    def last_beat(self, worker: int) -> float:
        """When it last did (seconds of the machine's monotonic clock); 0.0 if it never did."""
        seconds: float = _LIFE.unpack_from(self._memory, worker * SLOT)[0]
        return seconds

    def post(self, worker: int, text: bytes) -> None:
        """Put this in place of what is there. Raises ValueError for more than a slot holds."""
        if len(text) > _ROOM:
            raise ValueError(f"{len(text)} bytes are more than a slot of the board holds")
        other = 1 - self._newest(worker)
        at = self._text(worker, other)
        self._memory[at + _TEXT.size : at + _TEXT.size + len(text)] = text
        _TEXT.pack_into(self._memory, at, len(text), zlib.crc32(text))
        _PLACE.pack_into(self._memory, worker * SLOT + _LIFE.size, other)

    def read(self, worker: int) -> bytes:
        """What it posted last; empty if it posted nothing, or writes faster than one can read."""
        for _ in range(_TRIES):
            at = self._text(worker, self._newest(worker))
            length, check = _TEXT.unpack_from(self._memory, at)
            text = self._memory[at + _TEXT.size : at + _TEXT.size + min(length, _ROOM)]
            if zlib.crc32(text) == check:
                return text
        return b""

    def _newest(self, worker: int) -> int:
        return int(_PLACE.unpack_from(self._memory, worker * SLOT + _LIFE.size)[0]) & 1

    def _text(self, worker: int, place: int) -> int:
        return worker * SLOT + _HEAD + place * (_TEXT.size + _ROOM)

    def clear(self, worker: int) -> None:
        """Forget a worker that ended."""
        self._memory[worker * SLOT : worker * SLOT + _HEAD] = bytes(_HEAD)
        for place in (0, 1):
            _TEXT.pack_into(self._memory, self._text(worker, place), 0, 0)

    def close(self) -> None:
        """Let the memory go."""
        self._memory.close()
        os.close(self.fd)
