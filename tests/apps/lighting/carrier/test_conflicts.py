"""What does not fit of what hangs on posts."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest

from rhinecloud.apps.lighting.carrier.conflicts import Attachment, Feeding, Grid, conflicts
from rhinecloud.apps.lighting.carrier.pages import read

TODAY = date(2026, 6, 1)
CHARGER = Attachment(
    number=1,
    kind="charging_point",
    lamp="urn:l:1",
    name="Ladepunkt 1",
    owner="Stadtwerke",
    contract="V-1",
    since=date(2025, 1, 1),
    until=date(2026, 12, 31),
    power=3_700.0,
    by_day=True,
)
SENSOR = msgspec.structs.replace(CHARGER, number=2, kind="sensor", power=5.0)
ELSEWHERE = msgspec.structs.replace(CHARGER, number=3, lamp="urn:l:2")
FEEDING = {"urn:l:1": Feeding("c:4"), "urn:l:2": Feeding("c:4")}


def found(*attachments: Attachment, grid: Grid, today: date = TODAY) -> dict[int, list[str]]:
    return {
        number: [one.what for one in those] for number, those in conflicts(attachments, grid, today).items()
    }


def test_all_fits_where_nothing_is_known_of_what_is_provided() -> None:
    assert found(CHARGER, SENSOR, ELSEWHERE, grid=Grid(feeding=FEEDING)) == {}


def test_a_post_and_a_feeder_give_no_more_than_they_can() -> None:
    fits = Grid(posts={"urn:l:1": 3_705.0}, feeders={"c:4": 7_405.0}, feeding=FEEDING)
    assert found(CHARGER, SENSOR, ELSEWHERE, grid=fits) == {}
    post = msgspec.structs.replace(fits, posts={"urn:l:1": 3_704.0})
    assert found(CHARGER, SENSOR, ELSEWHERE, grid=post) == {1: ["post_power"], 2: ["post_power"]}
    feeder = msgspec.structs.replace(fits, feeders={"c:4": 7_404.0})
    assert found(CHARGER, SENSOR, ELSEWHERE, grid=feeder) == {
        number: ["feeder_power"] for number in (1, 2, 3)
    }


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (CHARGER.since - timedelta(1), ["not_begun"]),
        (CHARGER.since, []),
        (date(2026, 12, 31), []),
        (date(2027, 1, 1), ["over"]),
    ],
)
def test_a_contract_counts_from_its_first_to_its_last_day(today: date, expected: list[str]) -> None:
    assert found(CHARGER, grid=Grid(feeding=FEEDING), today=today).get(1, []) == expected


def test_what_needs_power_by_day_needs_a_feeder_that_has_some() -> None:
    by_night = Grid(feeding={"urn:l:1": Feeding("c:4", by_day=False)})
    banner = msgspec.structs.replace(SENSOR, by_day=False)
    assert found(CHARGER, banner, grid=by_night) == {1: ["unpowered_by_day"]}


def test_a_lamp_that_is_gone_is_said() -> None:
    assert found(CHARGER, grid=Grid()) == {1: ["no_lamp"]}


def test_a_form_says_which_field_is_wrong() -> None:
    good = {
        "kind": "wifi",
        "lamp": "urn:l:1",
        "name": "WLAN",
        "owner": "Netz GmbH",
        "since": "2026-01-01",
        "power": "12,5",
        "by_day": "on",
        "contact_mail": "netz@example.org",
    }
    one, whom, wrong = read(good, 7, {5: "Stadtwerke"})
    assert one is not None and (one.number, one.power, one.by_day, one.until) == (7, 12.5, True, None)
    assert whom.mail == "netz@example.org" and wrong == ""
    for field, text in (
        ("kind", "tree"),
        ("name", ""),
        ("owner", "x" * 201),
        ("since", "soon"),
        ("until", "2025-12-31"),
        ("until", "never"),
        ("power", "-1"),
        ("power", "inf"),
        ("when_off", "\x07"),
        ("contact_mail", "nobody@"),
    ):
        assert read(good | {field: text}, 0, {})[2] == field
    one, _, wrong = read(good | {"organisation": "5", "owner": ""}, 0, {5: "Stadtwerke"})
    assert one is not None and (one.organisation, one.owner, wrong) == (5, "Stadtwerke", "")
    for unknown in ("6", "x"):
        assert read(good | {"organisation": unknown}, 0, {5: "Stadtwerke"})[2] == "organisation"
