"""From states and operations to new states, history and changes. Pure: the writer does the reading and writing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from rhinecloud.model import AlreadyExists, BadRequestData, NgsiLdError, ResourceNotFound, is_null
from rhinecloud.model.core_context import TERMS
from rhinecloud.model.patching import completed, merged, replaced, says_nothing
from rhinecloud.model.simplified import in_language, in_type_of
from rhinecloud.store.entities import Place, Remains, StoredEntity, rfc3339
from rhinecloud.store.evolution import Occurrence
from rhinecloud.store.history import HistoryRow

from .evolution import erase, evolve, settle
from .instances import instant
from .operations import Applied, Instances, Merging, NotUpdated, Operation, Verdict
from .state import Moment, State

_encode = msgspec.json.Encoder().encode
_SCOPE = TERMS["scope"]


class Plan:
    """What one transaction shall write. Made by feeding it the locked states, then the operations in order.

    What is added to evolutions needs to know what remains of deleted entities (`remains`), and since when attributes
    that an entity does not have are gone (`ends`).
    """

    def __init__(
        self,
        locked: dict[str, StoredEntity],
        now: datetime,
        remains: dict[str, Remains] | None = None,
        ends: dict[tuple[str, str, str], datetime] | None = None,
    ) -> None:
        self._locked = locked
        self.remains = remains or {}
        self.ends = ends or {}
        self.replaced: set[Occurrence] = set()  # what is to be forgotten before `history` is written
        self.erased: set[str] = set()  # entities of which nothing shall be left
        self._states: dict[str, State] = {}
        self._touched: dict[str, bool] = {}  # entity id → whether types or scopes may have changed
        self.now = Moment(now, rfc3339(now))
        self.history: list[HistoryRow] = []
        self.changes: list[bytes] = []

    def knows(self, entity_id: str) -> bool:
        """Whether there is, or was, such an entity."""
        return entity_id in self._locked or entity_id in self.remains

    def apply(self, operation: Operation) -> Verdict:
        """Apply one operation to the states; its error is its verdict, and then it changed nothing."""
        state = self._states.get(operation.entity_id)
        if state is None:
            state = State(operation.entity_id, self._locked.get(operation.entity_id), self.now, self.history)
            self._states[operation.entity_id] = state
        else:
            state.pass_time()
        try:
            return _APPLY[operation.kind](self, state, operation)
        except NgsiLdError as error:
            return error

    # What is to be written ------------------------------------------------------------------------------------

    def inserts(self) -> list[StoredEntity]:
        return [
            self._states[i].row(whole=True)
            for i in self._touched
            if i not in self._locked and self._states[i].exists
        ]

    def updates(self) -> tuple[list[StoredEntity], list[StoredEntity]]:
        """Rows to be written whole, and rows of which only measurements changed: no index is touched by those."""
        whole: list[StoredEntity] = []
        attributes: list[StoredEntity] = []
        for entity_id, everything in self._touched.items():
            state = self._states[entity_id]
            if entity_id in self._locked and state.exists:
                if everything or state.has_new_facts():
                    whole.append(state.row(whole=True))
                else:
                    attributes.append(state.row(whole=False))
        return whole, attributes

    def deletes(self) -> list[Remains]:
        """What remains of the entities that are no more: those deleted, and those that were and got older values."""
        gone = [self._states[i] for i in self._touched if i not in self.erased and not self._states[i].exists]
        return [state.remains() for state in gone if state.created_at is not None] + [
            remains
            for remains in self.remains.values()
            if remains.id not in self._touched and remains.id not in self.erased
        ]

    def places(self) -> tuple[list[tuple[str, str]], list[Place]]:
        """(entity, attribute) pairs whose geometries are to be forgotten, and the geometries to be written."""
        forget: list[tuple[str, str]] = []
        places: list[Place] = []
        for entity_id in self._touched:
            forgotten, new = self._states[entity_id].places()
            forget += [(entity_id, name) for name in forgotten]
            places += new
        return forget, places

    def replace(self, occurrence: Occurrence) -> None:
        """Forget the instance that stands there, in history and among what is to be written."""
        if occurrence in self.replaced:
            self.history[:] = [row for row in self.history if not _stands_at(row, occurrence)]
        self.replaced.add(occurrence)

    # The operations -------------------------------------------------------------------------------------------

    def _create(self, state: State, operation: Operation) -> Applied:
        if state.exists:
            raise AlreadyExists(f"{state.id} exists already")
        if not operation.types:
            raise BadRequestData("an entity needs a type", field="/type")
        state.begin(operation.types, operation.scopes or ())
        updated = tuple(operation.attributes)
        for name, instances in operation.attributes.items():
            state.set_all(name, instances)
        self.tell(state, "create", updated, {}, everything=True)
        return Applied(created=True, updated=updated)

    def _upsert(self, state: State, operation: Operation) -> Applied:
        if not state.exists:
            return self._create(state, operation)
        return self._replace(state, operation)

    def _replace(self, state: State, operation: Operation) -> Applied:
        _require(state, operation)
        old = dict(state.attributes)
        state.types = operation.types or state.types
        state.set_scopes(operation.scopes or ())
        for name in old.keys() - operation.attributes.keys():
            state.end_all(name)
        state.attributes = {}
        for name, instances in operation.attributes.items():
            state.set_all(name, instances, before=old.get(name))
        changed = tuple({**old, **operation.attributes})
        self.tell(state, "update", changed, old, everything=True)
        return Applied(updated=tuple(operation.attributes))

    def _append(self, state: State, operation: Operation) -> Applied:
        _require(state, operation)
        scopes = operation.scopes
        if scopes is not None and not operation.overwrite:
            scopes = tuple(dict.fromkeys((*state.scopes, *scopes)))
        everything = state.add_types_and_scopes(operation.types, scopes)
        old: Instances = {}
        skipped = []
        for name, instances in operation.attributes.items():
            if not operation.overwrite and name in state.attributes:
                present = {i.get("datasetId") for i in state.attributes[name]}
                fresh = [i for i in instances if i.get("datasetId") not in present]
                if len(fresh) < len(instances):
                    skipped.append(NotUpdated(name, "the attribute exists already"))
                if not fresh:
                    continue
                instances = fresh
            old[name] = state.attributes.get(name, [])
            state.set(name, instances)
        return self._updated(state, old, tuple(skipped), everything)

    def _update(self, state: State, operation: Operation) -> Applied:
        if not state.exists and operation.create_missing:
            return self._create(state, operation)
        _require(state, operation)
        skipped: tuple[NotUpdated, ...] = ()
        scopes = operation.scopes
        if scopes is not None and not state.scopes:
            skipped = (NotUpdated(_SCOPE, "the entity has no scope that could be replaced"),)
            scopes = None
        attributes = {
            name: [one if is_null(one) else completed(one) for one in instances]
            for name, instances in operation.attributes.items()
        }
        everything = state.add_types_and_scopes(operation.types, scopes)
        old: Instances = {}
        for name, instances in attributes.items():
            before = state.attributes.get(name, [])
            present = {i.get("datasetId") for i in before}
            for instance in instances:
                if not is_null(instance):
                    state.set(name, [instance])
                elif instance.get("datasetId") in present:
                    state.end(name, instance.get("datasetId"))
                else:
                    continue
                old[name] = before
        return self._updated(state, old, skipped, everything)

    def _partial_update(self, state: State, operation: Operation) -> Applied:
        _require(state, operation)
        name = operation.attribute or ""
        current = state.instance(name, operation.dataset)
        (patch,) = operation.attributes[name]
        if "type" in patch and patch["type"] != current["type"]:
            raise BadRequestData(
                f"the attribute is a {current['type']}, not a {patch['type']}", field="/type"
            )
        old = {name: state.attributes[name]}
        if is_null({"type": current["type"], **patch}):
            state.end(name, operation.dataset)
        else:
            state.set(name, [replaced(current, patch)])
        return self._updated(state, old, (), False)

    def _replace_attribute(self, state: State, operation: Operation) -> Applied:
        _require(state, operation)
        name = operation.attribute or ""
        (instance,) = operation.attributes[name]
        state.instance(name, instance.get("datasetId"))
        old = {name: state.attributes[name]}
        state.set(name, [instance])
        return self._updated(state, old, (), False)

    def _merge(self, state: State, operation: Operation) -> Applied:
        _require(state, operation)
        results = [
            (name, patch.get("datasetId"), _after_merge(state, name, patch, operation.merging))
            for name, patches in operation.attributes.items()
            for patch in patches
        ]
        everything = state.add_types_and_scopes(operation.types, operation.scopes)
        old: Instances = {}
        for name, dataset, result in results:
            before = state.attributes.get(name, [])
            if result is not None:
                state.set(name, [result])
            elif _instance(before, dataset) is not None:
                state.end(name, dataset)
            else:
                continue
            old.setdefault(name, before)
        return self._updated(state, old, (), everything)

    def _delete_attribute(self, state: State, operation: Operation) -> Applied:
        _require(state, operation)
        name = operation.attribute or ""
        if name == _SCOPE and state.scopes:
            state.set_scopes(())
            return self._updated(state, {}, (), True)
        if name not in state.attributes:
            raise ResourceNotFound(f"{state.id} has no such attribute", field=f"/{name}")
        old = {name: state.attributes[name]}
        if operation.all_instances:
            state.end_all(name)
        else:
            state.end(name, operation.dataset)
        return self._updated(state, old, (), False)

    def _reduce(self, state: State, operation: Operation) -> Applied:
        _require(state, operation)
        gone = [name for name in state.attributes if (name in operation.names) != operation.keep]
        old = {name: state.attributes[name] for name in gone}
        for name in gone:
            state.end_all(name)
        bare = bool(state.scopes) and _SCOPE in operation.names and not operation.keep
        if bare:
            state.set_scopes(())
        return self._updated(state, old, (), bare)

    def _delete(self, state: State, operation: Operation) -> Applied:
        _require(state, operation)
        old = dict(state.attributes)
        state.bury()
        self.tell(state, "delete", tuple(old), old, everything=True)
        return Applied(updated=tuple(old))

    def _measure(self, state: State, operation: Operation) -> Applied:
        if not state.exists:
            return self._create(state, operation)
        old: Instances = {}
        late = []
        for name, instances in operation.attributes.items():
            before = state.attributes.get(name, [])
            overtaken = [instance for instance in instances if _is_older(instance, before)]
            fresh = instances
            if overtaken:
                late.append(name)
                fresh = [instance for instance in instances if not _is_older(instance, before)]
                for instance in overtaken:
                    state.remember(name, instance)
            if fresh:
                old[name] = before
                state.set(name, fresh)
        if old:
            self.tell(state, "update", tuple(old), old, everything=False)
        return Applied(updated=tuple(old), history_only=tuple(late))

    # Their parts ----------------------------------------------------------------------------------------------

    def _updated(
        self, state: State, old: Instances, skipped: tuple[NotUpdated, ...], everything: bool
    ) -> Applied:
        if old or everything:
            self.tell(state, "update", tuple(old), old, everything=everything)
        return Applied(updated=tuple(old), not_updated=skipped)

    def tell(
        self, state: State, operation: str, attributes: tuple[str, ...], old: Instances, *, everything: bool
    ) -> None:
        """Write the state at the end, and tell the change."""
        self._touched[state.id] = self._touched.get(state.id, False) or everything
        change: dict[str, Any] = {
            "entityId": state.id,
            "types": state.types,
            "operation": operation,
            "attributes": attributes,
        }
        if old:
            change["old"] = old
        if operation == "update" and state.filed != (state.types, state.scopes):
            change["was"] = {"types": state.filed[0], "scopes": state.filed[1]}
        state.filed = (state.types, state.scopes)
        if state.exists:
            assert state.created_at is not None
            change["entity"] = {
                "id": state.id,
                "types": state.types,
                "scopes": state.scopes,
                "attributes": msgspec.Raw(state.encode()),
                "created_at": state.created_text,
                "modified_at": state.now.text,
            }
        else:
            change["scopes"] = state.scopes
            change["createdAt"] = state.created_text
        self.changes.append(_encode(change))


_APPLY: dict[str, Callable[[Plan, State, Operation], Applied]] = {
    "create": Plan._create,
    "upsert": Plan._upsert,
    "replace": Plan._replace,
    "append": Plan._append,
    "update": Plan._update,
    "partial_update": Plan._partial_update,
    "replace_attribute": Plan._replace_attribute,
    "merge": Plan._merge,
    "delete_attribute": Plan._delete_attribute,
    "delete": Plan._delete,
    "reduce": Plan._reduce,
    "evolve": evolve,
    "settle": settle,
    "erase": erase,
    "measure": Plan._measure,
}


def _stands_at(row: HistoryRow, occurrence: Occurrence) -> bool:
    key = row.key
    return (
        row.at == occurrence.at
        and key.observed
        and (key.entity_id, key.attribute, key.dataset)
        == (occurrence.entity_id, occurrence.attribute, occurrence.dataset)
    )


def _require(state: State, operation: Operation) -> None:
    if not state.exists or (operation.only is not None and not operation.only.matches(state.types)):
        raise ResourceNotFound(f"there is no entity {state.id}")


def _instance(instances: list[dict[str, Any]], dataset: str | None) -> dict[str, Any] | None:
    return next((one for one in instances if one.get("datasetId") == dataset), None)


def _after_merge(state: State, name: str, patch: dict[str, Any], merging: Merging) -> dict[str, Any] | None:
    """An instance after its patch (§5.6.17.4, §5.5.12), None if it is no more. Raises BadRequestData."""
    current = _instance(state.attributes.get(name, []), patch.get("datasetId"))
    if current is None:
        return None if is_null(patch) else completed(patch)
    if merging.lang is not None:
        patch = in_language(current, patch, merging.lang)
    if merging.simplified:
        patch = in_type_of(current, patch, name)
    kind = current["type"]
    if is_null({"type": kind, **patch}):
        return None
    if merging.observed_at is not None and "observedAt" in current:
        patch = {"observedAt": merging.observed_at, **patch}
    result = completed(patch) if patch.get("type", kind) != kind else merged(current, patch)
    return None if says_nothing(result) else result


def _is_older(instance: dict[str, Any], present: list[dict[str, Any]]) -> bool:
    """Whether an instance was observed before the one that stands in its place."""
    at = instance.get("observedAt")
    if at is None:
        return False
    dataset = instance.get("datasetId")
    for current in present:
        if current.get("datasetId") == dataset:
            known = current.get("observedAt")
            return known is not None and instant(at) < instant(known)
    return False
