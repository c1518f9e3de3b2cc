"""What passes: apps hear it and nobody keeps it, nor when it was said."""

from __future__ import annotations

import pytest

from rhinecloud.gateways.devices.passing import Passing
from rhinecloud.gateways.profiles import FixedProfiles, ProfileError
from rhinecloud.gateways.profiles.profiles import Catalogue


def test_what_passes_is_granted_and_means_nothing_to_the_graph() -> None:
    profiles = FixedProfiles()
    detector, lamp = profiles.get("road-detector"), profiles.get("lamp-on-demand")
    assert detector is not None and lamp is not None
    assert detector.topics_of("d1", "Device")[0] == ("detector/d1/state", "detector/d1/passed")
    assert "lamp/l1/demand" in lamp.topics_of("l1", "Streetlight")[1]
    assert lamp.momentary_topic("l1", "Streetlight") == "lamp/l1/demand"
    assert profiles.passes("detector/d1/passed") and not profiles.passes("detector/d1/state")
    assert not profiles.passes("nobody/knows")


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ({"passing": ["x/passed"]}, "/passing/0"),
        ({"passing": ["x/{device}"], "ignore": ["x/{device}"]}, "/passing/0"),
        ({"momentary_topic": "x/{other}"}, "/momentary_topic"),
        ({"momentary_topic": "x/{device…}"}, "/momentary_topic"),
    ],
)
def test_what_cannot_pass_is_refused(part: dict[str, object], pointer: str) -> None:
    with pytest.raises(ProfileError) as refused:
        Catalogue().compiled({"name": "x", **part})
    assert [place for place, _ in refused.value.problems] == [pointer]


class _Nothing:
    """A bus and a database at once, with nobody at the other end."""

    pool = None


async def test_only_profiles_with_such_topics_are_heard() -> None:
    passing = Passing(_Nothing(), _Nothing(), FixedProfiles())  # type: ignore[arg-type]
    for name in ("plain-json", "nobody"):
        with pytest.raises(LookupError):
            async with passing.hearing(name, lambda said: None):
                pass
