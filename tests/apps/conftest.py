"""The built assets, which pages need."""

from __future__ import annotations

import pytest

from rhinecloud.web import build


@pytest.fixture(scope="session", autouse=True)
def assets() -> None:
    """The built assets."""
    build.build()
