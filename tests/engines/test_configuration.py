"""What the embedded PostgreSQL is told at each start."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhinecloud.engines import postgresql


@pytest.mark.parametrize(
    ("gigabytes", "limit", "expected"),
    [(0.4, None, 64), (2, None, 256), (2, "max\n", 256), (64, None, 512), (64, f"{2 * 1024**3}\n", 256)],
)
def test_an_eighth_of_the_memory_within_bounds(
    gigabytes: float, limit: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": int(gigabytes * 1024**3 / 4096)}
    monkeypatch.setattr(postgresql.os, "sysconf", pages.__getitem__)
    told = tmp_path / "memory.max"
    if limit is not None:
        told.write_text(limit)
    monkeypatch.setattr(postgresql, "_MEMORY_LIMIT", told)
    assert postgresql.shared_buffers() == expected
    assert f"shared_buffers = {expected}MB\n" in postgresql.configuration(18)
