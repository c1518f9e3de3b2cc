"""What other areas add to the page of a lamp: alarms, work orders, what hangs on its post, what it used.

An area offers `SECTIONS` in its manifest; `app` joins them. A section may say nothing for a lamp (None).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request

from rhinecloud.app import Text
from rhinecloud.city import City

from .lamps import Lamp


class Section(msgspec.Struct, frozen=True):
    """A part of the page: `await values(city, request, lamp)` is what its `template` knows as `values`, with
    `lamp` beside it. Shown anew every few seconds, to whoever has `permission`; `order` among the others. One that
    raises is shown as not available, and logged."""

    key: str
    title: Text
    template: str
    values: Callable[[City, Request, Lamp], Awaitable[Mapping[str, Any] | None]]
    permission: str = "lighting.see"
    order: int = 50


_declared: dict[str, Section] = {}


def declare(sections: Iterable[Section]) -> None:
    """Sections of areas, once, when the app is put together. Raises ValueError for a key that is there twice."""
    for one in sections:
        if _declared.get(one.key, one) is not one:
            raise ValueError(f"the section {one.key} is there twice")
        _declared[one.key] = one


def declared() -> list[Section]:
    """All sections, in their order."""
    return sorted(_declared.values(), key=lambda one: (one.order, one.key))
