"""The objects with a position, as arrays in memory: what the city map shows and how it changes.

A point keeps its index for the life of the process (`epoch`). Each change raises the version and stamps the points
that it touched, so that from any version to now is one look at the stamps.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from rhinecloud.broker import Broker, Change, seen_change
from rhinecloud.model import LOCATION
from rhinecloud.model.sight import Sight

from . import layers
from .names import NAME, plain_value

_GROW = 4_096
_MAPS = 8  # that are kept when nobody looks at them: a large city's has some ten megabytes
Indices = npt.NDArray[np.int64]


class Header(msgspec.Struct, rename="camel"):
    """Head of the snapshot: positions are float32 differences in degrees to `origin` (lon, lat)."""

    epoch: str
    version: int
    count: int
    origin: tuple[float, float]


class Points:
    """The points of the map, and what has become of them since any version."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything; viewers begin anew."""
        self.epoch = secrets.token_hex(4)
        self.version = 0
        self.count = 0
        self.ids: list[str] = []
        self.names: list[str] = []
        self._index: dict[str, int] = {}
        self._flashing: dict[int, float] = {}
        self.lon = np.zeros(_GROW)
        self.lat = np.zeros(_GROW)
        self.code = np.full(_GROW, layers.GONE, np.uint8)
        self._stamp = np.zeros(_GROW, np.int64)  # version at which state last changed (or was told again)
        self._moved = np.zeros(_GROW, np.int64)
        self._born = np.zeros(_GROW, np.int64)
        self._dirty = False

    # Changes --------------------------------------------------------------------------------------------------

    def put(self, entity_id: str, lon: float, lat: float, code: int, name: str = "") -> int:
        """A point as it is now; its index."""
        index = self._index.get(entity_id)
        if index is None:
            index = self._append(entity_id)
            self._born[index] = self._moved[index] = self._next()
            self.lon[index], self.lat[index] = lon, lat
        elif self.lon[index] != lon or self.lat[index] != lat:
            self.lon[index], self.lat[index] = lon, lat
            self._moved[index] = self._next()
        self.names[index] = name
        self._set(index, code)
        return index

    def remove(self, entity_id: str) -> None:
        """The object is gone, or has no position any more. Its index stays empty unless it comes back."""
        index = self._index.get(entity_id)
        if index is not None:
            self._flashing.pop(index, None)
            self._set(index, layers.GONE)

    def flash(self, index: int, code: int, until: float) -> None:
        """Show a state until a monotonic time; told again although it may be shown already."""
        self.code[index] = code
        self._stamp[index] = self._next()
        self._flashing[index] = until

    def fade(self, now: float) -> float | None:
        """End what has flashed long enough; the time when the next one ends."""
        for index in [index for index, until in self._flashing.items() if until <= now]:
            del self._flashing[index]
            number = int(self.code[index]) // layers.STATES_A_LAYER
            self._set(index, layers.state_code(number, {}))
        return min(self._flashing.values(), default=None)

    def commit(self) -> bool:
        """Close the version that was being changed; whether there was a change."""
        changed, self._dirty = self._dirty, False
        if changed:
            self.version += 1
        return changed

    def _next(self) -> int:
        self._dirty = True
        return self.version + 1

    def _set(self, index: int, code: int) -> None:
        if self.code[index] != code and not (index in self._flashing and code != layers.GONE):
            self.code[index] = code
            self._stamp[index] = self._next()

    def _append(self, entity_id: str) -> int:
        index = self.count
        if index == len(self.code):
            more = len(self.code)
            self.lon, self.lat = (np.concatenate([a, np.zeros(more)]) for a in (self.lon, self.lat))
            self.code = np.concatenate([self.code, np.full(more, layers.GONE, np.uint8)])
            self._stamp, self._moved, self._born = (
                np.concatenate([a, np.zeros(more, np.int64)]) for a in (self._stamp, self._moved, self._born)
            )
        self.count += 1
        self.ids.append(entity_id)
        self.names.append("")
        self._index[entity_id] = index
        return index

    # What viewers are told --------------------------------------------------------------------------------------

    def mark(self) -> str:
        """Where the arrays stand: epoch and version."""
        return f"{self.epoch}.{self.version}"

    def snapshot(self) -> bytes:
        """Everything: length of the head (uint32), head (JSON, filled up to 4 bytes), float32 lon, lat, uint8 codes."""
        n = self.count
        origin = (
            (float(np.round(self.lon[:n].mean(), 2)), float(np.round(self.lat[:n].mean(), 2)))
            if n
            else (0.0, 0.0)
        )
        head = msgspec.json.encode(Header(self.epoch, self.version, n, origin))
        head += b" " * (-len(head) % 4)
        positions = np.empty((n, 2), np.float32)
        positions[:, 0] = self.lon[:n] - origin[0]
        positions[:, 1] = self.lat[:n] - origin[1]
        return np.uint32(len(head)).tobytes() + head + positions.tobytes() + self.code[:n].tobytes()

    def since(self, mark: str | None) -> dict[str, Any] | None:
        """What has become since a mark of this epoch; None if the mark is of another (or none: take a snapshot).

        `points`: [lon, lat, …] of those from index `from` on; `states`: [index, code, …], or `all`, the codes of
        all in base 64 if that is shorter; `moves`: [index, lon, lat, …].
        """
        epoch, _, number = (mark or "").partition(".")
        if epoch != self.epoch or not number.isdigit():
            return None
        version, n = int(number), self.count
        first = int(np.searchsorted(self._born[:n], version, "right"))
        told: dict[str, Any] = {"version": self.version, "count": n}
        if first < n:
            told["from"] = first
            told["points"] = np.column_stack([self.lon[first:n], self.lat[first:n]]).round(7).ravel().tolist()
        moved = np.flatnonzero(self._moved[:first] > version)
        if len(moved):
            told["moves"] = [
                x for i in moved.tolist() for x in (i, round(self.lon[i], 7), round(self.lat[i], 7))
            ]
        changed = np.flatnonzero(self._stamp[:n] > version)
        if len(changed) * 6 > n:
            told["all"] = self.code[:n].tobytes()  # base 64 in JSON
        elif len(changed):
            told["states"] = np.column_stack([changed, self.code[changed]]).ravel().tolist()
        return told

    # Questions ------------------------------------------------------------------------------------------------

    def at(self, lon: float, lat: float) -> list[int]:
        """Indices of what stands at a position (degrees), to about a decimetre."""
        n = self.count
        near = (np.abs(self.lon[:n] - lon) < 2e-6) & (np.abs(self.lat[:n] - lat) < 2e-6)
        return np.flatnonzero(near & (self.code[:n] != layers.GONE)).tolist()

    def index_of(self, entity_id: str) -> int | None:
        """The index of an entity that is on the map."""
        index = self._index.get(entity_id)
        return None if index is None or self.code[index] == layers.GONE else index

    def select(
        self,
        bounds: tuple[float, float, float, float] | None = None,
        number: int | None = None,
        codes: Sequence[int] = (),
    ) -> Indices:
        """Indices within bounds (west, south, east, north), of a layer and of these states, in the order of coming."""
        n = self.count
        chosen = self.code[:n] != layers.GONE
        if bounds is not None:
            west, south, east, north = bounds
            lon, lat = self.lon[:n], self.lat[:n]
            chosen &= (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
        if number is not None:
            chosen &= self.code[:n] // layers.STATES_A_LAYER == number
        if codes:
            chosen &= np.isin(self.code[:n], np.asarray(codes, np.uint8))
        return np.flatnonzero(chosen)

    def by_code(self) -> dict[int, int]:
        """How many points have each code."""
        found = np.bincount(self.code[: self.count], minlength=256)
        return {code: int(count) for code, count in enumerate(found) if count and code != layers.GONE}

    def search(self, text: str, limit: int) -> list[int]:
        """Indices whose name or id holds a text; those whose name or local id begins with it come first."""
        wanted = text.casefold()
        found: list[tuple[int, int]] = []
        for index, entity_id in enumerate(self.ids):
            name = self.names[index].casefold()
            if wanted in name or wanted in entity_id.casefold():
                local = entity_id.rpartition(":")[2].casefold()
                found.append((0 if name.startswith(wanted) or local.startswith(wanted) else 1, index))
                if len(found) >= 1_000:
                    break
        return [index for _, index in sorted(found) if self.code[index] != layers.GONE][:limit]


def centre(geometry: Any) -> tuple[float, float] | None:
    """The centre (lon, lat) of a GeoJSON geometry's bounds; None if it has no coordinates."""
    lons: list[float] = []
    lats: list[float] = []

    def walk(part: Any) -> None:
        if isinstance(part, list) and len(part) >= 2 and isinstance(part[0], (int, float)):
            lons.append(float(part[0]))
            lats.append(float(part[1]))
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    if isinstance(geometry, dict):
        walk(geometry.get("coordinates"))
        for inner in geometry.get("geometries") or ():
            if (at := centre(inner)) is not None:
                walk(list(at))
    return ((min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2) if lons else None


class MapSource:
    """The points that one sight has, loaded with its first look at the map and following the changes from then on."""

    def __init__(self, broker: Broker, sight: Sight) -> None:
        self._broker = broker
        self._sight = sight
        self._loading: asyncio.Task[None] | None = None
        self._waiting: list[Change] = []
        self._loaded = False
        self.points = Points()
        self._told = ""
        self.packed: tuple[str, bytes, bytes] | None = (
            None  # of a version: the snapshot, plain and compressed
        )
        self.packing = asyncio.Lock()
        self.notify: Callable[[], None] = lambda: None

    async def ready(self) -> None:
        """Wait until the points are loaded; raises what the broker raises."""
        if self._loading is None or (self._loading.done() and not self._loaded):
            self._loading = asyncio.create_task(self._load())
        await asyncio.shield(self._loading)

    async def _load(self) -> None:
        self._waiting = []
        attributes = (NAME, *layers.attributes())
        found = await self._broker.points((), attributes, sight=self._sight)
        points = Points()
        for number, (entity_id, entity_types, lon, lat, values) in enumerate(found):
            shown = layers.number_of(tuple(entity_types))
            known = dict(zip(attributes, (plain_value(v) for v in values), strict=True))
            points.put(entity_id, lon, lat, layers.state_code(shown, known), str(known[NAME] or ""))
            if number % 2_000 == 1_999:
                await asyncio.sleep(0)  # others go on while many points are read
        points.commit()
        self.points = points
        self._loaded = True
        waiting, self._waiting = self._waiting, []
        self.take(waiting)

    def take(self, changes: Sequence[Change]) -> None:
        """A sink of the follower."""
        if not self._loaded:
            if self._loading is not None:
                self._waiting.extend(changes)
            return
        now = time.monotonic()
        for change in changes:
            seen = seen_change(change, self._sight)
            if seen is not None:
                self._take(seen, now)
        self.notify()

    def _take(self, change: Change, now: float) -> None:
        entity = change.entity
        if entity is None:
            return self.points.remove(change.entity_id)
        location = entity.attributes.get(LOCATION)
        at = centre(location[0].get("value")) if location else None
        if at is None:
            return self.points.remove(change.entity_id)
        number = layers.number_of(entity.types)
        values = {
            iri: plain_value(entity.attributes[iri][0])
            for iri in (NAME, *layers.layer(number).attributes())
            if entity.attributes.get(iri)
        }
        index = self.points.put(
            change.entity_id, at[0], at[1], layers.state_code(number, values), str(values.get(NAME) or "")
        )
        shown = layers.flash_code(number)
        if shown is not None and change.operation != "delete":
            self.points.flash(index, shown, now + layers.layer(number).flash)
        return None

    # Source -----------------------------------------------------------------------------------------------------

    async def advance(self) -> bool:
        """Close a version; ask to be called again when a flash ends."""
        upcoming = self.points.fade(time.monotonic())
        if upcoming is not None:
            wait = max(0.05, upcoming - time.monotonic())
            asyncio.get_running_loop().call_later(wait, self.notify)
        self.points.commit()
        told, self._told = self._told, self.mark()
        return told != self._told

    def mark(self) -> str:
        """Epoch and version of the points."""
        return self.points.mark()

    def message(self, since: str | None) -> bytes:
        """The difference as one event, or `snapshot` with everything for a viewer of another process's epoch."""
        told = self.points.since(since)
        if told is None:
            whole = msgspec.json.encode(self.points.snapshot())  # a string in base 64
            return b"event: snapshot\ndata: " + whole + b"\n\n"
        return b"event: changes\ndata: " + msgspec.json.encode(told) + b"\n\n"


class Maps:
    """The points of each sight that looks at the map. The last few are kept; others for as long as somebody looks."""

    def __init__(self, broker: Broker, notify: Callable[[], None]) -> None:
        self._broker = broker
        self._notify = notify
        self._kept: OrderedDict[str, MapSource] = OrderedDict()
        self._living: weakref.WeakValueDictionary[str, MapSource] = weakref.WeakValueDictionary()

    def of(self, sight: Sight) -> MapSource:
        """The points of a sight."""
        source = self._living.get(sight.key)
        if source is None:
            source = self._living[sight.key] = MapSource(self._broker, sight)
            source.notify = self._notify
        self._kept[sight.key] = source
        self._kept.move_to_end(sight.key)
        if len(self._kept) > _MAPS:
            self._kept.popitem(last=False)
        return source

    def take(self, changes: Sequence[Change]) -> None:
        """A sink of the follower."""
        for source in list(self._living.values()):
            source.take(changes)
