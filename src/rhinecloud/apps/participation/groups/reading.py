"""Finding groups: by name, by number, all."""

from __future__ import annotations

from typing import Final

from rhinecloud.city import City

from .model import Group

_SELECT: Final = (
    "SELECT number, name, title, lead, about, state, key, poll, option, ended_at FROM theme_group"
)


async def by_name(city: City, name: str) -> Group | None:
    """The group that an address names."""
    if len(name) > 60 or not name.isascii() or "\0" in name:
        return None
    row = await city.db.pool.fetchrow(f"{_SELECT} WHERE name = $1", name)
    return Group(**row) if row is not None else None


async def by_number(city: City, number: int) -> Group | None:
    """A group."""
    row = await city.db.pool.fetchrow(f"{_SELECT} WHERE number = $1", number)
    return Group(**row) if row is not None else None


async def everything(city: City) -> list[Group]:
    """All groups by title, those that are over last."""
    rows = await city.db.pool.fetch(f"{_SELECT} ORDER BY state = 'over', lower(title), number")
    return [Group(**row) for row in rows]
