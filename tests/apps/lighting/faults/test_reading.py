"""Whatever a lamp says, reading it gives a report and no error; what cannot be is set aside."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.faults import reading
from rhinecloud.apps.lighting.faults.reading import Report
from rhinecloud.city import Change
from rhinecloud.model import CORE, Entity

NOW = datetime(2026, 1, 10, 22, 0, tzinfo=UTC).timestamp()
AT = "2026-01-10T21:59:00Z"
NAMES = (
    "illuminanceLevel",
    "powerState",
    "powerConsumption",
    "activePower",
    "temperature",
    "lampFailure",
    "status",
)


def change(*touched: str, **values: Any) -> Change:
    """Values are plain, or instances as they stand in the graph."""
    attributes = {
        CORE.expand_term(name): value
        if isinstance(value, list)
        else [{"type": "Property", "value": value, "observedAt": AT}]
        for name, value in values.items()
    }
    entity = Entity(
        id="urn:ngsi-ld:Streetlight:1", types=(CORE.expand_type("Streetlight"),), attributes=attributes
    )
    names = tuple(map(CORE.expand_term, touched or values))
    return Change(entity.id, entity.types, "update", attributes=names, entity=entity, at=AT)


def told(*touched: str, **values: Any) -> Report:
    found = reading.report(change(*touched, **values), NOW)
    assert found is not None
    return found


def at(value: Any, when: str) -> list[dict[str, Any]]:
    return [{"type": "Property", "value": value, "observedAt": when}]


def test_a_report_in_the_units_of_the_detectors() -> None:
    found = told(illuminanceLevel=0.4, powerState="on", powerConsumption=25.5, temperature=31)
    assert (found.level, found.power, found.temperature) == (40.0, 25.5, 31.0)
    assert found.at == NOW - 60 and not found.says_defect and not found.impossible
    assert told(powerState="off").level == 0.0 and math.isnan(told(powerState="on").level)
    assert told(illuminanceLevel=0.5, powerState="off").level == 0.0
    assert told(activePower=12, illuminanceLevel=1).power == 12.0
    assert told(powerConsumption=-0.4).power == 0.0  # what a meter shows around nothing


def test_values_of_another_moment_are_not_taken_for_this_one() -> None:
    old = at(60.0, "2026-01-10T21:40:00Z")
    assert math.isnan(told(illuminanceLevel=0.3, powerConsumption=old).power)
    assert not told(illuminanceLevel=0.3, powerConsumption=at("nonsense", "2026-01-10T21:40:00Z")).impossible
    later = told(illuminanceLevel=0.3, powerState=at("off", "2026-01-10T20:00:00Z"))
    assert later.level == 30.0


def test_what_cannot_be_is_set_aside() -> None:
    for wrong in (
        {"illuminanceLevel": 7},
        {"illuminanceLevel": "hell"},
        {"powerConsumption": 1e9},
        {"powerConsumption": True},
        {"temperature": -300},
        {"powerConsumption": at(5, "2026-01-11T22:00:00Z")},
    ):
        assert told(**wrong).impossible, wrong
    mixed = told(illuminanceLevel=7, powerConsumption=30)
    assert math.isnan(mixed.level) and mixed.power == 30.0


def test_a_defect_that_the_lamp_states_and_one_that_this_app_stated() -> None:
    assert told(lampFailure=True).says_defect and told(status="defectiveLamp").says_defect
    assert not told(status="ok").says_defect
    ours = [
        {"type": "Property", "value": "defectiveLamp", CORE.expand_term("foundBy"): [{"value": "lighting"}]}
    ]
    assert reading.report(change(status=ours), NOW) is None
    assert not told("illuminanceLevel", illuminanceLevel=1.0, status=ours).says_defect


def test_what_is_not_measured_is_no_report() -> None:
    assert reading.report(change("name", name="x", illuminanceLevel=1.0), NOW) is None
    deleted = Change("urn:a:1", (), "delete", attributes=(CORE.expand_term("illuminanceLevel"),))
    assert reading.report(deleted, NOW) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
instance = st.fixed_dictionaries(
    {"type": st.just("Property")},
    optional={
        "value": anything,
        "observedAt": st.text(max_size=12) | st.sampled_from([AT, "9999-12-31T23:59:59Z"]),
    },
)


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(instance, max_size=3)))
def test_nothing_that_a_lamp_says_is_an_error(values: dict[str, Any]) -> None:
    found = reading.report(change(**values), NOW)
    assert found is not None or not values
    if found is None:
        return
    assert math.isnan(found.level) or 0 <= found.level <= 100
    assert math.isnan(found.power) or 0 <= found.power <= 5_000
    assert math.isnan(found.temperature) or -60 <= found.temperature <= 200
    assert found.at <= NOW + 300
    columns = reading.columns([found, found._replace(lamp="urn:unknown")], {found.lamp: 4})
    assert columns.row.tolist() == [4]
