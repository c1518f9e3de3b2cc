"""Feeders and cabinets that have no power by day."""

from __future__ import annotations

from typing import Final

from rhinecloud.city import City

_TYPES: Final = ("StreetlightFeeder", "StreetlightControlCabinet")


async def off_by_day(city: City) -> frozenset[str]:
    """The ids of those that say so: `permanentSupply` is false."""
    found: set[str] = set()
    for type in _TYPES:
        async for some in city.values(type, "permanentSupply"):
            found.update(one for one, values in some if values[0] is False)
    return frozenset(found)
