"""Routes that are found by the first segment of the path, instead of one after the other: there are hundreds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

_FOUND: Final = "rhinecloud.route"  # in the scope: the route that matched; Starlette names this one there


class BySegment(BaseRoute):
    """One route for many, each with a `path` whose first segment is a plain word; the first that matches is taken.
    Raises ValueError for a path that begins otherwise."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._by: dict[str, list[BaseRoute]] = defaultdict(list)
        for route in routes:
            path: str = getattr(route, "path", "")
            first = _first(path)
            if not path.startswith("/") or "{" in first:
                raise ValueError(f"the first segment of {path!r} is no plain word")
            self._by[first].append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As of any route; one of another method is taken where there is no other."""
        partial: tuple[Match, Scope] = (Match.NONE, {})
        for route in self._by.get(_first(scope["path"]), ()):
            match, child = route.matches(scope)
            if match is Match.NONE:
                continue
            found = match, {**child, _FOUND: route}
            if match is Match.FULL:
                return found
            if partial[0] is Match.NONE:
                partial = found
        return partial

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on to the route that matched."""
        scope["route"] = route = scope.pop(_FOUND)
        await route.handle(scope, receive, send)


def _first(path: str) -> str:
    return path[1:].partition("/")[0]
