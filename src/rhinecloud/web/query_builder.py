"""The query builder: controls → one NGSI-LD request → table, map, series or JSON; also as CSV and JSON files.

A plain form with GET: it works without JavaScript, and its address can be shared. The answer is that of the API's own
operation, asked under the sight of who looks.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.api.ngsi_ld import ask
from rhinecloud.broker import Query
from rhinecloud.model import CORE, NgsiLdError, parse_type_selection
from rhinecloud.model.query_tree import AttributePath

from . import query_choices
from . import question as asking
from .language import instant
from .names import plain_value, short
from .query_choices import Choice
from .question import Question, Wrong, of_parameters, request_of
from .shell import Shell
from .sight import PermittedRoute, actor_of
from .sketch import sketch

PATH = "/queries"
_SAMPLE = 60  # entities that tell which attributes there are
_COLUMNS = 8  # of a table, unless attributes are chosen
_SERIES = 12  # charts on a page
_MOST_ROWS = 10_000  # of a downloaded table
_FIELDS = {
    "type": "type", "q": "value-1", "scopeQ": "scope", "coordinates": "area", "georel": "radius", "orderBy": "order",
    "pick": "show", "timeAt": "since", "endTimeAt": "until", "lastN": "last",
}  # fmt: skip


class Answered(msgspec.Struct, frozen=True):
    """What the API said. `problem` is its own words where it refused."""

    documents: list[dict[str, Any]]
    total: int
    problem: str = ""
    partial: bool = False


def routes(shell: Shell) -> list[BaseRoute]:
    """`/queries`, `/queries.csv` and `/queries.json`."""

    async def page(request: Request) -> Response:
        question = of_parameters(request.query_params.multi_items())
        choices = await _choices(shell, request, question)
        by_path = {one.path: one for one in choices}
        wrong: dict[str, str] = {}
        made = answered = None
        try:
            made = _made(shell, request, question, choices) if question.is_asked else None
        except Wrong as error:
            wrong[error.field] = error.reason
        if made is not None:
            answered, field = await _ask(shell, request, made)
            if answered.problem:
                wrong[field] = ""
        refused = bool(wrong)
        return shell.renderer.page(
            request,
            "queries.html",
            422 if refused else 200,
            question=question,
            types=await _types(shell, request),
            choices=choices,
            attributes=[one for one in choices if one.is_attribute],
            choice_of=lambda text: by_path.get(asking.path_of(text) or AttributePath(text)),
            operators=asking.OPERATORS,
            all_operators=asking.ALL_OPERATORS,
            groups=_numbered(question),
            wrong=wrong,
            asked=made,
            curl=f"curl -s '{shell.public_url(request)}{made.path}'" if made else "",
            url=f"{shell.public_url(request)}{made.path}" if made else "",
            answered=answered,
            shown=_shown(question, answered, choices, shell, request) if answered and not refused else None,
            sizes=asking.SIZES,
        )

    async def download(request: Request) -> Response:
        as_csv = request.url.path.endswith(".csv")
        question = msgspec.structs.replace(of_parameters(request.query_params.multi_items()), limit=500)
        choices = await _choices(shell, request, question)
        try:
            made = _made(shell, request, question, choices)
        except Wrong as error:
            return Response(f"{error.field}: {error.reason}\n", 422, media_type="text/plain")
        documents: list[dict[str, Any]] = []
        while len(documents) < _MOST_ROWS:
            asked = {**made.parameters, "offset": str(question.offset + len(documents))}
            answered, _ = await _ask(shell, request, asking.Request(made.parts, asked))
            if answered.problem:
                return Response(f"{answered.problem}\n", 422, media_type="text/plain")
            documents += answered.documents
            if len(answered.documents) < question.limit:
                break
        body = _csv(question, documents) if as_csv else msgspec.json.format(msgspec.json.encode(documents))
        kind, name = ("text/csv; charset=utf-8", "csv") if as_csv else ("application/json", "json")
        disposition = {"Content-Disposition": f'attachment; filename="rhinecloud.{name}"'}
        return Response(body, media_type=kind, headers={**disposition, "Cache-Control": "no-store"})

    return [
        PermittedRoute(PATH, page, "public"),
        PermittedRoute(f"{PATH}.csv", download, "public"),
        PermittedRoute(f"{PATH}.json", download, "public"),
    ]


def _numbered(question: Question) -> list[dict[str, Any]]:
    """The groups of the form with the numbers of their conditions, as `asking.condition_tree` counts them. Each has a
    `spare` one that is still to be filled in, the last has nothing else."""
    number = 0
    told: list[dict[str, Any]] = []
    for group in (*question.groups, asking.Group(())):
        held = [(number + n, one) for n, one in enumerate(group.conditions, 1)]
        number += len(held)
        told.append({"conditions": held, "any_of": group.any_of})
    for spare, one in enumerate(told, number + 1):
        one["spare"] = spare
    return told


def _made(shell: Shell, request: Request, question: Question, choices: Sequence[Choice]) -> asking.Request:
    zone = shell.renderer.of(request).zone
    return request_of(question, {one.path: one.form for one in choices}, zone)


async def _ask(shell: Shell, request: Request, made: asking.Request) -> tuple[Answered, str]:
    """What the API answers; and the field of the form that its refusal is about."""
    try:
        answer = await ask(shell.broker, made.parts, made.parameters, actor_of(request))
    except NgsiLdError as error:
        name = (error.field or "").strip("/").partition("/")[0]
        return Answered([], 0, error.detail), _FIELDS.get(name, "form")
    headers = dict(answer.headers)
    count = int(headers.get(b"ngsild-results-count", b"0"))
    return Answered(list(answer.body), count, partial=answer.status == 206), ""


async def _types(shell: Shell, request: Request) -> list[tuple[str, str]]:
    """Types that there are, by the term or the IRI that a request names them by."""
    found = await shell.broker.types(sight=actor_of(request).sight)
    return [(CORE.compact_iri(iri), f"{short(iri)} ({count})") for iri, count in found]


async def _choices(shell: Shell, request: Request, question: Question) -> list[Choice]:
    """Attributes of the chosen type, as some of its entities have them; none without a type."""
    if not question.type:
        return []
    try:
        types = parse_type_selection(question.type, CORE)
    except NgsiLdError:
        return []
    sight = actor_of(request).sight
    sample = await shell.broker.query(Query(types=types, limit=_SAMPLE), sight=sight)
    return query_choices.of_entities(entity.attributes for entity in sample.entities)


# What is shown -------------------------------------------------------------------------------------------------


def _shown(
    question: Question, answered: Answered, choices: Sequence[Choice], shell: Shell, request: Request
) -> dict[str, Any]:
    """The parts of the answer that the page shows."""
    count = len(answered.documents)
    source = msgspec.json.format(msgspec.json.encode(answered.documents), indent=2).decode()
    base = {
        "first": question.offset + 1 if count else 0,
        "last": question.offset + count,
        "json": source if len(source) < 60_000 else source[:60_000] + "\n…",
        "before": _page(question, question.offset - question.limit) if question.offset else None,
        "after": _page(question, question.offset + question.limit)
        if question.offset + count < answered.total and count
        else None,
        "csv": f"{PATH}.csv?{urlencode(question.address())}",
        "file": f"{PATH}.json?{urlencode(question.address())}",
    }
    if question.history:
        zone = str(shell.renderer.of(request).zone)
        return {**base, "series": _series(answered.documents, choices, zone)}
    columns = _columns(question, answered.documents)
    return {
        **base,
        "columns": columns,
        "units": {one.text: one.unit for one in choices},
        "labels": {one.text: one.label for one in choices},
        "sort": {name: _sorted_by(question, name) for name in columns if not _is_within(name)},
        "rows": [
            (one["id"], one.get("type"), [_within(one, name) for name in columns])
            for one in answered.documents
        ],
        "sketch": sketch(
            [(one["id"], _label(one), one.get("location")) for one in answered.documents],
            question.area,
            shell.settings.map_outline,
        ),
    }


def _page(question: Question, offset: int) -> str:
    return f"{PATH}?{urlencode(msgspec.structs.replace(question, offset=max(0, offset)).address())}"


def _sorted_by(question: Question, name: str) -> tuple[str, str]:
    """The address that sorts by a column, and how it is sorted now (none, ascending, descending)."""
    mine = question.order == name
    turned = msgspec.structs.replace(
        question, order=name, descending=mine and not question.descending, offset=0
    )
    state = ("descending" if question.descending else "ascending") if mine else "none"
    return f"{PATH}?{urlencode(turned.address())}", state


def _columns(question: Question, documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Attributes by name, and what conditions are about by its path. Those asked for come first."""
    asked = dict.fromkeys(one.attribute for one in question.conditions if asking.path_of(one.attribute))
    if question.show:
        return list(dict.fromkeys((*question.show, *(one for one in asked if _is_within(one)))))
    names = dict.fromkeys(name for one in documents for name in one if name not in ("id", "type", "location"))
    front = [name for name in ("name", *asked) if name in names or (name in asked and _is_within(name))]
    return list(dict.fromkeys((*front, *names)))[: max(_COLUMNS, len(front))]


def _is_within(text: str) -> bool:
    path = asking.path_of(text)
    return path is not None and path.linked is None and bool(path.sub_path or path.json_path)


def _within(document: Mapping[str, Any], text: str) -> Any:
    """The cell of a column."""
    if text in document or not _is_within(text):
        return _cell(document.get(text))
    path = cast("AttributePath", asking.path_of(text))
    return _cell(query_choices.told(document.get(CORE.compact_iri(path.attribute)), path))


def _cell(value: Any) -> Any:
    """The value of an attribute for a table: of several instances each, else as JSON."""
    if isinstance(value, list):
        return ", ".join(str(_cell(one)) for one in value)
    plain = plain_value(value)
    if isinstance(plain, str | int | float) or plain is None:
        return plain
    if isinstance(plain, dict) and plain.get("type") == "Point":
        return ", ".join(f"{number:.5f}" for number in plain["coordinates"][:2])
    return msgspec.json.encode(plain).decode()


def _label(document: Mapping[str, Any]) -> str:
    name = _cell(document.get("name"))
    return str(name) if name else str(document["id"]).rpartition(":")[2]


def _series(
    documents: Sequence[Mapping[str, Any]], choices: Sequence[Choice], zone: str
) -> list[dict[str, Any]]:
    """Series that can be drawn, of each entity and attribute; values that are no numbers stand in a table only."""
    units = {one.name: one.unit for one in choices}
    found = []
    for one in documents:
        for name, told in one.items():
            for instance in told if isinstance(told, list) else [told]:
                if not isinstance(instance, dict) or not isinstance(instance.get("values"), list):
                    continue
                table = [(pair[1], pair[0]) for pair in instance["values"] if len(pair) > 1]
                table.sort(key=lambda pair: pair[0])
                numbers = [
                    (cast("datetime", instant(at)).timestamp(), float(value))
                    for at, value in table
                    if isinstance(value, int | float) and instant(at)
                ]
                found.append(
                    {
                        "id": one["id"],
                        "name": name,
                        "unit": units.get(name, ""),
                        "table": [(at, _cell(value)) for at, value in reversed(table)],
                        "chart": {
                            "times": [at for at, _ in numbers],
                            "values": [value for _, value in numbers],
                            "name": name,
                            "unit": units.get(name, ""),
                            "zone": zone,
                        }
                        if numbers
                        else None,
                    }
                )
    return found[:_SERIES]


def _csv(question: Question, documents: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    if question.history:
        writer.writerow(("id", "attribute", "time", "value"))
        for series in _series(documents, (), ""):
            writer.writerows((_tame(series["id"]), series["name"], at, _tame(v)) for at, v in series["table"])
        return text.getvalue()
    names = list(question.show) or list(
        dict.fromkeys(name for one in documents for name in one if name not in ("id", "type"))
    )
    writer.writerow(("id", "type", *names))
    for one in documents:
        writer.writerow([_tame(_cell(one.get(name))) for name in ("id", "type", *names)])
    return text.getvalue()


def _tame(cell: Any) -> Any:
    """A spreadsheet takes a text that begins so for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
