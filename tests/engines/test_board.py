"""The board: what one process posts the others read whole, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from rhinecloud.engines.board import SLOT, Board

# Posts texts of one letter each, of very different lengths, as fast as it can.
_WRITER = """
import sys
from rhinecloud.engines.board import Board
board = Board(int(sys.argv[1]), 2)
print("begun", flush=True)
number = 0
while True:
    number += 1
    board.post(1, bytes([97 + number % 26]) * (1 + number * 7919 % 60_000))
"""


def test_readers_never_see_half_a_text() -> None:
    board = Board.make(2)
    command = [sys.executable, "-c", _WRITER, str(board.fd)]
    with subprocess.Popen(command, pass_fds=(board.fd,), stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"begun\n"
        seen: set[bytes] = set()
        deadline = time.monotonic() + 20
        while len(seen) < 30 and time.monotonic() < deadline:
            seen |= {text for text in (board.read(1) for _ in range(100)) if text}
        writer.kill()
    assert len(seen) >= 30
    assert all(len({*text}) == 1 for text in seen), "a torn text"
    assert board.read(0) == b""
    board.close()


def test_beats_and_limits() -> None:
    board = Board.make(1)
    assert board.last_beat(0) == 0.0
    board.beat(0)
    assert board.last_beat(0) > 0
    board.post(0, b"x" * (SLOT // 3))
    with pytest.raises(ValueError, match="more than a slot"):
        board.post(0, b"x" * SLOT)
    board.clear(0)
    assert (board.last_beat(0), board.read(0)) == (0.0, b"")
    fd = board.fd
    board.close()
    with pytest.raises(OSError):
        os.fstat(fd)
