"""What became of a target, by what is wanted of the device and by what the lamp measures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rhinecloud.apps.lighting.planning.settling import Told, judged, reports, settled
from rhinecloud.city import Change, Wanted
from rhinecloud.model import CORE, parse_entity

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
TOLD = Told("urn:ngsi-ld:Streetlight:L1", "L1", 40.0, "asked", 7, NOW, None)


def wanted(**more: Any) -> Wanted:
    return Wanted(
        **{
            "device": "L1",
            "version": 7,
            "wanted": {"illuminanceLevel": 0.4},
            "actor": "lighting",
            "created_at": NOW,
            "next_at": NOW,
            "due_at": NOW + timedelta(hours=9),
        }
        | more
    )


@pytest.mark.parametrize(
    ("one", "after", "state"),
    [
        (wanted(), 1, "asked"),
        (wanted(), 11, "timed_out"),
        (wanted(state="sent"), 1, "sent"),
        (wanted(state="sent"), 11, "timed_out"),
        (wanted(state="confirmed"), 99, "confirmed"),
        (wanted(state="failed", detail={"said": "no current"}), 1, "contradicted"),
        (wanted(state="timed_out"), 1, "timed_out"),
        (wanted(version=8, actor="person:3"), 1, "contradicted"),
        (None, 1, "timed_out"),
    ],
)
def test_what_the_device_says(one: Wanted | None, after: int, state: str) -> None:
    assert settled(TOLD, one, NOW + timedelta(minutes=after))[0] == state


@pytest.mark.parametrize(
    ("level", "seconds", "state"),
    [
        (40.0, 5, "confirmed"),
        (44.0, 5, "confirmed"),
        (40.0, -5, None),  # measured before it was asked
        (100.0, 5, None),  # on its way
        (100.0, 65, "contradicted"),
    ],
)
def test_what_the_lamp_measures(level: float, seconds: int, state: str | None) -> None:
    assert judged(TOLD, level, NOW + timedelta(seconds=seconds)) == state


@pytest.mark.parametrize(
    ("level", "most", "state"),
    [
        (100.0, 100.0, None),  # raised: what it should be doing
        (70.0, 100.0, None),  # on its way up or down
        (80.0, 80.0, None),
        (100.0, 80.0, "contradicted"),  # nobody raises it so far
        (20.0, 100.0, "contradicted"),  # nobody lowers it
        (42.0, 100.0, "confirmed"),
        (100.0, None, "contradicted"),  # light on demand has nothing to do with it
    ],
)
def test_who_raises_a_lamp_does_not_contradict_it(
    level: float, most: float | None, state: str | None
) -> None:
    assert judged(TOLD, level, NOW + timedelta(seconds=65), most) == state


def test_reports_of_lamps() -> None:
    def change(**attributes: Any) -> Change:
        entity = parse_entity({"id": TOLD.lamp, "type": "Streetlight", **attributes}, CORE)
        return Change(TOLD.lamp, tuple(entity.types), "update", tuple(entity.attributes), entity)

    def at(minute: int, value: Any) -> dict[str, Any]:
        return {"type": "Property", "value": value, "observedAt": f"2026-11-23T20:{minute:02d}:00Z"}

    later = NOW + timedelta(minutes=2)
    assert reports([change(illuminanceLevel=at(2, 0.4))]) == {TOLD.lamp: (40.0, later)}
    off = change(illuminanceLevel=at(1, 0.4), powerState=at(2, "off"))
    assert reports([off]) == {TOLD.lamp: (0.0, later)}
    on = change(illuminanceLevel=at(2, 0.4), powerState=at(1, "off"))
    assert reports([on]) == {TOLD.lamp: (40.0, later)}
    for nothing in (change(name="x"), change(illuminanceLevel=at(2, "viel")), change(illuminanceLevel=0.4)):
        assert reports([nothing]) == {}
