"""One backup, for a worker: settings and the database's address come as JSON through stdin."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

import msgspec

from rhinecloud.engines.account import EngineError
from rhinecloud.files import StorageUnavailable
from rhinecloud.settings import SettingsError, from_json

from .making import make

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """0 when it was made; else 1, and the last line says why not."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    with contextlib.suppress(OSError):
        os.nice(10)
    document, database_url = msgspec.json.decode(sys.stdin.buffer.read())
    try:
        make(from_json(document), database_url, lambda text: print(text, flush=True))
    except (EngineError, StorageUnavailable, SettingsError, OSError) as error:
        print(error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
