"""What the tests of an app need: whether it keeps the contract, and a real server with it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rhinecloud.app import App
from rhinecloud.people import PERMISSIONS
from rhinecloud.web.texts import untranslated

_PATIENCE = 120.0  # seconds for a server to start


def contradictions(app: App) -> list[str]:
    """What in the app contradicts the contract: in its App object, and texts that have no German translation."""
    found = list(app.problems(lambda name: name in PERMISSIONS))
    spec = importlib.util.find_spec(app.package)
    if spec is None or not spec.submodule_search_locations:
        return [*found, f"{app.package} is no package"]
    folder = Path(spec.submodule_search_locations[0])
    return found + [
        f"no German text for {text!r}" for text in untranslated(folder / "locale" / "de.po", [folder])
    ]


@contextmanager
def serving(*apps: str) -> Iterator[str]:
    """The address of a server with these apps and nothing else in it, open, on this machine; gone afterwards.

    Raises AssertionError with what it printed if it does not start.
    """
    parent = Path(tempfile.mkdtemp(prefix="rhinecloud-app-", dir="/tmp"))
    parent.chmod(0o711)  # the engines of a superuser run as somebody else
    log = parent / "log"
    command = [sys.executable, "-m", "rhinecloud.cli", "serve", "--open", "--port=0", "--mqtt-port=0"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, f"--data={parent / 'data'}", f"--apps={','.join(apps)}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ},
        )
    try:
        yield _address(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        shutil.rmtree(parent, ignore_errors=True)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + _PATIENCE
    while "  OPEN:" not in (text := log.read_text()):
        assert process.poll() is None, f"the server ended:\n{text}"
        assert time.monotonic() < end, f"the server does not start:\n{text}"
        time.sleep(0.05)
    (line,) = [line for line in text.splitlines() if line.startswith("  Pages ")]
    return line.split()[1]
