"""The figures of a month as entities that anyone in the city may query: of each group, each district and the city."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from urllib.parse import quote

from rhinecloud.app import Attempt
from rhinecloud.city import City

from . import keeping
from .sums import Sums, last_of

TYPE: Final = "LightingEnergyReport"
KINDS: Final = ("city", "district", "group")


async def report(city: City, month: date, attempt: Attempt) -> None:
    """Write the entities of a month (its first day)."""
    for kind in KINDS:
        async with city.transaction() as transaction:
            # Days are counted at the same time: whoever writes last has seen what all have counted.
            await transaction.connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext($1))", f"lighting.{kind}"
            )
            sums = await keeping.sums(transaction.connection, kind, None, month, last_of(month), "area")
            found = [document(kind, area, month, one) for area, one in sums.items() if area or kind == "city"]
            await transaction.upsert(*found)


def urn(kind: str, area: str, month: date) -> str:
    """The id of a report."""
    of = "" if kind == "city" else f"{quote(area.removeprefix('urn:ngsi-ld:'), safe='')}:"
    return f"urn:ngsi-ld:{TYPE}:{kind}:{of}{month:%Y-%m}"


def document(kind: str, area: str, month: date, sums: Sums) -> dict[str, Any]:
    """The entity (docs/reference/lighting-accounts.md). What is not known is not there."""
    found = {
        "id": urn(kind, area, month),
        "type": TYPE,
        "reportKind": kind,
        "dateFrom": _day(month),
        "dateTo": _day(last_of(month)),
        "daysCounted": sums.days,
        "numberOfLamps": sums.lamps,
        "energy": _number(sums.energy / 1_000, "KWH") if sums.known else None,
        "energyMeasured": _number(sums.measured / 1_000, "KWH"),
        "energyEstimated": _number(sums.estimated / 1_000, "KWH"),
        "timeMeasured": _share(sums, "measured"),
        "timeEstimated": _share(sums, "estimated"),
        "timeUnknown": _share(sums, "unknown"),
        "burningHours": _number(sums.burning_seconds / 3_600, "HUR") if sums.known else None,
        "energyBaseline": _number(sums.baseline / 1_000, "KWH") if sums.baseline else None,
        "energySaved": None if sums.saved is None else _number(sums.saved / 1_000, "KWH"),
        "cost": _number(sums.cost, "EUR") if sums.known and not sums.unpriced else None,
        "co2": _number(sums.co2, "KGM") if sums.known and not sums.unrated else None,
        "areaServed": area if kind == "district" else None,
        "refStreetlightGroup": {"type": "Relationship", "object": area}
        if kind == "group" and ":" in area
        else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _number(value: float, unit: str) -> dict[str, Any]:
    return {"type": "Property", "value": round(value, 3), "unitCode": unit}


def _share(sums: Sums, of: str) -> dict[str, Any] | None:
    share = sums.share(of)
    return None if share is None else {"type": "Property", "value": round(share, 4), "unitCode": "C62"}


def _day(day: date) -> dict[str, Any]:
    return {"type": "Property", "value": {"@type": "Date", "@value": day.isoformat()}}
