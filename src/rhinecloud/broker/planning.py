"""From states and operations to new states, history and changes. Pure: the writer does the reading and writing."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from rhinecloud.model import NULL, AlreadyExists, BadRequestData, NgsiLdError, ResourceNotFound, is_null
from rhinecloud.model.core_context import TERMS
from rhinecloud.store.entities import Place, StoredEntity, rfc3339
from rhinecloud.store.history import HistoryRow, SeriesKey

from .operations import Applied, Instances, NotUpdated, Operation, Verdict

_encode = msgspec.json.Encoder().encode
_decode_attributes = msgspec.json.Decoder(dict[str, list[dict[str, Any]]]).decode

_PLAIN_MEMBERS = frozenset(
    {"type", "value", "unitCode", "observedAt", "datasetId", "createdAt", "modifiedAt"}
)
_SCOPE = TERMS["scope"]
_FIRST = datetime.min.replace(tzinfo=UTC) + timedelta(microseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(microseconds=1)
_EXACT = 2**53  # integers up to here are exact as a float64
_STAMPS = frozenset({"createdAt", "modifiedAt"})


class _State:
    """An entity while a batch works on it."""

    __slots__ = (
        "_created_text",
        "attributes",
        "created_at",
        "exists",
        "geometries",
        "id",
        "scopes",
        "types",
    )

    def __init__(self, entity_id: str, stored: StoredEntity | None) -> None:
        self.id = entity_id
        self.exists = stored is not None
        self.types: tuple[str, ...] = stored.types if stored else ()
        self.scopes: tuple[str, ...] = stored.scopes if stored else ()
        self.attributes: Instances = _decode_attributes(stored.attributes) if stored else {}
        self.geometries = _geometries(self.attributes)  # as they are in the store
        self.created_at = stored.created_at if stored else None
        self._created_text: str | None = None

    @property
    def created_text(self) -> str:
        """When the entity was made, as text."""
        assert self.created_at is not None
        if self._created_text is None:
            self._created_text = rfc3339(self.created_at)
        return self._created_text


class Plan:
    """What one transaction shall write. Made by feeding it the locked states, then the operations in order."""

    def __init__(self, locked: dict[str, StoredEntity], now: datetime) -> None:
        self._locked = locked
        self._states: dict[str, _State] = {}
        self._touched: dict[str, bool] = {}  # entity id → whether types or scopes may have changed
        self._now = now
        self._now_text = rfc3339(now)
        self.history: list[HistoryRow] = []
        self.changes: list[bytes] = []

    def apply(self, operation: Operation) -> Verdict:
        """Apply one operation to the states; its error is its verdict, and then it changed nothing."""
        state = self._states.get(operation.entity_id)
        if state is None:
            state = _State(operation.entity_id, self._locked.get(operation.entity_id))
            self._states[operation.entity_id] = state
        try:
            return _APPLY[operation.kind](self, state, operation)
        except NgsiLdError as error:
            return error

    # What is to be written ------------------------------------------------------------------------------------

    def inserts(self) -> list[StoredEntity]:
        return [self._stored(i) for i in self._touched if i not in self._locked and self._states[i].exists]

    def updates(self) -> tuple[list[StoredEntity], list[StoredEntity]]:
        """Rows to be written whole, and rows of which only the attributes changed."""
        whole: list[StoredEntity] = []
        attributes: list[StoredEntity] = []
        for entity_id, everything in self._touched.items():
            if entity_id in self._locked and self._states[entity_id].exists:
                (whole if everything else attributes).append(self._stored(entity_id))
        return whole, attributes

    def deletes(self) -> list[str]:
        return [i for i in self._touched if i in self._locked and not self._states[i].exists]

    def places(self) -> tuple[list[tuple[str, str]], list[Place]]:
        """(entity, attribute) pairs whose geometries are to be forgotten, and the geometries to be written."""
        forget, places = [], []
        for entity_id in self._touched:
            state = self._states[entity_id]
            before, after = state.geometries, _geometries(state.attributes)
            for name in {**before, **after}:
                if before.get(name) != after.get(name):
                    if name in before:
                        forget.append((entity_id, name))
                    places += [_place(entity_id, name, d, value) for d, value in after.get(name, {}).items()]
        return forget, places

    def _stored(self, entity_id: str) -> StoredEntity:
        state = self._states[entity_id]
        assert state.created_at is not None
        return StoredEntity(
            entity_id,
            state.types,
            state.scopes,
            _encode(state.attributes).decode(),
            state.created_at,
            self._now,
        )

    # The operations -------------------------------------------------------------------------------------------

    def _create(self, state: _State, operation: Operation) -> Applied:
        if state.exists:
            raise AlreadyExists(f"{state.id} exists already")
        if not operation.types:
            raise BadRequestData("an entity needs a type", field="/type")
        state.exists = True
        state.types = operation.types
        state.scopes = operation.scopes or ()
        state.created_at = self._now
        state._created_text = self._now_text
        state.attributes = {}
        updated = tuple(operation.attributes)
        for name, instances in operation.attributes.items():
            self._set_all(state, name, instances)
        self._tell(state, "create", updated, {}, everything=True)
        return Applied(created=True, updated=updated)

    def _upsert(self, state: _State, operation: Operation) -> Applied:
        if not state.exists:
            return self._create(state, operation)
        return self._replace(state, operation)

    def _replace(self, state: _State, operation: Operation) -> Applied:
        _require(state)
        old = state.attributes
        state.types = operation.types or state.types
        state.scopes = operation.scopes or ()
        state.attributes = {}
        for name, instances in operation.attributes.items():
            self._set_all(state, name, instances, before=old.get(name))
        changed = tuple({**old, **operation.attributes})
        self._tell(state, "update", changed, old, everything=True)
        return Applied(updated=tuple(operation.attributes))

    def _append(self, state: _State, operation: Operation) -> Applied:
        if not state.exists and operation.create_missing:
            return self._create(state, operation)
        _require(state)
        scopes = operation.scopes
        if scopes is not None and not operation.overwrite:
            scopes = tuple(dict.fromkeys((*state.scopes, *scopes)))
        everything = self._add_types_and_scopes(state, operation.types, scopes)
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
            self._set(state, name, instances)
        return self._updated(state, old, tuple(skipped), everything)

    def _update(self, state: _State, operation: Operation) -> Applied:
        _require(state)
        scopes = operation.scopes if state.scopes else None  # §5.6.2: only a scope that is there is replaced
        everything = self._add_types_and_scopes(state, operation.types, scopes)
        old: Instances = {}
        for name, instances in operation.attributes.items():
            before = state.attributes.get(name, [])
            present = {i.get("datasetId") for i in before}
            for instance in instances:
                if not is_null(instance):
                    self._set(state, name, [instance])
                elif instance.get("datasetId") in present:
                    self._drop(state, name, instance.get("datasetId"))
                else:
                    continue
                old[name] = before
        return self._updated(state, old, (), everything)

    def _partial_update(self, state: _State, operation: Operation) -> Applied:
        _require(state)
        name = operation.attribute or ""
        current = _instance(state, name, operation.dataset)
        (patch,) = operation.attributes[name]
        if "type" in patch and patch["type"] != current["type"]:
            raise BadRequestData(
                f"the attribute is a {current['type']}, not a {patch['type']}", field="/type"
            )
        old = {name: state.attributes[name]}
        if is_null({"type": current["type"], **patch}):
            self._drop(state, name, operation.dataset)
        else:
            merged = {k: v for k, v in {**current, **patch}.items() if not _is_null_value(v)}
            self._set(state, name, [merged])
        return self._updated(state, old, (), False)

    def _replace_attribute(self, state: _State, operation: Operation) -> Applied:
        _require(state)
        name = operation.attribute or ""
        (instance,) = operation.attributes[name]
        _instance(state, name, instance.get("datasetId"))
        old = {name: state.attributes[name]}
        self._set(state, name, [instance])
        return self._updated(state, old, (), False)

    def _merge(self, state: _State, operation: Operation) -> Applied:
        _require(state)
        everything = self._add_types_and_scopes(state, operation.types, operation.scopes)
        old: Instances = {}
        for name, instances in operation.attributes.items():
            before = state.attributes.get(name, [])
            for patch in instances:
                dataset = patch.get("datasetId")
                current = next((i for i in before if i.get("datasetId") == dataset), None)
                if is_null({"type": current["type"], **patch} if current else patch):
                    if current is None:
                        continue
                    self._drop(state, name, dataset)
                elif current is None or current["type"] != patch.get("type", current["type"]):
                    self._set(state, name, [_without_nulls(patch)])
                else:
                    self._set(state, name, [_merged(current, patch)])
                old[name] = before
        return self._updated(state, old, (), everything)

    def _delete_attribute(self, state: _State, operation: Operation) -> Applied:
        _require(state)
        name = operation.attribute or ""
        if name == _SCOPE and state.scopes:
            state.scopes = ()
            return self._updated(state, {}, (), True)
        if name not in state.attributes:
            raise ResourceNotFound(f"{state.id} has no such attribute", field=f"/{name}")
        old = {name: state.attributes[name]}
        if operation.all_instances:
            del state.attributes[name]
        else:
            _instance(state, name, operation.dataset)
            self._drop(state, name, operation.dataset)
        return self._updated(state, old, (), False)

    def _delete(self, state: _State, operation: Operation) -> Applied:
        _require(state)
        old = state.attributes
        state.exists = False
        state.attributes = {}
        self._tell(state, "delete", tuple(old), old, everything=True)
        state.scopes = ()
        return Applied(updated=tuple(old))

    def _measure(self, state: _State, operation: Operation) -> Applied:
        if not state.exists:
            return self._create(state, operation)
        old: Instances = {}
        late = []
        for name, instances in operation.attributes.items():
            current = {i.get("datasetId"): i.get("observedAt") for i in state.attributes.get(name, ())}
            fresh = []
            for instance in instances:
                at, known = instance.get("observedAt"), current.get(instance.get("datasetId"))
                if at is not None and known is not None and instant(at) < instant(known):
                    self._remember(state.id, name, instance)
                else:
                    fresh.append(instance)
            if len(fresh) < len(instances):
                late.append(name)
            if fresh:
                old[name] = state.attributes.get(name, [])
                self._set(state, name, fresh)
        if old:
            self._tell(state, "update", tuple(old), old, everything=False)
        return Applied(updated=tuple(old), history_only=tuple(late))

    # Their parts ----------------------------------------------------------------------------------------------

    def _updated(
        self, state: _State, old: Instances, skipped: tuple[NotUpdated, ...], everything: bool
    ) -> Applied:
        if old or everything:
            self._tell(state, "update", tuple(old), old, everything=everything)
        return Applied(updated=tuple(old), not_updated=skipped)

    def _add_types_and_scopes(
        self, state: _State, types: tuple[str, ...], scopes: tuple[str, ...] | None
    ) -> bool:
        """Types only ever grow here (CIM 009 §4.16); returns whether anything changed."""
        added = tuple(t for t in types if t not in state.types)
        changed = bool(added) or (scopes is not None and scopes != state.scopes)
        state.types += added
        if scopes is not None:
            state.scopes = scopes
        return changed

    def _set_all(
        self,
        state: _State,
        name: str,
        instances: list[dict[str, Any]],
        before: list[dict[str, Any]] | None = None,
    ) -> None:
        """Make these the only instances of the attribute; those that stood `before` keep their createdAt, and are
        no news to history if they say the same (a file imported again)."""
        born = state.created_text
        created = {i.get("datasetId"): i.get("createdAt", born) for i in before or ()}
        state.attributes[name] = [
            self._stamped(i, created.get(i.get("datasetId"), self._now_text), born) for i in instances
        ]
        for instance in instances:
            if not (before and any(_unchanged(current, instance) for current in before)):
                self._remember(state.id, name, instance)

    def _set(self, state: _State, name: str, instances: list[dict[str, Any]]) -> None:
        """Put these in place of the instances with the same datasetId, or beside those that are there."""
        present = list(state.attributes.get(name, ()))
        born = state.created_text
        for instance in instances:
            dataset = instance.get("datasetId")
            for index, current in enumerate(present):
                if current.get("datasetId") == dataset:
                    present[index] = self._stamped(instance, current.get("createdAt", born), born)
                    break
            else:
                present.append(self._stamped(instance, self._now_text, born))
            self._remember(state.id, name, instance)
        state.attributes[name] = present

    def _drop(self, state: _State, name: str, dataset: str | None) -> None:
        left = [i for i in state.attributes[name] if i.get("datasetId") != dataset]
        if left:
            state.attributes[name] = left
        else:
            del state.attributes[name]

    def _stamped(self, instance: dict[str, Any], created: str, entity_created: str) -> dict[str, Any]:
        """The instance with its times, as store.entities.fill_times expects it: only those that must be said."""
        stamped = {key: value for key, value in instance.items() if key not in _STAMPS}
        if created != entity_created:
            stamped["createdAt"] = created
        if created != self._now_text:
            stamped["modifiedAt"] = self._now_text
        return stamped

    def _remember(self, entity_id: str, name: str, instance: dict[str, Any]) -> None:
        observed = instance.get("observedAt")
        plain = is_plain_number(instance)
        key = SeriesKey(
            entity_id,
            name,
            instance.get("datasetId") or "",
            instance.get("unitCode") or "" if plain else "",
            observed is not None,
        )
        self.history.append(
            HistoryRow(
                key,
                instant(observed) if observed is not None else self._now,
                float(instance["value"]) if plain else None,
                None if plain else _encode(instance).decode(),
            )
        )

    def _tell(
        self, state: _State, operation: str, attributes: tuple[str, ...], old: Instances, *, everything: bool
    ) -> None:
        self._touched[state.id] = self._touched.get(state.id, False) or everything
        change: dict[str, Any] = {
            "entityId": state.id,
            "types": state.types,
            "operation": operation,
            "attributes": attributes,
        }
        if old:
            change["old"] = old
        if state.exists:
            assert state.created_at is not None
            change["entity"] = {
                "id": state.id,
                "types": state.types,
                "scopes": state.scopes,
                "attributes": state.attributes,
                "created_at": state.created_text,
                "modified_at": self._now_text,
            }
        else:
            change["scopes"] = state.scopes
            change["createdAt"] = state.created_text
        self.changes.append(_encode(change))


_APPLY: dict[str, Callable[[Plan, _State, Operation], Applied]] = {
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
    "measure": Plan._measure,
}


def instant(text: str) -> datetime:
    """A normalised RFC 3339 text as an instant; the first and the last of all, which PostgreSQL's driver takes for
    infinity and some clocks say instead of nothing, a microsecond inwards."""
    return min(max(datetime.fromisoformat(text), _FIRST), _LAST)


def is_plain_number(instance: dict[str, Any]) -> bool:
    """Whether an instance is nothing but a number in a unit at a time: what compaction may put into arrays."""
    value = instance.get("value")
    kind = type(value)
    return (
        (kind is float or (kind is int and -_EXACT <= value <= _EXACT))  # type: ignore[operator]
        and instance["type"] == "Property"
        and instance.keys() <= _PLAIN_MEMBERS
    )


def _require(state: _State) -> None:
    if not state.exists:
        raise ResourceNotFound(f"there is no entity {state.id}")


def _instance(state: _State, name: str, dataset: str | None) -> dict[str, Any]:
    for instance in state.attributes.get(name, ()):
        if instance.get("datasetId") == dataset:
            return instance
    which = "" if dataset is None else f" with datasetId {dataset}"
    raise ResourceNotFound(f"{state.id} has no such attribute{which}", field=f"/{name}")


def _is_null_value(value: Any) -> bool:
    return value in (NULL, [NULL], {"@none": NULL})


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if not _is_null_value(v)}
    return value


def _merged(current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """CIM 009 §5.5.12: members are merged recursively, a null removes one, an array replaces an array."""
    merged = dict(current)
    for key, value in patch.items():
        if _is_null_value(value):
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = _without_nulls(value)
    return merged


def _unchanged(current: dict[str, Any], instance: dict[str, Any]) -> bool:
    """Whether an instance says nothing that was not known: the same again, and not as a new observation."""
    return (
        "observedAt" not in instance
        and current.keys() - _STAMPS == instance.keys() - _STAMPS
        and all(current[key] == value for key, value in instance.items() if key not in _STAMPS)
    )


def _geometries(attributes: Instances) -> dict[str, dict[str, Any]]:
    """Attribute → dataset ('' for none) → geometry (GeoJSON) of all GeoProperties."""
    found: dict[str, dict[str, Any]] = {}
    for name, instances in attributes.items():
        for instance in instances:
            if instance["type"] == "GeoProperty":
                found.setdefault(name, {})[instance.get("datasetId") or ""] = instance["value"]
    return found


def _place(entity_id: str, attribute: str, dataset: str, geometry: dict[str, Any]) -> Place:
    if geometry["type"] == "Point":
        x, y = geometry["coordinates"][:2]
        return Place(entity_id, attribute, dataset, (x, y, x, y), struct.pack("<BIdd", 1, 1, x, y))
    from shapely.geometry import shape

    made = shape(geometry)
    return Place(entity_id, attribute, dataset, made.bounds, made.wkb)
