"""Running a bench as a person would, in tiny sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


def quick(name: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """What `python -m bench NAME --quick` printed, and the figures that it wrote."""
    file = folder / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--quick", "--json", str(file)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(file.read_text())
