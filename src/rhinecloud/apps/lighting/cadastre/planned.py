"""What planning knows of a lamp, and a selection as a group to plan with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rhinecloud.app import Text
from rhinecloud.city import City
from rhinecloud.people import Actor

from ..faults import alarms
from ..planning import asking, groups, store
from .fleet import Fleet
from .lamps import Lamp
from .selection import Inside, Selection, chosen


async def now(city: City, lamp: Lamp) -> dict[str, Any]:
    """What it should be doing now and why, from when until when; `planned` is None if nothing can be said."""
    try:
        found = await asking.explain(city, lamp.id)
    except asking.Unknown:
        return {"planned": None}
    return {
        "planned": found,
        "since": datetime.fromtimestamp(found.target.since, UTC),
        "until": datetime.fromtimestamp(found.target.until, UTC),
    }


async def names_of_groups(city: City) -> list[tuple[str, Text]]:
    """The groups of planning: id and name."""
    return [(kept.one.id, kept.one.name) for kept in await store.GROUPS.every(city.db.pool)]


async def inside(city: City, selection: Selection) -> tuple[Inside | None, str]:
    """What a lamp has to fulfil because of a group of planning or a fault (open or over); and the field that names one
    that is not there."""
    tests: list[Inside] = []
    if selection.planned:
        kept = await store.GROUPS.get(city.db.pool, selection.planned)
        if kept is None:
            return None, "planned"
        tests.append(groups.selects(kept.one.selection))
    if selection.fault:
        fault = await alarms.get(city.db.pool, int(selection.fault))
        if fault is None:
            return None, "fault"
        concerned = frozenset(fault.lamps)
        tests.append(lambda lamp: lamp.id in concerned)
    return (lambda lamp: all(test(lamp) for test in tests)) if tests else None, ""


def as_group(fleet: Fleet, selection: Selection, inside: Inside | None = None) -> groups.Selection:
    """Streets, areas and types stay what they are, so that lamps which come later are in the group too; what else was
    selected is a list of lamps."""
    given = {name for name in Selection.__struct_fields__ if getattr(selection, name)}
    if given == {"street"}:
        return groups.Streets((selection.street,))
    if given == {"district"}:
        return groups.Area(districts=(selection.district,))
    if given == {"area"}:
        return groups.Area(polygon=selection.area)
    if given and given <= {"category", "model"}:
        return groups.Types(
            categories=(selection.category,) if selection.category else (),
            models=(selection.model,) if selection.model else (),
        )
    return groups.Single(tuple(fleet.lamps[int(index)].id for index in chosen(fleet, selection, inside)))


async def make_group(city: City, actor: Actor, key: str, name: Text, selection: groups.Selection) -> str:
    """Make a group; what is wrong, or an empty text: name, id, selection. Raises store.Changed if there is one of
    this id."""
    group = groups.Group(id=key, name=name, selection=selection)
    found = groups.problems(group)
    if found:
        return str(found[0].path)
    await store.GROUPS.put(city, actor, group, None)
    return ""
