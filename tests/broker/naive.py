"""What entities and their evolution ought to be, worked out in the plainest way: a list of all instances ever told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rhinecloud.broker.instances import instant

Instance = dict[str, Any]
NULL = "urn:ngsi-ld:null"
_START = datetime(2026, 1, 1, tzinfo=UTC)  # times that are observed lie before or far behind


class Told:
    """One instance in the history."""

    def __init__(self, attribute: str, instance: Instance, now: datetime) -> None:
        self.attribute = attribute
        self.instance = instance
        self.dataset: str | None = instance.get("datasetId")
        self.observed = "observedAt" in instance
        self.at = instant(instance["observedAt"]) if self.observed else now

    @property
    def is_end(self) -> bool:
        return "deletedAt" in self.instance


class NaiveEntity:
    """One entity: what is current, and what was ever told."""

    def __init__(self) -> None:
        self.now = _START
        self.known = False
        self.alive = False
        self.deleted_at = _START
        self.types: list[str] = []
        self.told: list[Told] = []
        self.current: dict[tuple[str, str | None], Told] = {}

    def tick(self) -> None:
        self.now += timedelta(seconds=1)

    def _tell(self, attribute: str, instance: Instance) -> Told:
        self.told.append(Told(attribute, instance, self.now))
        return self.told[-1]

    def _end(self, place: tuple[str, str | None]) -> None:
        self.current.pop(place)
        attribute, dataset = place
        end = {"type": "Property", "value": NULL, "deletedAt": True}
        self._tell(attribute, end if dataset is None else {**end, "datasetId": dataset})

    # Ordinary operations --------------------------------------------------------------------------------------

    def upsert(self, attributes: dict[str, list[Instance]]) -> None:
        if not self.alive:
            self._begin(["Lamp"])
        places = {(name, i.get("datasetId")) for name, many in attributes.items() for i in many}
        for place in self.current.keys() - places:
            self._end(place)
        for name, many in attributes.items():
            for instance in many:
                place = (name, instance.get("datasetId"))
                before = self.current.get(place)
                if before is not None and before.instance == instance and "observedAt" not in instance:
                    self.current[place] = Told(name, instance, self.now)  # no news, but modified
                else:
                    self.current[place] = self._tell(name, instance)

    def append(self, attributes: dict[str, list[Instance]]) -> bool:
        if self.alive:
            for name, many in attributes.items():
                for instance in many:
                    self.current[name, instance.get("datasetId")] = self._tell(name, instance)
        return self.alive

    def measure(self, attributes: dict[str, list[Instance]]) -> None:
        if not self.alive:
            self._begin(["Lamp"])
        for name, many in attributes.items():
            for instance in many:
                place = (name, instance.get("datasetId"))
                before = self.current.get(place)
                told = self._tell(name, instance)
                if not (before and before.observed and told.observed and told.at < before.at):
                    self.current[place] = told

    def delete_attribute(self, name: str, dataset: str | None, *, everything: bool) -> bool:
        places = [p for p in self.current if p[0] == name and (everything or p[1] == dataset)]
        for place in places:
            self._end(place)
        return bool(places)

    def delete(self) -> bool:
        if not self.alive:
            return False
        for place in list(self.current):
            self._end(place)
        self.alive = False
        self.deleted_at = self.now
        return True

    def _begin(self, types: list[str]) -> None:
        self.known = self.alive = True
        self.types = types
        self.current = {}

    # Temporal operations --------------------------------------------------------------------------------------

    def evolve(self, types: list[str], attributes: dict[str, list[Instance]]) -> None:
        each = [Told(name, i, self.now) for name, many in attributes.items() for i in many]
        flat = list({(t.attribute, t.dataset, t.observed, t.at): t for t in each}.values())
        revived = not self.known or (not self.alive and any(t.at > self.deleted_at for t in flat))
        since = {place: self._since(place) for place in ((t.attribute, t.dataset) for t in flat)}
        types = list(dict.fromkeys([*self.types, *types]))
        if revived:
            since = dict.fromkeys(since, self.deleted_at if self.known else None)
            self._begin(types)
        self.types = types
        for told in flat:
            self.told = [
                t
                for t in self.told
                if (t.attribute, t.dataset, t.observed, t.at)
                != (told.attribute, told.dataset, told.observed, told.at)
            ]
            self.told.append(told)
        if self.alive:
            for place, begin in since.items():
                newest = max((t for t in flat if (t.attribute, t.dataset) == place), key=lambda t: t.at)
                if begin is None or newest.at >= begin:
                    self.current[place] = newest

    def _since(self, place: tuple[str, str | None]) -> datetime | None:
        if place in self.current:
            return self.current[place].at
        ends = [t for t in self._of(place) if not t.observed]
        return ends[-1].at if ends and ends[-1].is_end else None

    def _of(self, place: tuple[str, str | None]) -> list[Told]:
        return [t for t in self.told if (t.attribute, t.dataset) == place]

    def modify(self, told: Told, instance: Instance) -> None:
        if told.dataset is not None:
            instance = {**instance, "datasetId": told.dataset}
        if told.observed:
            instance = {"observedAt": told.instance["observedAt"], **instance}
        at = told.at
        told.__init__(told.attribute, instance, at)  # type: ignore[misc]
        self._settle(told)

    def delete_instance(self, told: Told) -> None:
        self.told.remove(told)
        self._settle(told)

    def _settle(self, corrected: Told) -> None:
        place = (corrected.attribute, corrected.dataset)
        left = sorted(self._of(place), key=lambda t: t.at)
        if self.alive:
            self.current.pop(place, None)
            if left and not left[-1].is_end:
                self.current[place] = left[-1]

    def delete_evolution_attribute(self, name: str, dataset: str | None, *, everything: bool) -> bool:
        gone = [t for t in self.told if t.attribute == name and (everything or t.dataset == dataset)]
        self.told = [t for t in self.told if t not in gone]
        for told in gone:
            self.current.pop((name, told.dataset), None)
        return bool(gone)

    def delete_evolution(self) -> bool:
        known = self.known
        now = self.now
        self.__init__()  # type: ignore[misc]
        self.now = now
        return known

    # To be compared -------------------------------------------------------------------------------------------

    def state(self) -> dict[str, list[Instance]] | None:
        """The attributes, or None if there is no such entity now."""
        if not self.alive:
            return None
        shown: dict[str, list[Instance]] = {}
        for (name, _), told in self.current.items():
            shown.setdefault(name, []).append(told.instance)
        return shown

    def history(self) -> list[tuple[str, str, bool, Any, Sequence[Instance]]]:
        """(attribute, dataset, observed, time or None, instances in order), of each place that has any."""
        found: dict[tuple[str, str, bool, Any], list[Instance]] = {}
        for told in sorted(self.told, key=lambda t: t.at):
            key = (told.attribute, told.dataset or "", told.observed, told.at if told.observed else None)
            found.setdefault(key, []).append(told.instance)
        return [(*key, instances) for key, instances in found.items()]
