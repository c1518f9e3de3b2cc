"""The bench of a hall that votes: it runs through a served city, and no vote is lost or counted twice."""

from __future__ import annotations

from pathlib import Path

from .running import quick


def test_everybody_votes_once_and_the_stage_shows_it(tmp_path: Path) -> None:
    text, figures = quick("participation", tmp_path)
    (hall,) = figures["halls"]
    assert (hall["participants"], hall["received"], hall["lost"], hall["double"], hall["errors"]) == (
        20,
        20,
        0,
        0,
        0,
    )
    assert hall["stage"][0] > 0 and hall["following"] == 20
    assert figures["idle"]["following"] == 50 and "50 open pages" in text
