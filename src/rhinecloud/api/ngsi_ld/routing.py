"""Which operation a path and a method name, and the parameters that it takes (CIM 009 §6.2, §6.3.20).

A row of the table is `_reading(operation, parameters("type q", options="count"))` under a path and a method. Whatever
the row does not name is refused before the body or any entity is looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from rhinecloud.model import BadRequestData, InvalidRequest
from rhinecloud.model.values import check_uri
from rhinecloud.people import Permission

from .exchange import Answer, HttpError

Operation = Callable[..., Awaitable[Answer]]

# Groups of parameters that come together, to be named in rows.
SELECTION = "id idPattern type q scopeQ csf georel geometry coordinates geoproperty expandValues jsonKeys splitEntities"
PROJECTION = "attrs pick omit lang datasetId"
LINKED = "join joinLevel containedBy"
ORDER = "orderBy orderFrom orderGeometry collation"
PAGE = "limit offset count"
TIME = "timerel timeAt endTimeAt timeproperty lastN aggrMethods aggrPeriodDuration"

FORMATS = "normalized concise simplified keyValues"
SIMPLIFIED = "simplified keyValues"
TEMPORAL_FORMATS = "normalized concise simplified temporalValues aggregatedValues"

_HERE = ""  # where the methods of a path are in the tree
_SPECIAL = frozenset({_HERE, "{uri}", "{name}"})
_BOOLEANS = frozenset({"count", "deleteAll", "details", "local", "reload", "splitEntities"})


class Parameters(msgspec.Struct, frozen=True):
    """The names that an operation takes in its query string, and the words that `options` and `format` may have."""

    names: frozenset[str]
    options: frozenset[str]
    formats: frozenset[str]

    def check(self, given: Mapping[str, str]) -> None:
        """Raises InvalidRequest for what the operation does not take (§6.3.20), BadRequestData for a flag that is
        neither true nor false."""
        for name, value in given.items():
            if name not in self.names:
                raise InvalidRequest(f"{name!r:.80} is no parameter of this operation", field=f"{name:.80}")
            if name == "options":
                for word in value.split(","):
                    if word.strip() not in self.options:
                        _refuse("options", word, self.options)
            elif name == "format":
                if value not in self.formats:
                    _refuse("format", value, self.formats)
            elif name in _BOOLEANS and value.lower() not in ("true", "false"):
                raise BadRequestData(f"{name} is true or false, not {value!r:.40}", field=name)


def _refuse(name: str, word: str, known: frozenset[str]) -> None:
    if word.strip():  # what is empty says nothing
        raise InvalidRequest(f"{name} is one of {', '.join(sorted(known))}, not {word!r:.40}", field=name)


def parameters(*names: str, options: str = "", formats: str = "") -> Parameters:
    """Names, options and formats, separated by blanks. A format can be said as an option too (§6.3.7, §6.3.12)."""
    known = frozenset(" ".join(names).split())
    words = frozenset(f"{options} {formats}".split())
    if words:
        known |= {"options"}
    if formats:
        known |= {"format"}
    return Parameters(known, words, frozenset(formats.split()))


NONE = parameters()
LOCAL = parameters("local")
TYPED = parameters("type local")


class Route(msgspec.Struct, frozen=True):
    """One operation of the API. What is read is what one's sight has, so that anybody may ask."""

    operation: Operation
    parameters: Parameters
    permission: Permission


class Routes:
    """The operations by path and method. In a path stands {uri} for an identifier that must be one, {name} for
    anything else."""

    def __init__(self, table: Mapping[str, Mapping[str, Route]]) -> None:
        self.table = table
        self._tree: dict[str, Any] = {}
        for path, methods in table.items():
            node = self._tree
            for part in path.split("/"):
                node = node.setdefault(part, {})
            node[_HERE] = dict(methods)

    def find(self, segments: list[str], method: str) -> tuple[Route, list[str]]:
        """The route and the identifiers in the path. Raises HttpError 404, 405, BadRequestData for what is no URI."""
        node, identifiers, uris = self._tree, [], []
        for part in segments:
            child = node.get(part) if part not in _SPECIAL else None
            if child is None:
                identifiers.append(part)
                child = node.get("{uri}")
                if child is not None:
                    uris.append(part)
                else:
                    child = node.get("{name}")
            if child is None:
                raise _not_found()
            node = child
        methods = node.get(_HERE)
        if methods is None:
            raise _not_found()
        route = methods.get(method)
        if route is None:
            allow = ", ".join(methods).encode()
            raise HttpError(405, "Method not allowed", f"{method} is not possible here", ((b"allow", allow),))
        for uri in uris:
            check_uri(uri, ("id",))
        return route, identifiers


def _not_found() -> HttpError:
    return HttpError(404, "Not found", "the NGSI-LD API has no such resource here")
