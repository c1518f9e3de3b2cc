"""The list of objects and the page of one object. Both work without JavaScript."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.broker import Change, Query
from rhinecloud.model import CORE, LOCATION, Entity, NgsiLdError, parse_q, parse_type_selection
from rhinecloud.model.sight import Sight

from . import language as languages
from . import layers
from .language import instant
from .live import Channel, Fragment, StreamRoute
from .names import NAME, local_part, plain_value, short
from .points import centre
from .shell import Shell
from .sight import PermittedRoute, sight_of
from .values import numeric, rows

PAGE = 25
_FOREVER_AGO = datetime(1, 1, 2, tzinfo=UTC)
_MOST_OFFSET = 1_000_000
_HISTORY = 1_000  # values of a chart
_TABLE = 50  # values of the table under it
SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "all": None}


def name_of(entity: Entity) -> str:
    """Its name, else the last part of its id."""
    instances = entity.attributes.get(NAME)
    value = plain_value(instances[0]) if instances else None
    return str(value) if value else local_part(entity.id)


def state_of(entity: Entity) -> tuple[int, layers.State]:
    """The code and the look that an entity has on the map."""
    number = layers.number_of(entity.types)
    values = {iri: plain_value(instances[0]) for iri, instances in entity.attributes.items() if instances}
    code = layers.state_code(number, values)
    return code, layers.codes()[code][1]


def routes(shell: Shell) -> list[BaseRoute]:
    """`/objects`, `/objects/{id}` and what belongs to them."""
    shell.follower.add(lambda changes: _notify(shell, changes))

    async def index(request: Request) -> Response:
        return shell.renderer.page(request, "objects.html", **await _listing(shell, request))

    async def listing(request: Request) -> Response:
        return shell.renderer.page(request, "parts/listing.html", **await _listing(shell, request))

    async def page(request: Request) -> Response:
        entity = await _entity(shell, request)
        api = shell.public_url(request) + "/ngsi-ld/v1"
        found = await _history(shell, entity, request)
        return shell.renderer.page(request, "object.html", api=api, **details(entity), **found)

    async def history(request: Request) -> Response:
        entity = await _entity(shell, request)
        return shell.renderer.page(
            request, "parts/history.html", entity=entity, **await _history(shell, entity, request)
        )

    async def channel(request: Request) -> Channel:
        entity_id = (await _entity(shell, request)).id
        code, sight = languages.choose(request), sight_of(request)
        await shell.follower.ready(sight)

        async def render() -> str:
            try:
                entity = await shell.broker.retrieve(entity_id, sight=sight)
            except NgsiLdError:
                return shell.renderer.part("parts/gone.html", code)
            return shell.renderer.part("parts/attributes.html", code, **details(entity))

        key = f"object:{code}:{entity_id}"
        return shell.live.channel(sight, key, lambda: Fragment(render))

    return [
        PermittedRoute("/objects", index, "public"),
        PermittedRoute("/objects/list", listing, "public"),
        PermittedRoute("/objects/{id}/history", history, "public"),
        StreamRoute("/live/objects/{id}", shell.live, channel, "public"),
        PermittedRoute("/objects/{id}", page, "public"),
    ]


def _notify(shell: Shell, changes: Any) -> None:
    change: Change
    for change in changes:
        for code in languages.LANGUAGES:
            shell.live.notify(f"object:{code}:{change.entity_id}")


async def _entity(shell: Shell, request: Request) -> Entity:
    entity_id = request.path_params["id"]
    if not entity_id.isprintable():  # no id, and PostgreSQL takes no text with a NUL
        raise HTTPException(404)
    return await shell.broker.retrieve(entity_id, sight=sight_of(request))


def details(entity: Entity) -> dict[str, Any]:
    """What the table of an entity's attributes shows."""
    location = entity.attributes.get(LOCATION)
    return {
        "entity": entity,
        "name": name_of(entity),
        "rows": rows(entity.attributes),
        "state": state_of(entity)[1],
        "layer": layers.layer(layers.number_of(entity.types)),
        "position": centre(location[0].get("value")) if location else None,
    }


async def _history(shell: Shell, entity: Entity, request: Request) -> dict[str, Any]:
    """The chart's series and its table. The attribute that is asked for, else the first with a line to draw."""
    drawable = [row for row in rows(entity.attributes) if numeric(row)]
    asked = request.query_params.get("attribute")
    wanted = CORE.expand_term(asked) if asked else None
    chosen = next((row for row in drawable if row.iri == wanted), drawable[0] if drawable else None)
    span = request.query_params.get("span", "all")
    if span not in SPANS:
        span = "all"
    base = {"drawable": drawable, "chosen": chosen, "span": span, "spans": list(SPANS), "series": None}
    if chosen is None:
        return base
    now = datetime.now(UTC)
    length = SPANS[span]
    since = now - length if length else _FOREVER_AGO
    series = await shell.broker.history(
        entity.id, chosen.iri, since=since, limit=_HISTORY, sight=sight_of(request)
    )
    points = [
        (at.timestamp(), float(plain))
        for text, value in zip(series.times, series.values, strict=True)
        if (at := instant(text)) and isinstance(plain := plain_value(value), (int, float))
    ]
    values = [value for _, value in points]
    table = list(zip(series.times, (plain_value(value) for value in series.values), strict=True))[::-1][
        :_TABLE
    ]
    return {
        **base,
        "series": {
            "times": [at for at, _ in points],
            "values": values,
            "name": chosen.name,
            "unit": chosen.unit,
            "zone": str(shell.renderer.of(request).zone),
        },
        "table": table,
        "count": len(series.times),
        "limited": len(series.times) == _HISTORY,
        "lowest": min(values, default=None),
        "highest": max(values, default=None),
        "mean": sum(values) / len(values) if values else None,
    }


async def _listing(shell: Shell, request: Request) -> dict[str, Any]:
    """A page of the list: all objects, of a type, or those whose id or name holds a text."""
    sight = sight_of(request)
    tally = await shell.follower.ready(sight)
    params = request.query_params
    wanted = (params.get("type") or "").strip()
    text = "".join(c for c in params.get("search") or "" if c.isprintable()).strip()[:200]
    offset = _whole(params.get("offset"))
    types = parse_type_selection(_escaped_type(wanted), CORE) if wanted else None
    pattern = f"(?i){re.escape(text)}" if text else None
    page = await shell.broker.query(
        Query(types=types, id_pattern=pattern, limit=PAGE, offset=offset, count=True), sight=sight
    )
    total = page.count or 0
    named: list[Entity] = []
    if text and offset == 0:
        named = await _named(shell, types, text, sight)
    seen = {entity.id for entity in named}
    entities = [*named, *(entity for entity in page.entities if entity.id not in seen)]

    def link(at: int) -> str:
        kept = {"type": wanted, "search": text, "offset": str(at) if at else ""}
        return "/objects?" + urlencode({key: value for key, value in kept.items() if value})

    return {
        "types": [(short(iri), iri, count) for iri, count in tally.counts()],
        "wanted": wanted,
        "text": text,
        "entries": [(entity, name_of(entity), state_of(entity)[1]) for entity in entities],
        "total": max(total, len(entities)),
        "first": offset + 1 if entities else 0,
        "last": offset + len(page.entities) if page.entities else len(entities),
        "before": link(max(0, offset - PAGE)) if offset else None,
        "after": link(offset + PAGE) if offset + PAGE < total else None,
        "page": offset // PAGE + 1,
        "pages": max(1, -(-total // PAGE)),
    }


async def _named(shell: Shell, types: Any, text: str, sight: Sight) -> list[Entity]:
    quoted = re.escape(text).replace("\\", "\\\\").replace('"', '\\"')
    try:
        condition = parse_q(f'name~="{quoted}"', CORE)
    except NgsiLdError:
        return []
    page = await shell.broker.query(Query(types=types, q=condition, limit=PAGE), sight=sight)
    return page.entities


def _escaped_type(term: str) -> str:
    if not re.fullmatch(r"[\w:/.#~%+@-]+", term):
        raise HTTPException(400)
    return term


def _whole(text: str | None) -> int:
    return min(int(text), _MOST_OFFSET) if text and text.isascii() and text.isdigit() else 0
