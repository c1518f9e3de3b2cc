"""What becomes of the current state when the temporal evolution of an entity is added to or corrected (CIM 009 §5.6.11
to §5.6.16). Pure, as all planning.

The current state is the newest end of the evolution: what is added becomes current if it is newer than what is there,
or than the deletion of what was there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rhinecloud.model import BadRequestData, ResourceNotFound
from rhinecloud.model.evolution import SCOPE
from rhinecloud.store.entities import Remains
from rhinecloud.store.evolution import Occurrence

from .instances import instant, without_stamps
from .operations import Applied, Instances, Operation
from .state import State

if TYPE_CHECKING:
    from .planning import Plan


def evolve(plan: Plan, state: State, operation: Operation) -> Applied:
    """Add instances; those with attribute, dataset and observedAt of one that is there replace it.

    Raises ResourceNotFound where the evolution is unknown and not to be made (§5.6.12.4).
    """
    if state.exists:
        return _add(plan, state, operation)
    remains = plan.remains.get(state.id)
    if remains is None:
        if not operation.create_missing:
            raise ResourceNotFound(f"there is no temporal evolution of {state.id}")
        if not operation.types:
            raise BadRequestData("an entity needs a type", field="/type")
        return _begin(plan, state, operation, operation.types, None)
    types = tuple(dict.fromkeys((*remains.types, *operation.types)))
    if any(
        _time(i, state.now.at) > remains.deleted_at for many in operation.attributes.values() for i in many
    ):
        return _begin(plan, state, operation, types, remains)
    for name, instances in operation.attributes.items():
        for instance in _lasting(instances):
            _remember(plan, state, name, instance)
    plan.remains[state.id] = Remains(
        remains.id, types, remains.scopes, remains.created_at, remains.deleted_at
    )
    return Applied(history_only=tuple(operation.attributes))


def settle(plan: Plan, state: State, operation: Operation) -> Applied:
    """After a correction: the instance that is the newest now is current, or there is none."""
    name = operation.attribute or ""
    if not state.exists:
        return Applied()
    newest = operation.attributes.get(name)
    if name == SCOPE:
        scopes = tuple(newest[0]["value"]) if newest else ()
        if scopes != state.scopes:
            state.scopes = scopes
            plan.tell(state, "update", (), {}, everything=True)
        return Applied()
    before = state.attributes.get(name, [])
    gone = [i for i in before if operation.all_instances or i.get("datasetId") == operation.dataset]
    if newest:
        if [without_stamps(i) for i in gone] == [without_stamps(i) for i in newest]:
            return Applied()
        state.put(name, newest)
    else:
        for instance in gone:
            state.drop(name, instance.get("datasetId"))
        if not gone:
            return Applied()
    plan.tell(state, "update", (name,), {name: before}, everything=False)
    return Applied(updated=(name,))


def erase(plan: Plan, state: State, operation: Operation) -> Applied:
    """Leave nothing of an entity."""
    plan.erased.add(state.id)
    old = state.attributes
    if state.exists:
        state.exists = False
        state.attributes = {}
        plan.tell(state, "delete", tuple(old), old, everything=True)
    return Applied(updated=tuple(old))


def _begin(
    plan: Plan, state: State, operation: Operation, types: tuple[str, ...], remains: Remains | None
) -> Applied:
    state.begin(types, ())
    since = remains.deleted_at if remains else None
    for name, instances in operation.attributes.items():
        _put(plan, state, name, instances, dict.fromkeys(_datasets(instances), since))
    plan.tell(state, "create", tuple(state.attributes), {}, everything=True)
    return Applied(created=remains is None, updated=tuple(operation.attributes))


def _add(plan: Plan, state: State, operation: Operation) -> Applied:
    everything = state.add_types_and_scopes(operation.types, None)
    old: Instances = {}
    late = []
    for name, instances in operation.attributes.items():
        before = state.attributes.get(name, [])
        scopes = state.scopes
        since = {
            dataset: plan.ends.get((state.id, name, dataset or "")) for dataset in _datasets(instances)
        } | {i.get("datasetId"): instant(state.time_of(i)) for i in before}
        if not _put(plan, state, name, instances, since):
            late.append(name)
        elif name == SCOPE:
            everything = everything or scopes != state.scopes
        else:
            old[name] = before
    if old or everything:
        plan.tell(state, "update", tuple(old), old, everything=everything)
    return Applied(updated=tuple(old), history_only=tuple(late))


def _put(
    plan: Plan,
    state: State,
    name: str,
    instances: list[dict[str, Any]],
    since: dict[str | None, datetime | None],
) -> bool:
    """Remember instances; the newest of each dataset becomes current unless older than `since`. Whether one did."""
    newest: dict[str | None, dict[str, Any]] = {}
    kept = _lasting(instances)
    for instance in kept:
        dataset = instance.get("datasetId")
        if dataset not in newest or _time(instance, state.now.at) >= _time(newest[dataset], state.now.at):
            newest[dataset] = instance
    current = []
    for instance in kept:
        dataset = instance.get("datasetId")
        end = since.get(dataset)
        if instance is newest[dataset] and (end is None or _time(instance, state.now.at) >= end):
            current.append(instance)
        else:
            _remember(plan, state, name, instance)
    for instance in current:
        _replace(plan, state, name, instance)
        if name == SCOPE:
            state.scopes = tuple(instance["value"])
            state.remember(name, instance)
        else:
            state.set(name, [instance])
    return bool(current)


def _remember(plan: Plan, state: State, name: str, instance: dict[str, Any]) -> None:
    _replace(plan, state, name, instance)
    state.remember(name, instance)


def _replace(plan: Plan, state: State, name: str, instance: dict[str, Any]) -> None:
    observed = instance.get("observedAt")
    if observed is not None:
        plan.replace(Occurrence(state.id, name, instance.get("datasetId") or "", instant(observed)))


def _lasting(instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that a later one of the list replaces."""
    last = {(i.get("datasetId"), i.get("observedAt")): i for i in instances}
    return list(last.values())


def _datasets(instances: Iterable[dict[str, Any]]) -> set[str | None]:
    return {instance.get("datasetId") for instance in instances}


def _time(instance: dict[str, Any], now: datetime) -> datetime:
    observed = instance.get("observedAt")
    return now if observed is None else instant(observed)
