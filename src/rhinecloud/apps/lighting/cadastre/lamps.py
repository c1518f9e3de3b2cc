"""What is known of lamps: from the entities of the graph to `Lamp`.

Attributes are those of the Smart Data Models (Streetlight). Three facts have no place there and are extensions, which
its schema allows: `sign394` (boolean: the post carries sign 394, the ring), `lightingClass` (text: the class of
EN 13201-2 that the road was designed for) and `pedestrianCrossing` (boolean: it lights a crossing).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import msgspec

from rhinecloud.city import EVERYTHING, City, Query, Sight
from rhinecloud.model import CORE

from ..lorawan import members
from ..talq import devices

TYPE: Final = "Streetlight"
CROSSING: Final = "crossing"  # the category of a lamp that lights a pedestrian crossing (§ 26 StVO)
_DEVICE: Final = "urn:ngsi-ld:Device:"
_PORTION: Final = 1_000  # lamps by id at once
_ATTRIBUTES: Final = (
    "location",
    "name",
    "address",
    "streetPoleNum",
    "areaServed",
    "municipalityInfo",
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
IRIS: Final = tuple(CORE.expand_term(name) for name in _ATTRIBUTES)


class Lamp(msgspec.Struct, frozen=True, kw_only=True):
    """A lamp. `id`, `groups`, `cabinet` and `model` are ids of entities; `lon` and `lat` degrees (WGS 84);
    `rated_power` W, None where it is not known; `installed_class` of EN 13201-2 ("M3"); `category` where it stands
    (crossing, pedestrianPath, …; road where it is not known, for which the rules ask most); `street` that of its
    address, else its name without the number of the post, else the name of its first group; `device` the id of the
    device that speaks for it over MQTT or LoRaWAN, `gateway` the number of the TALQ gateway that it is behind,
    `multicast` that of the LoRaWAN multicast group which sends it its schedule."""

    id: str
    lon: float
    lat: float
    name: str = ""
    street: str = ""
    pole: str = ""
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
    gateway: int | None = None
    multicast: int | None = None


class Behind(NamedTuple):
    """Who tells lamps what to do: TALQ gateways (lamp → gateway, device there), multicast groups of LoRaWAN."""

    gateways: Mapping[str, tuple[int, Any]]
    multicasts: Mapping[str, int]


async def lamps(city: City, ids: Iterable[str] | None = None, *, sight: Sight = EVERYTHING) -> list[Lamp]:
    """All lamps, or those of these ids that there are, in the order of their ids. A Streetlight without a position is
    left out: nothing can be said of its sun, its street or its neighbours."""
    if ids is None:
        return [lamp async for some in streamed(city, sight=sight) for lamp in some]
    wanted = sorted(set(ids))
    behind = Behind(await devices.by_lamp(city.db.pool, wanted), await members.by_lamp(city.db.pool, wanted))
    streets = await _group_names(city)
    found = []
    for start in range(0, len(wanted), _PORTION):
        some = tuple(wanted[start : start + _PORTION])
        page = await city.broker.query(Query(ids=some, limit=_PORTION), sight=sight)
        for entity in page.entities:
            if CORE.expand_type(TYPE) in entity.types:
                values = [plain(entity.attributes.get(iri)) for iri in IRIS]
                found.append(_lamp(entity.id, values, behind, streets))
    return sorted((lamp for lamp in found if lamp is not None), key=lambda lamp: lamp.id)


async def streamed(city: City, *, sight: Sight = EVERYTHING) -> AsyncIterator[list[Lamp]]:
    """All lamps in lists of some thousands, in the order of their ids: memory stays flat."""
    behind = Behind(await devices.of_lamps(city.db.pool), await members.of_lamps(city.db.pool))
    streets = await _group_names(city)
    async for some in city.values(TYPE, *_ATTRIBUTES, sight=sight):
        found = (_lamp(lamp, values, behind, streets) for lamp, values in some)
        yield [lamp for lamp in found if lamp is not None]


async def _group_names(city: City) -> dict[str, str]:
    return {
        group: _text(values[0])
        async for some in city.values("StreetlightGroup", "name")
        for group, values in some
    }


def plain(instances: Any) -> Any:
    """The value of the default instance, as `City.values` gives it."""
    for one in instances or ():
        if "datasetId" not in one:
            members = ("value", "object", "vocab", "json", "languageMap")
            return next((one[member] for member in members if member in one), None)
    return None


def _lamp(lamp: str, values: list[Any], behind: Behind, streets: Mapping[str, str]) -> Lamp | None:
    of = dict(zip(_ATTRIBUTES, values, strict=True))
    place = _position(of["location"])
    if place is None:
        return None
    name, pole = _text(of["name"]), _text(of["streetPoleNum"])
    address = of["address"] if isinstance(of["address"], dict) else {}
    municipality = of["municipalityInfo"] if isinstance(of["municipalityInfo"], dict) else {}
    groups = _ids(of["refStreetlightGroup"])
    named = next((streets[group] for group in groups if group in streets), "")
    device = next((one for one in _ids(of["refDevice"]) if one.startswith(_DEVICE)), None)
    gateway = behind.gateways.get(lamp)
    return Lamp(
        id=lamp,
        lon=place[0],
        lat=place[1],
        name=name or lamp.rpartition(":")[2],
        street=_text(address.get("streetAddress")) or _street(name, pole) or named,
        pole=pole,
        district=_text(address.get("district"))
        or _text(municipality.get("district"))
        or _text(of["areaServed"]),
        groups=groups,
        cabinet=_id(of["refStreetlightControlCabinet"]),
        feeder=_text(of["feederID"]) or None,
        model=_id(of["refStreetlightModel"]),
        rated_power=_watts(of["powerRating"]),
        installed_class=_text(of["lightingClass"]) or None,
        category=CROSSING if of["pedestrianCrossing"] is True else _text(of["locationCategory"]) or "road",
        sign_394=of["sign394"] is True,
        commissioned=_date(of["dateServiceStarted"]),
        device=None if device is None else device.removeprefix(_DEVICE),
        gateway=None if gateway is None else gateway[0],
        multicast=behind.multicasts.get(lamp),
    )


def _position(geometry: Any) -> tuple[float, float] | None:
    try:
        lon, lat = geometry["coordinates"][:2]
        return (float(lon), float(lat)) if geometry["type"] == "Point" else None
    except (TypeError, KeyError, ValueError):
        return None


def _text(value: Any) -> str:
    """A text; of a text in languages the German one, else the first."""
    if isinstance(value, dict):
        value = value.get("de") or next(iter(value.values()), "")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


def _street(name: str, pole: str) -> str:
    """Lamps are named by their street and the number of the post where they have no address."""
    return re.sub(rf"[\s,]*\b{re.escape(pole)}$", "", name) if pole else ""


def _ids(value: Any) -> tuple[str, ...]:
    return tuple(one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _id(value: Any) -> str | None:
    return next(iter(_ids(value)), None)


def _watts(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return float(value) if known else None


def _date(value: Any) -> date | None:
    text = value.get("@value") if isinstance(value, dict) else value
    try:
        return datetime.fromisoformat(text).date() if isinstance(text, str) else None
    except ValueError:
        return None
