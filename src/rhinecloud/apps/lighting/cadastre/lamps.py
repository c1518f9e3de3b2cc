"""Lamps of the graph (`Streetlight` of the Smart Data Models) as facts for planning, faults and accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from rhinecloud.city import EVERYTHING, City, Query
from rhinecloud.model import CORE

_PORTION: Final = 500
_DEVICE: Final = "urn:ngsi-ld:Device:"
# `pedestrianCrossing` and `sign394` are the city's own: the model knows neither (docs/reference/lighting-planning.md).
_ATTRIBUTES: Final = (
    "location",
    "name",
    "address",
    "areaServed",
    "refStreetlightGroup",
    "refStreetlightControlCabinet",
    "feederID",
    "refStreetlightModel",
    "powerRating",
    "lightingClass",
    "locationCategory",
    "pedestrianCrossing",
    "sign394",
    "dateServiceStarted",
    "refDevice",
)


class Lamp(msgspec.Struct, frozen=True, kw_only=True):
    """A lamp as the other areas see it. Degrees (WGS 84), watts. `street` is that of its address, else the name of its
    first group; `category` where it stands, `crossing` at a pedestrian crossing; `device` the id of the device that
    it is controlled by, where that speaks MQTT itself."""

    id: str
    lon: float
    lat: float
    name: str = ""
    street: str = ""
    district: str = ""
    groups: tuple[str, ...] = ()
    cabinet: str | None = None
    feeder: str | None = None
    model: str | None = None
    rated_power: float | None = None
    installed_class: str | None = None
    category: str = "road"
    sign_394: bool = False
    commissioned: date | None = None
    device: str | None = None
    gateway: str | None = None


async def lamps(city: City, ids: Collection[str] | None = None) -> list[Lamp]:
    """All lamps, or those of these ids that there are, in the order of their ids. What has no place is no lamp here."""
    streets = {
        group: str(values[0])
        async for some in city.values("StreetlightGroup", "name")
        for group, values in some
    }
    rows: list[tuple[str, Sequence[Any]]] = []
    if ids is None:
        async for some in city.values("Streetlight", *_ATTRIBUTES):
            rows += some
    else:
        rows = await _some(city, sorted(set(ids)))
    return [found for one, values in rows if (found := _lamp(one, values, streets)) is not None]


async def _some(city: City, ids: Sequence[str]) -> list[tuple[str, Sequence[Any]]]:
    rows: list[tuple[str, Sequence[Any]]] = []
    names = [CORE.expand_term(name) for name in _ATTRIBUTES]
    for start in range(0, len(ids), _PORTION):
        some = tuple(ids[start : start + _PORTION])
        page = await city.broker.query(Query(ids=some, limit=_PORTION), sight=EVERYTHING)
        for entity in page.entities:
            rows.append((entity.id, [_default(entity.attributes.get(name, ())) for name in names]))
    return sorted(rows, key=lambda row: row[0])


def _default(instances: Sequence[Mapping[str, Any]]) -> Any:
    """The value of the instance without a datasetId."""
    for one in instances:
        if "datasetId" not in one:
            return next(
                (one[key] for key in ("value", "object", "vocab", "json", "languageMap") if key in one), None
            )
    return None


def _lamp(one: str, values: Sequence[Any], streets: Mapping[str, str]) -> Lamp | None:
    known = dict(zip(_ATTRIBUTES, values, strict=True))
    place = known["location"]
    if not isinstance(place, Mapping) or place.get("type") != "Point":
        return None
    groups = _ids(known["refStreetlightGroup"])
    address = known["address"]
    street = str(address.get("streetAddress", "")) if isinstance(address, Mapping) else ""
    device = next((each for each in _ids(known["refDevice"]) if each.startswith(_DEVICE)), None)
    return Lamp(
        id=one,
        lon=float(place["coordinates"][0]),
        lat=float(place["coordinates"][1]),
        name=_text(known["name"]),
        street=street or next((streets[group] for group in groups if group in streets), ""),
        district=_text(known["areaServed"]),
        groups=groups,
        cabinet=next(iter(_ids(known["refStreetlightControlCabinet"])), None),
        feeder=next(iter(_ids(known["feederID"])), None),
        model=next(iter(_ids(known["refStreetlightModel"])), None),
        rated_power=_number(known["powerRating"]),
        installed_class=_text(known["lightingClass"]) or None,
        category="crossing"
        if known["pedestrianCrossing"] is True
        else _text(known["locationCategory"]) or "road",
        sign_394=known["sign394"] is True,
        commissioned=_day(known["dateServiceStarted"]),
        device=None if device is None else device.removeprefix(_DEVICE),
    )


def _ids(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("de", next(iter(value.values()), ""))
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
