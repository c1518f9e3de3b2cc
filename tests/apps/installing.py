"""Apps that are installed for one test: a folder for PYTHONPATH, as pip would leave it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

LANTERNS = Path(__file__).parent / "lanterns"


def install(folder: Path, version: str = "1", sql: Mapping[str, str] | None = None) -> dict[str, str]:
    """Put the lanterns into a folder, with more migrations; the environment that finds them."""
    shutil.copytree(LANTERNS, folder / "lanterns", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in (sql or {}).items():
        (folder / "lanterns" / "sql" / name).write_text(text)
    info = folder / f"lanterns-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lanterns\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[rhinecloud.apps]\nlanterns = lanterns:app\n")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return {"PYTHONPATH": str(folder), "RHINECLOUD_APPS": "lanterns"}


def command(*words: str, environ: Mapping[str, str], code: int = 0) -> str:
    """What `rhinecloud …` says."""
    done = subprocess.run(
        [sys.executable, "-m", "rhinecloud.cli", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environ},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
