"""A board in memory that the processes of one machine share: who is alive, and each worker's figures.

Every worker has a slot that it alone writes and that all read; a reader that meets a half-written text knows it by its
check sum and looks again. It needs neither the bus nor the database, so that it tells of them when they are away.
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
_TEXT = struct.Struct("II")  # length, CRC-32
_BEGIN = _LIFE.size + _TEXT.size
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
        if len(text) > SLOT - _BEGIN:
            raise ValueError(f"{len(text)} bytes are more than a slot of the board holds")
        at = worker * SLOT
        self._memory[at + _BEGIN : at + _BEGIN + len(text)] = text
        _TEXT.pack_into(self._memory, at + _LIFE.size, len(text), zlib.crc32(text))

    def read(self, worker: int) -> bytes:
        """What it posted last; empty if it posted nothing, or writes all the time."""
        at = worker * SLOT
        for _ in range(_TRIES):
            length, check = _TEXT.unpack_from(self._memory, at + _LIFE.size)
            text = self._memory[at + _BEGIN : at + _BEGIN + min(length, SLOT - _BEGIN)]
            if zlib.crc32(text) == check:
                return text
        return b""

    def clear(self, worker: int) -> None:
        """Forget a worker that ended."""
        self._memory[worker * SLOT : worker * SLOT + _BEGIN] = bytes(_BEGIN)

    def close(self) -> None:
        """Let the memory go."""
        self._memory.close()
        os.close(self.fd)
