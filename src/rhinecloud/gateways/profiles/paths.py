"""Places in a payload: JSONPath (RFC 9535). Singular paths, which is nearly all of them, become plain look-ups."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from jsonpath.path import JSONPath
from jsonpath.segments import JSONPathChildSegment, JSONPathSegment
from jsonpath.selectors import IndexSelector, NameSelector, WildcardSelector

from .bounded import compile_query, nodes_of

MISSING: Final = object()
"""What a path answers where there is nothing."""
MAX_LENGTH = 500  # characters of a path
MAX_NODES = 5_000  # of one path in one payload


class Path:
    """A compiled path. `root`: it begins with `$` (the payload); else with `@` (the node that `each` found)."""

    __slots__ = ("_parent", "_query", "_wild", "first", "root", "singular", "text")

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is no path."""
        if len(text) > MAX_LENGTH:
            raise ValueError(f"a path has at most {MAX_LENGTH} characters")
        if not text.startswith(("$", "@")):
            raise ValueError(f"{text!r} is no path: a path begins with $ (the payload) or @ (the node)")
        self.text = text
        self.root = text[0] == "$"
        try:
            query = compile_query("$" + text[1:])
        except ValueError as error:
            raise ValueError(f"{text!r} {error}") from None
        self._query = query
        steps = _steps(list(query.segments))
        self._parent = None if steps is not None else _parent(query)
        self.singular = steps is not None
        self._wild = 0
        for segment in query.segments:
            if len(segment.selectors) == 1 and isinstance(segment.selectors[0], NameSelector | IndexSelector):
                self._wild += 1
            else:
                break
        self.first: Callable[[Any], Any] = self._first_of_many if steps is None else _getter(steps)
        """The first node, or MISSING."""

    def _first_of_many(self, document: Any) -> Any:
        for found in nodes_of(self._query, document):
            return found.obj
        return MISSING

    def all(self, document: Any) -> list[tuple[str, str, Any]]:
        """(key, last, value) of every node: what stands for the first step that is no fixed one, and the last step.

        Raises ValueError for more than MAX_NODES, and where there is too much to look at.
        """
        if self.singular:
            value = self.first(document)
            return [] if value is MISSING else [("", "", value)]
        nodes: list[tuple[str, str, Any]] = []
        if self._parent is not None:
            parent = self._parent(document)
            if type(parent) is dict:
                nodes = [(key, key, value) for key, value in parent.items()]
            elif type(parent) is list:
                nodes = [(str(index), str(index), value) for index, value in enumerate(parent)]
            if len(nodes) > MAX_NODES:
                raise ValueError(f"{self.text} finds more than {MAX_NODES} nodes")
            return nodes
        for found in nodes_of(self._query, document):
            parts = found.parts
            key = str(parts[self._wild]) if len(parts) > self._wild else ""
            nodes.append((key, str(parts[-1]) if parts else "", found.obj))
            if len(nodes) > MAX_NODES:
                raise ValueError(f"{self.text} finds more than {MAX_NODES} nodes")
        return nodes


@lru_cache(maxsize=4096)
def path(text: str) -> Path:
    """The compiled path. Raises ValueError."""
    return Path(text)


def _steps(segments: list[JSONPathSegment]) -> list[str | int] | None:
    """Names and indexes, where each segment has just one of them."""
    steps: list[str | int] = []
    for segment in segments:
        selector = segment.selectors[0] if len(segment.selectors) == 1 else None
        if not isinstance(segment, JSONPathChildSegment):
            return None
        if isinstance(selector, NameSelector):
            steps.append(selector.name)
        elif isinstance(selector, IndexSelector):
            steps.append(selector.index)
        else:
            return None
    return steps


def _parent(query: JSONPath) -> Callable[[Any], Any] | None:
    """For a path that is singular up to a wildcard at its end: the getter of what stands before."""
    *before, last = query.segments
    wild = isinstance(last, JSONPathChildSegment) and isinstance(last.selectors[0], WildcardSelector)
    steps = _steps(before) if wild and len(last.selectors) == 1 else None
    return None if steps is None else _getter(steps)


def _getter(steps: list[str | int]) -> Callable[[Any], Any]:
    if len(steps) == 1 and isinstance(steps[0], str):
        name = steps[0]
        return lambda document: document.get(name, MISSING) if type(document) is dict else MISSING

    def get(document: Any) -> Any:
        for step in steps:
            if type(document) is dict:
                document = document.get(step, MISSING) if type(step) is str else MISSING
            elif type(document) is list and type(step) is int and -len(document) <= step < len(document):
                document = document[step]
            else:
                return MISSING
            if document is MISSING:
                return MISSING
        return document

    return get
