"""What a consumer asks for: which entities, in which order, and how they are shown (CIM 009 §5.2.23, §6.4.3.2).

A Query in a body says the same as parameters do, and is read as them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rhinecloud.broker import Query
from rhinecloud.model import (
    CORE,
    ENTITY_MEMBERS,
    LOCATION,
    And,
    BadRequestData,
    Context,
    Entity,
    Format,
    NgsiLdError,
    Or,
    Q,
    parse_geo_query,
    parse_order_by,
    parse_q,
    parse_scope_q,
    parse_type_selection,
    render,
)
from rhinecloud.model.linked import Join, Known, parse_join
from rhinecloud.model.projection import ENTITY_PARTS, Projection, only_attributes, parse_projection
from rhinecloud.model.query_tree import link_depth
from rhinecloud.model.sight import Sight
from rhinecloud.model.subscription import Selector, parse_selectors
from rhinecloud.model.values import check_uri

from .exchange import GEO_JSON, Exchange

_FORMATS: dict[str, Format] = {
    "normalized": "normalized",
    "concise": "concise",
    "simplified": "simplified",
    "keyValues": "simplified",
}


class Showing:
    """How entities are shown: format, members, datasets, language, geometry, and what is joined to them."""

    projection: Projection
    attrs: tuple[str, ...]
    join: Join | None
    sight: Sight

    def __init__(self, exchange: Exchange, context: Context, media_type: str) -> None:
        """Raises BadRequestData for what does not go together (§5.7.1.4, §5.7.2.4)."""
        given = exchange.parameters
        self._context = context
        self.sight = exchange.sight
        self.attrs = _attributes(exchange, context)
        if self.attrs:
            for name in ("pick", "omit"):
                if given.get(name):
                    raise BadRequestData(f"attrs and {name} do not go together", field=name)
            self.projection = only_attributes(self.attrs)
        else:
            self.projection = parse_projection(given.get("pick"), given.get("omit"), context)
        datasets = frozenset(_dataset(one) for one in exchange.list_of("datasetId")) or None
        contained_by = [check_uri(one, ("containedBy",)) for one in exchange.list_of("containedBy")]
        self.join = parse_join(given.get("join"), given.get("joinLevel"), contained_by, datasets)
        if self.projection.depth > self.level:
            raise BadRequestData(
                "pick and omit name members that are farther away than join and joinLevel reach", field="join"
            )
        geojson = media_type == GEO_JSON
        if given.get("geometryProperty") and not geojson:
            raise BadRequestData(f"geometryProperty goes with {GEO_JSON}", field="geometryProperty")
        words = (given.get("format"), *exchange.list_of("options"))
        self._settings: dict[str, Any] = {
            "format": next((_FORMATS[word] for word in words if word in _FORMATS), "normalized"),
            "geojson": geojson,
            "geometry_property": _name(given.get("geometryProperty"), context, "geometryProperty")
            or LOCATION,
            "sys_attrs": exchange.flag("sysAttrs"),
            "datasets": datasets,
            "lang": given.get("lang") or None,
            "join": self.join,
        }

    @property
    def level(self) -> int:
        """How far linked entities are retrieved; 0 for not at all."""
        return self.join.level if self.join else 0

    @property
    def flat(self) -> bool:
        """Whether linked entities stand beside those that lead to them."""
        return self.join is not None and self.join.form == "flat"

    def render(self, entity: Entity, projection: Projection, known: Known) -> dict[str, Any]:
        """The entity's document, empty if nothing of it is to be seen."""
        return render(entity, self._context, projection=projection, known=known, **self._settings)


def parse_query(
    exchange: Exchange, context: Context, showing: Showing, selectors: Sequence[Selector] = ()
) -> Query:
    """The query that the parameters say; its limit is one more than the page's. Raises BadRequestData."""
    given = exchange.parameters
    types = parse_type_selection(given["type"], context) if given.get("type") else None
    if types is not None and not types.alternatives and given.get("local", "").lower() == "false":
        raise BadRequestData("type=* is answered here only, so local is not false", field="local")
    needed = showing.attrs or tuple(sorted(showing.projection.needed or ()))
    picked = showing.attrs or (showing.projection.pick or frozenset()) - ENTITY_PARTS - ENTITY_MEMBERS
    q = None
    if given.get("q"):
        q = parse_q(
            given["q"],
            context,
            expand_values=exchange.list_of("expandValues"),
            json_keys=exchange.list_of("jsonKeys"),
        )
        if link_depth(q) > showing.level:
            raise BadRequestData(
                "q looks into linked entities that are farther away than join and joinLevel reach", field="q"
            )
    if given.get("csf"):
        _check_context_source_filter(given["csf"])
    geo = _geo(exchange, context)
    local = exchange.flag("local")
    if not (types or selectors or picked or geo or local or (q is not None and _names_attribute(q))):
        raise BadRequestData("a query needs at least one of type, attrs, pick, q, georel, or local=true")
    limit = exchange.limit()
    if limit == 0 and not exchange.flag("count"):
        raise BadRequestData("limit=0 goes with count=true only", field="limit")
    return Query(
        types=types,
        ids=tuple(check_uri(entity_id, ("id",)) for entity_id in exchange.list_of("id")),
        id_pattern=given.get("idPattern") or None,
        selectors=tuple(selectors),
        attrs=needed,
        q=q,
        scope_q=parse_scope_q(given["scopeQ"]) if given.get("scopeQ") else None,
        geo=geo,
        order_by=parse_order_by(
            given["orderBy"],
            context,
            coordinates=given.get("orderFrom") or None,
            geometry=given.get("orderGeometry") or None,
            collation=given.get("collation") or None,
        )
        if given.get("orderBy")
        else (),
        limit=limit + 1,
        offset=exchange.number("offset", 0, 2**31 - 1),
        count=exchange.flag("count"),
    )


def _check_context_source_filter(text: str) -> None:
    """A filter of context sources (§4.9). There are none, so that it selects none; but it is read."""
    try:
        parse_q(text, CORE)
    except NgsiLdError as error:
        raise BadRequestData(error.detail, field="csf") from None


def _geo(exchange: Exchange, context: Context) -> Any:
    given = exchange.parameters
    georel = given.get("georel")
    if not georel:
        for name in ("geometry", "coordinates"):
            if given.get(name):
                raise BadRequestData(f"{name} needs georel", field="georel")
        return None
    for name in ("geometry", "coordinates"):
        if not given.get(name):
            raise BadRequestData(f"georel needs {name}", field=name)
    return parse_geo_query(georel, given["geometry"], given["coordinates"], given.get("geoproperty"), context)


def _names_attribute(q: Q) -> bool:
    """Whether a query names more than times of the entity, which every entity has (§5.7.2.4)."""
    if isinstance(q, And | Or):
        return any(map(_names_attribute, q.terms))
    return q.path.attribute not in ENTITY_MEMBERS


def _attributes(exchange: Exchange, context: Context) -> tuple[str, ...]:
    names = []
    for name in exchange.list_of("attrs"):
        if name in ENTITY_PARTS:
            raise BadRequestData(f"attrs: {name} is no attribute; use pick", field="attrs")
        names.append(_name(name, context, "attrs"))
    return tuple(dict.fromkeys(names))


def _name(name: str | None, context: Context, field: str) -> str:
    if not name:
        return ""
    try:
        return context.expand_name(name)
    except BadRequestData as error:
        raise BadRequestData(f"{field}: {error.detail}", field=field) from None


def _dataset(text: str) -> str:
    return text if text == "@none" else check_uri(text, ("datasetId",))


# A Query in a body -----------------------------------------------------------------------------------------------


def read_query_document(document: Any, context: Context) -> tuple[dict[str, str], tuple[Selector, ...]]:
    """A Query (§5.2.23) as parameters, and the selectors of its entities. BadRequestData names the member."""
    if not isinstance(document, dict):
        raise BadRequestData("the body is a JSON object, a Query")
    if document.get("type", document.get("@type")) != "Query":
        raise BadRequestData("the type of the body is Query", field="/type")
    given: dict[str, str] = {}
    selectors: tuple[Selector, ...] = ()
    for name, value in document.items():
        if name in ("type", "@type"):
            continue
        if name == "entities":
            selectors = parse_selectors(value, (name,), context)
        elif name in _MEMBERS:
            given |= _MEMBERS[name](value, name)
        else:
            raise BadRequestData(f"{name!r:.80} is no member of a Query", field=f"/{name:.80}")
    return given, selectors


def _wrong(name: str, expected: str) -> BadRequestData:
    return BadRequestData(f"{name} is {expected}", field=f"/{name}")


def _text(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, str):
        raise _wrong(name, "a text")
    return {name.rpartition("/")[2]: value}


def _texts(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise _wrong(name, "a list of texts, neither it nor they empty")
    return {name.rpartition("/")[2]: ",".join(value)}


def _list_or_text(value: Any, name: str) -> dict[str, str]:
    return _text(value, name) if isinstance(value, str) else _texts(value, name)


def _level(value: Any, name: str) -> dict[str, str]:
    if type(value) is not int:
        raise _wrong(name, "a whole number above 0")
    return {name: str(value)}


def _boolean(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, bool):
        raise _wrong(name, "true or false")
    return {name: str(value).lower()}


def _coordinates(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, list | str):
        raise _wrong(name, "a list of coordinates")
    return {name.rpartition("/")[2]: value if isinstance(value, str) else msgspec.json.encode(value).decode()}


def _members_of(
    members: dict[str, Callable[[Any, str], dict[str, str]]], names: dict[str, str]
) -> Callable[[Any, str], dict[str, str]]:
    """The reading of an object within the Query; `names` are parameters that are called otherwise."""

    def read(value: Any, name: str) -> dict[str, str]:
        if not isinstance(value, dict):
            raise _wrong(name, "an object")
        given: dict[str, str] = {}
        for member, inner in value.items():
            if member in ("type", "@type"):
                continue
            if member not in members:
                raise BadRequestData(f"{member!r:.80} is no member of {name}", field=f"/{name}/{member:.80}")
            for key, text in members[member](inner, f"{name}/{member}").items():
                given[names.get(key, key)] = text
        return given

    return read


_MEMBERS: dict[str, Callable[[Any, str], dict[str, str]]] = {
    **dict.fromkeys(("q", "scopeQ", "csf", "lang", "join", "geometryProperty"), _text),
    **dict.fromkeys(("attrs", "pick", "omit", "containedBy"), _texts),
    **dict.fromkeys(("datasetId", "expandValues", "jsonKeys"), _list_or_text),
    "joinLevel": _level,
    "splitEntities": _boolean,
    "geoQ": _members_of(
        {"georel": _text, "geometry": _text, "coordinates": _coordinates, "geoproperty": _text}, {}
    ),
    "ordering": _members_of(
        {"orderBy": _list_or_text, "coordinates": _coordinates, "geometry": _text, "collation": _text},
        {"coordinates": "orderFrom", "geometry": "orderGeometry"},
    ),
}
