"""An entity while a transaction works on it: what it was, what it becomes, and the values to be remembered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from rhinecloud.model import ResourceNotFound
from rhinecloud.model.evolution import SCOPE
from rhinecloud.store import facts
from rhinecloud.store.entities import Place, Remains, StoredEntity, rfc3339
from rhinecloud.store.history import HistoryRow, SeriesKey

from .instances import STAMPS, ended, geometries, instant, is_plain_number, place, unchanged, without_stamps
from .operations import Instances

_encode = msgspec.json.Encoder().encode
_decode_attributes = msgspec.json.Decoder(dict[str, list[dict[str, Any]]]).decode


class Moment(msgspec.Struct, frozen=True):
    """The present of a transaction, as an instant and as text."""

    at: datetime
    text: str


class State:
    """One entity. `attributes` may be given new lists of instances; a list that is there is never changed."""

    __slots__ = (
        "_before",
        "_created_text",
        "_encoded",
        "_history",
        "now",
        "attributes",
        "created_at",
        "exists",
        "filed",
        "id",
        "scopes",
        "types",
    )

    def __init__(
        self, entity_id: str, stored: StoredEntity | None, now: Moment, history: list[HistoryRow]
    ) -> None:
        self.id = entity_id
        self.exists = stored is not None
        self.types: tuple[str, ...] = stored.types if stored else ()
        self.scopes: tuple[str, ...] = stored.scopes if stored else ()
        self.filed = (self.types, self.scopes)  # as the last change told it
        self._before: Instances = _decode_attributes(stored.attributes) if stored else {}
        self.attributes: Instances = dict(self._before)
        self.created_at = stored.created_at if stored else None
        self._created_text: str | None = None
        self._encoded: bytes | None = None
        self.now = now
        self._history = history

    @property
    def created_text(self) -> str:
        """When the entity was made, as text."""
        assert self.created_at is not None
        if self._created_text is None:
            self._created_text = rfc3339(self.created_at)
        return self._created_text

    def encode(self) -> bytes:
        """The attributes as they are now, as JSON. Called after each operation that changed them."""
        self._encoded = _encode(self.attributes)
        return self._encoded

    def row(self, *, whole: bool) -> StoredEntity:
        """What is to be stored; its facts only with the whole."""
        assert self.created_at is not None and self._encoded is not None
        return StoredEntity(
            self.id,
            self.types,
            self.scopes,
            self._encoded.decode(),
            self.created_at,
            self.now.at,
            facts.as_array(facts.of_entity(self.scopes, self.attributes)) if whole else "{}",
        )

    def has_new_facts(self) -> bool:
        """Whether more than measurements changed, so that the row must be written whole."""
        before, after = self._before, self.attributes
        for name, instances in after.items():
            old = before.get(name)
            if old is not instances and not facts.are_the_same(name, old, instances):
                return True
        return any(name not in after for name in before)

    def pass_time(self) -> None:
        """A microsecond passes between two operations on one entity, so that its history has an order."""
        at = self.now.at + timedelta(microseconds=1)
        self.now = Moment(at, rfc3339(at))

    def remains(self) -> Remains:
        """What is to be known of it after its deletion."""
        assert self.created_at is not None
        return Remains(self.id, self.types, self.scopes, self.created_at, self.now.at)

    def places(self) -> tuple[list[str], list[Place]]:
        """Attributes whose stored geometries are to be forgotten, and the geometries to be stored."""
        forget: list[str] = []
        places: list[Place] = []
        before, after = self._before, self.attributes
        changed = [name for name, instances in after.items() if before.get(name) is not instances]
        for name in (*changed, *(name for name in before if name not in after)):
            old, new = geometries(before.get(name)), geometries(after.get(name))
            if old != new:
                if old:
                    forget.append(name)
                places += [place(self.id, name, dataset, value) for dataset, value in new.items()]
        return forget, places

    def begin(self, types: tuple[str, ...], scopes: tuple[str, ...]) -> None:
        """Come into being, without attributes."""
        self.exists = True
        self.types = types
        self.scopes = ()
        self.set_scopes(scopes)
        self.created_at = self.now.at
        self._created_text = self.now.text
        self.attributes = {}

    def bury(self) -> None:
        """Be no more; the history says since when. What it was, types and scopes, is still to be told."""
        self.exists = False
        for name in list(self.attributes):
            self.end_all(name)
        scopes = self.scopes
        self.set_scopes(())
        self.scopes = scopes

    def add_types_and_scopes(self, types: tuple[str, ...], scopes: tuple[str, ...] | None) -> bool:
        """Types only ever grow here (CIM 009 §4.16); returns whether anything changed."""
        added = tuple(t for t in types if t not in self.types)
        changed = bool(added) or (scopes is not None and scopes != self.scopes)
        self.types += added
        if scopes is not None:
            self.set_scopes(scopes)
        return changed

    def set_scopes(self, scopes: tuple[str, ...]) -> None:
        """Be in these scopes from now on; in the history they are a Property (CIM 009 §4.5.6)."""
        if scopes == self.scopes:
            return
        self.scopes = scopes
        instance = {"type": "Property", "value": scopes}
        time = "observedAt" if scopes else "deletedAt"
        self.remember(SCOPE, {**instance, time: self.now.text})

    def set_all(
        self,
        name: str,
        instances: list[dict[str, Any]],
        before: list[dict[str, Any]] | None = None,
    ) -> None:
        """Make these the only instances of the attribute; those that stood `before` keep their createdAt, and are
        no news to history if they say the same (a file imported again)."""
        if before is not None and len(before) == len(instances) == 1:
            known, instance = before[0], instances[0]
            same = known.get("datasetId") == instance.get("datasetId")
            created = known.get("createdAt", self.created_text) if same else self.now.text
            self.attributes[name] = [self._stamped(instance, created)]
            if not same:
                self._remember_end(name, known)
            if not unchanged(known, instance):
                self.remember(name, instance)
            return
        times = {i.get("datasetId"): i.get("createdAt", self.created_text) for i in before or ()}
        self.attributes[name] = [
            self._stamped(i, times.get(i.get("datasetId"), self.now.text)) for i in instances
        ]
        present = {i.get("datasetId") for i in instances}
        for known in before or ():
            if known.get("datasetId") not in present:
                self._remember_end(name, known)
        for instance in instances:
            if not any(unchanged(known, instance) for known in before or ()):
                self.remember(name, instance)

    def set(self, name: str, instances: list[dict[str, Any]]) -> None:
        """Put these in place of the instances with the same datasetId, or beside those that are there."""
        self.put(name, instances)
        for instance in instances:
            self.remember(name, instance)

    def put(self, name: str, instances: list[dict[str, Any]]) -> None:
        """The same for what the history knows already."""
        present = list(self.attributes.get(name, ()))
        for instance in instances:
            dataset = instance.get("datasetId")
            for index, current in enumerate(present):
                if current.get("datasetId") == dataset:
                    present[index] = self._stamped(instance, current.get("createdAt"))
                    break
            else:
                present.append(self._stamped(instance, self.now.text))
        self.attributes[name] = present

    def end(self, name: str, dataset: str | None) -> None:
        """Delete one instance, and the attribute with its last; the history says when."""
        self._remember_end(name, self.instance(name, dataset))
        self.drop(name, dataset)

    def end_all(self, name: str) -> None:
        """Delete an attribute."""
        for instance in self.attributes.pop(name):
            self._remember_end(name, instance)

    def drop(self, name: str, dataset: str | None) -> None:
        """Remove one instance, and the attribute with its last, of which the history knows nothing any more."""
        left = [i for i in self.attributes[name] if i.get("datasetId") != dataset]
        if left:
            self.attributes[name] = left
        else:
            del self.attributes[name]

    def instance(self, name: str, dataset: str | None) -> dict[str, Any]:
        """The instance. Raises ResourceNotFound."""
        for instance in self.attributes.get(name, ()):
            if instance.get("datasetId") == dataset:
                return instance
        which = "" if dataset is None else f" with datasetId {dataset}"
        raise ResourceNotFound(f"{self.id} has no such attribute{which}", field=f"/{name}")

    def time_of(self, instance: dict[str, Any]) -> str:
        """Since when an instance of this entity holds: observedAt, else when it was last modified."""
        at: str = (
            instance.get("observedAt")
            or instance.get("modifiedAt")
            or instance.get("createdAt")
            or self.created_text
        )
        return at

    def remember(self, name: str, instance: dict[str, Any]) -> None:
        """Put the value into the history."""
        observed = instance.get("observedAt")
        plain = is_plain_number(instance)
        key = SeriesKey(
            self.id,
            name,
            instance.get("datasetId") or "",
            instance.get("unitCode") or "" if plain else "",
            observed is not None,
        )
        self._history.append(
            HistoryRow(
                key,
                instant(observed) if observed is not None else self.now.at,
                float(instance["value"]) if plain else None,
                None if plain else _encode(without_stamps(instance)).decode(),
            )
        )

    def _remember_end(self, name: str, instance: dict[str, Any]) -> None:
        self.remember(name, ended(instance, self.now.text))

    def _stamped(self, instance: dict[str, Any], created: str | None) -> dict[str, Any]:
        """The instance with its times, as store.entities.fill_times expects it: only those that must be said. No
        `created` means: with the entity."""
        stamped = dict(instance)
        if "modifiedAt" in stamped or "createdAt" in stamped:
            for stamp in STAMPS:
                stamped.pop(stamp, None)
        born, now = self._created_text or self.created_text, self.now.text
        if created is not None and created != born:
            stamped["createdAt"] = born = created
        if born != now:
            stamped["modifiedAt"] = now
        return stamped
