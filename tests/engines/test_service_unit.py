"""The systemd unit: systemd itself understands it, and finds it well shut in."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent.parent / "packaging" / "rhinecloud.service"


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="THE UNIT OF SYSTEMD IS NOT TESTED HERE: systemd-analyze is not installed (apt install systemd)",
)
def test_the_unit_is_understood_and_shut_in(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # The program is not installed here, and verify asks for it.
    unit.write_text(UNIT.read_text().replace("/opt/rhinecloud/bin/rhinecloud", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60
    )
    complaints = [line for line in verified.stderr.splitlines() if UNIT.name in line]
    assert complaints == [] and verified.returncode == 0, verified.stderr
    security = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = re.search(r"exposure level for \S+: ([0-9.]+)", security.stdout)
    assert found is not None, security.stdout + security.stderr
    assert float(found[1]) < 1.8  # of 10; a unit that says nothing has 9.6
