"""The tutorial's commands are run as they stand, one after the other, and what it says comes of them comes of them."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

from tests.conftest import Serve
from tests.engines.test_supervision import embedded

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-city.md"
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# From a clone ./rhinecloud sets everything up first; here it is, on a port that is free.
_WRAPPER = """#!/bin/sh
case "$1" in device|import) set -- "$@" --url {url} ;; esac
exec {python} -m rhinecloud.cli "$@"
"""


@embedded
def test_every_command_of_the_tutorial(serve: Serve, tmp_path: Path) -> None:
    blocks = _BLOCK.findall(TUTORIAL.read_text())
    assert {language for language, _, _ in blocks} == {"sh", "text"}
    data = tmp_path / "my-city"
    tmp_path.chmod(0o711)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    first = blocks[0]
    assert (
        first[1].strip() == "serve" and first[2].strip() == './rhinecloud serve --open --data "$PWD/my-city"'
    )
    server = serve(data=data)
    wrapper = tmp_path / "rhinecloud"
    wrapper.write_text(_WRAPPER.format(url=server.base_url, python=sys.executable))
    wrapper.chmod(0o755)

    printed, variables, said = server.output, "", 0
    for language, _, content in blocks[1:]:
        if language == "text":
            for line in content.splitlines():
                assert line in printed, f"{line!r} is not in:\n{printed}"
                said += 1
            continue
        content = content.replace("http://127.0.0.1:8080", server.base_url)
        done = subprocess.run(
            [
                "bash",
                "-euo",
                "pipefail",
                "-c",
                f"{variables}\n{content}\ndeclare -p SECRET RECIPIENT > vars 2>&1 || true",
            ],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=150,
        )
        printed = done.stdout
        assert done.returncode == 0, f"{content}\n{printed}"
        told = (tmp_path / "vars").read_text().splitlines()
        variables = "\n".join(line for line in told if line.startswith("declare"))
    assert said >= 8
