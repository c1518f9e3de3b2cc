"""A virtual environment for each foreign library: their requirements contradict ours and each other's.

They lie in .cache/clients of the clone, are made by pip when they are missing or their list has changed, and stay.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

FOREIGN = Path(__file__).parent / "foreign"
_KEPT = Path(__file__).parents[2] / ".cache" / "clients"
_PATIENCE = 500  # seconds for pip; it downloads up to 40 MB


class IndexAway(Exception):
    """pip reached no index: nothing can be said about the library."""


def python_of(library: str) -> Path:
    """The interpreter of a library's environment, which is made if need be. Raises IndexAway, AssertionError."""
    requirements = FOREIGN / f"{library}.txt"
    wanted = f"{sys.version_info[:2]} {hashlib.sha256(requirements.read_bytes()).hexdigest()}"
    folder = _KEPT / library
    stamp, python = folder / "made-of", folder / "bin" / "python"
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / f"{library}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted and os.access(python, os.X_OK)):
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
            _install(python, requirements)
            stamp.write_text(wanted)
    return python


def _install(python: Path, requirements: Path) -> None:
    command = [*_pip(), "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    environ = {**os.environ, "PIP_CACHE_DIR": str(_KEPT.parent / "pip"), "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(
        [*command, "--retries=2", "--requirement", str(requirements)],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        env=environ,
    )
    if done.returncode and "connection broken by" in done.stderr:
        raise IndexAway(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr


def _pip() -> list[str]:
    """Our environment need not have a pip; then the Python that it was made with has one."""
    for python in (sys.executable, str(Path(sys.base_prefix) / "bin" / "python3"), shutil.which("python3")):
        if python and not subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode:
            return [python, "-m", "pip"]
    raise AssertionError("there is no pip; on Debian and Ubuntu: apt-get install python3-pip")
