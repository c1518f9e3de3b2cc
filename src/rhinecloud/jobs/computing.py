"""The other process of Compute: reads calls from its input, answers on its output, ends with its input.

Run by its path, so that it starts with the standard library alone and imports only what the functions need.
"""

from __future__ import annotations

import importlib
import os
import pickle
import struct
import sys
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<Q")


class Failed(Exception):
    """Stands for an exception that cannot be sent."""


def call(request: bytes) -> tuple[bool, Any]:
    """Do what was asked; returns whether it failed, and the result or the exception."""
    try:
        module, name, args = pickle.loads(request)
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
        return False, function(*args)
    except Exception as error:
        error.add_note("".join(_trace(error)))
        return True, error


def _trace(error: Exception) -> list[str]:
    import traceback

    return traceback.format_exception(error)


def answer(failed: bool, result: Any) -> bytes:
    """The answer as bytes, also where the result cannot be pickled, or not be read back."""
    try:
        encoded = pickle.dumps((failed, result))
        if failed:
            pickle.loads(encoded)
        return encoded
    except Exception as error:
        text = f"{type(result).__name__}: {result}" if failed else f"the result cannot be sent: {error}"
        return pickle.dumps((True, RuntimeError(text)))


def serve(calls: BinaryIO, answers: BinaryIO) -> None:
    """Until the input ends."""
    while head := calls.read(_LENGTH.size):
        (length,) = _LENGTH.unpack(head)
        encoded = answer(*call(calls.read(length)))
        answers.write(_LENGTH.pack(len(encoded)))
        answers.write(encoded)
        answers.flush()


def main() -> None:
    """What functions print goes to the log, not among the answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(5)  # requests and messages come first
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
