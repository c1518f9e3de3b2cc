"""The build: which Node is good, and a lock file that names nobody's registry."""

from __future__ import annotations

import json

import pytest

from rhinecloud.web import build
from rhinecloud.web.assets import DIST, Assets, NotBuilt


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("v18.20.0", False),
        ("v20.18.9", False),
        ("v20.19.0", True),
        ("v21.7.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("", False),
        ("nonsense", False),
    ],
)
def test_which_node_is_recent_enough(version: str, good: bool) -> None:
    assert build.recent_enough(version) is good


def test_the_lock_file_names_no_host() -> None:
    lock = json.loads((build.FRONTEND / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_the_build_keeps_what_the_pages_need() -> None:
    assets = Assets()
    style = (DIST / assets.style("shell").removeprefix("/static/")).read_text()
    for needed in (
        "--kern-color-action-default-contextual:",  # without it dark pages have light inks
        ".kern-badge--danger",
        ".kern-alert--warning",
        ".kern-icon--dark-mode",
        "data-kern-theme",
    ):
        assert needed in style
    assert all(path.exists() for path in (DIST / assets.font(f"fira-sans-{w}")[8:] for w in (400, 600)))
    assert build.up_to_date()


def test_without_a_build_one_is_told_how() -> None:
    with pytest.raises(NotBuilt, match=r"python -m rhinecloud\.web\.build"):
        Assets(build.FRONTEND / "nowhere")
