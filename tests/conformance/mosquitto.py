"""Stands in for the one use that the suite makes of docker: an MQTT broker, here Debian's mosquitto as a process.

The cases call `docker run -e CONF=FILE …` and `docker rm -f …`; the runner puts a `docker` of its own before theirs,
which calls this file. It needs nothing but Python.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PORT = 1883  # the cases expect it
_PATIENCE = 10.0  # seconds
_PLACE = f"{os.environ.get('PATH', '')}:/usr/sbin"


def available() -> bool:
    """Whether there is a mosquitto to start."""
    return shutil.which("mosquitto", path=_PLACE) is not None


def install(folder: Path, configurations: Path, address: str, other_port: int) -> str:
    """Put a `docker` into `folder` (to be made); returns the folder for the beginning of PATH.

    `configurations` holds the suite's files for mosquitto. It listens at `address`, on PORT and on `other_port`.
    """
    folder.mkdir()
    folder.chmod(0o711)
    command = folder / "docker"
    fixed = f"'{sys.executable}' '{Path(__file__).resolve()}' '{folder}' '{configurations}' {address} {other_port}"
    command.write_text(f'#!/bin/sh\nexec {fixed} "$@"\n')
    command.chmod(0o755)
    return str(folder)


def main(arguments: list[str]) -> int:
    """`FOLDER CONFIGURATIONS ADDRESS OTHER_PORT` and what docker was told."""
    folder, configurations, address, other_port, *told = arguments
    stop(Path(folder))
    if "rm" in told:
        return 0
    names = [word.removeprefix("CONF=") for word in told if word.startswith("CONF=")]
    if told[:1] != ["run"] or len(names) != 1:
        print(f"this docker only starts the suite's MQTT broker, not: {' '.join(told)}", file=sys.stderr)
        return 1
    return start(Path(folder), Path(configurations) / names[0], address, int(other_port))


def start(folder: Path, configuration: Path, address: str, other_port: int) -> int:
    """Start it with the given file; 0 when it listens."""
    lines = [f"listener {port} {address}" for port in (PORT, other_port)]
    for line in configuration.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == "password_file":
            # mosquitto of root reads it as another user.
            kept = folder / "passwords"
            shutil.copyfile(configuration.parent / Path(value).name, kept)
            kept.chmod(0o644)
            lines.append(f"password_file {kept}")
        elif key != "listener":
            lines.append(line)
    own = folder / "mosquitto.conf"
    own.write_text("\n".join(lines) + "\n")
    program = shutil.which("mosquitto", path=_PLACE)
    if program is None:
        print("mosquitto is not installed", file=sys.stderr)
        return 1
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [program, "-c", str(own)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (folder / "pid").write_text(str(process.pid))
    begun = time.monotonic()
    while time.monotonic() - begun < _PATIENCE and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((address, other_port), 1):
            return 0
        time.sleep(0.02)
    print((folder / "log").read_text(), file=sys.stderr)
    return 1


def stop(folder: Path) -> None:
    """End what was started in this folder and wait until its ports are free."""
    file = folder / "pid"
    if not file.exists():
        return
    process = int(file.read_text())
    file.unlink()
    begun = time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)
        while time.monotonic() - begun < _PATIENCE:
            os.kill(process, 0)
            time.sleep(0.02)
        os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
