"""What lamps are compared with: whether they have power, and what is planned for them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from rhinecloud.apps.lighting.cadastre.lamps import Lamp
from rhinecloud.apps.lighting.control.citywide import CityTargets
from rhinecloud.apps.lighting.faults.expecting import Expecting
from rhinecloud.apps.lighting.faults.grid import Supplies
from rhinecloud.apps.lighting.faults.relating import Place
from rhinecloud.city import Change, City
from rhinecloud.model import CORE, Entity

from .lamps import NIGHT, NOON, reports

FEEDER = "urn:ngsi-ld:StreetlightFeeder:1"


def lamp(number: int, **facts: Any) -> Lamp:
    return Lamp(id=f"urn:ngsi-ld:Streetlight:{number}", lon=6.76, lat=51.43, **facts)


def note(supplies: Supplies, at: str, **values: Any) -> None:
    attributes = {
        CORE.expand_term(name): [{"type": "Property", "value": value}] for name, value in values.items()
    }
    entity = Entity(id=FEEDER, types=(CORE.expand_type("StreetlightFeeder"),), attributes=attributes)
    assert supplies.note(Change(FEEDER, entity.types, "update", entity=entity, at=at))


def test_a_feeder_that_is_off_by_day_has_power_from_sunset_on() -> None:
    supplies = Supplies()
    lamps = [lamp(1, feeder=FEEDER), lamp(2)]
    assert supplies.powered_since(lamps, NOON).tolist() == [-math.inf, -math.inf]
    note(supplies, "2026-01-01T00:00:00Z", permanentSupply=False)
    by_day = supplies.powered_since(lamps, NOON)
    assert math.isnan(by_day[0]) and by_day[1] == -math.inf
    by_night = supplies.powered_since(lamps, NIGHT)
    sunset = datetime(2026, 1, 10, 15, 45, tzinfo=UTC).timestamp()  # 16:45 in Duisburg
    assert by_night[0] == pytest.approx(sunset, abs=600) and by_night[1] == -math.inf


def test_a_feeder_that_says_it_is_off_has_no_power_until_it_is_on_again() -> None:
    supplies = Supplies()
    note(supplies, "2026-01-10T12:00:00Z", powerState="off", name="Abgang 1")
    assert supplies.name(FEEDER) == "Abgang 1"
    assert math.isnan(supplies.powered_since([lamp(1, feeder=FEEDER)], NIGHT)[0])
    note(supplies, "2026-01-10T20:00:00.123Z", powerState="on")
    assert supplies.powered_since([lamp(1, feeder=FEEDER)], NIGHT)[0] == NIGHT - 7_200
    note(supplies, "2026-01-10T21:00:00Z", powerState="on")  # says so again
    assert supplies.powered_since([lamp(1, feeder=FEEDER)], NIGHT)[0] == NIGHT - 7_200


def test_numbers_of_feeders_are_of_their_cabinet() -> None:
    supplies = Supplies()
    assert supplies.place(lamp(1, feeder="3", cabinet="urn:c:1")) == Place("urn:c:1:3", "urn:c:1")
    assert supplies.place(lamp(1, feeder=FEEDER)) == Place(FEEDER, None)
    assert supplies.place(lamp(1)) == Place(None, None)


class Night:
    """A plan by which lamps are lit at 80 percent at night and off else; the third has none."""

    rows = [
        SimpleNamespace(lamp=f"urn:ngsi-ld:Streetlight:{number}", planned=number < 2) for number in range(3)
    ]
    asked = 0

    def at(self, city: City, instant: datetime) -> CityTargets:
        self.asked += 1
        night = instant.timestamp() >= NIGHT - 3_600
        change, far = NIGHT - 3_600, 40_000.0
        begin, end = (change, change + far) if night else (change - far, change)
        return CityTargets(
            level=np.full(3, 80.0 if night else 0.0, np.float32),
            since=np.full(3, begin),
            until=np.full(3, end),
            why=np.zeros(3, np.int64),
            lowered=np.zeros(3),
            reasons=[()],
        )


def test_each_report_is_compared_with_the_plan_of_its_instant() -> None:
    now = datetime.fromtimestamp(NIGHT + 60, UTC)
    expecting = Expecting(cast(City, SimpleNamespace(clock=SimpleNamespace(now=lambda: now))))
    told = reports(*({"row": row, "at": NIGHT, "level": 1.0, "target": math.nan} for row in range(4)))
    assert np.isnan(expecting.complete(told, on_demand=False).target).all()  # nothing is planned
    night = Night()
    expecting._night = cast(Any, night)
    expecting._of_row = np.array([0, 1, -1, -1])
    found = expecting.complete(told, on_demand=False)
    assert found.target[:2].tolist() == [80.0, 80.0] == found.most[:2].tolist()
    assert np.isnan(found.target[2:]).all() and found.target_since[0] == NIGHT - 3_600
    assert expecting.complete(told, on_demand=True).most[:2].tolist() == [100.0, 100.0]
    late = reports({"row": 0, "at": NIGHT - 7_200, "target": math.nan})
    assert np.isnan(
        expecting.complete(late, on_demand=False).target
    ).all()  # of another plan than that of now
    assert night.asked == 1
