"""The audit log: who did what to what and when, by filter, page after page, and as CSV (which has the ids alone)."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, tzinfo
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from rhinecloud.store import audit

from . import audit_names
from .operations.pages import PAGE, whole
from .shell import Shell
from .sight import PermittedRoute, actor_of

PATH = "/audit"
_PORTION = 1_000
_LONGEST = 200
_COLUMNS = ("at", "actor", "action", "subject", "detail")


class Asked(msgspec.Struct, frozen=True):
    """The fields of the form as they were filled in, what they mean, and what is wrong with them by field."""

    fields: dict[str, str]
    filter: audit.Filter
    wrong: dict[str, str]


def read(request: Request, zone: tzinfo) -> Asked:
    """What was asked for. Times without a zone are those of the city; a day alone, as `until`, is included."""
    fields = {
        name: "".join(c for c in request.query_params.get(name, "") if c.isprintable()).strip()[:_LONGEST]
        for name in ("actor", "action", "subject", "since", "until")
    }
    wrong: dict[str, str] = {}
    times: dict[str, datetime | None] = {}
    for name in ("since", "until"):
        try:
            times[name] = _instant(fields[name], zone, end=name == "until")
        except (ValueError, OverflowError):
            times[name] = None
            wrong[name] = fields[name]
    wanted = audit.Filter(
        fields["actor"], fields["action"], fields["subject"], times["since"], times["until"]
    )
    return Asked(fields, wanted, wrong)


def _instant(text: str, zone: tzinfo, *, end: bool) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    if end and len(text) == len("2026-01-01"):
        at += timedelta(days=1)
    return at if at.tzinfo else at.replace(tzinfo=zone)


async def _named(shell: Shell, asked: Asked) -> Asked:
    """What is looked for may be the name of somebody, or of something, that the log knows by an id."""
    subjects = await audit_names.called(shell, asked.fields["subject"])
    return msgspec.structs.replace(asked, filter=msgspec.structs.replace(asked.filter, subjects=subjects))


def routes(shell: Shell) -> list[BaseRoute]:
    """`/audit` and `/audit.csv`."""

    async def page(request: Request) -> Response:
        pool = shell.broker.database.queries
        asked = await _named(shell, read(request, shell.renderer.of(request).zone))
        before = whole(request.query_params.get("before"), 2**62) or None
        found = [] if asked.wrong else await audit.page(pool, asked.filter, before, PAGE + 1)
        actors, actions = await audit.actors(pool), await audit.actions(pool)
        kept = {name: value for name, value in asked.fields.items() if value}
        shown = found[:PAGE]
        more = {**kept, "before": shown[-1].id} if len(found) > PAGE else None
        chosen = [one for one in (asked.fields["actor"],) if one and one not in actors]
        everybody = {*actors, *chosen, *(line.actor for line in shown)}
        return shell.renderer.page(
            request,
            "audit.html",
            422 if asked.wrong else 200,
            asked=asked,
            lines=shown,
            names=await audit_names.of_lines(shell, actor_of(request), shown, everybody),
            actors=[*actors, *chosen],
            actions=actions,
            areas=sorted({action.partition(".")[0] for action in actions}),
            first=f"{PATH}?{urlencode(kept)}" if before else None,
            after=f"{PATH}?{urlencode(more)}" if more else None,
            export=f"{PATH}.csv?{urlencode(kept)}",
        )

    async def export(request: Request) -> Response:
        asked = await _named(shell, read(request, shell.renderer.of(request).zone))
        if asked.wrong:
            return Response("a time cannot be read: " + ", ".join(asked.wrong), 422, media_type="text/plain")
        headers = {"Content-Disposition": 'attachment; filename="audit.csv"', "Cache-Control": "no-store"}
        return StreamingResponse(
            _table(shell, asked.filter), media_type="text/csv; charset=utf-8", headers=headers
        )

    return [
        PermittedRoute(PATH, page, "audit.see"),
        PermittedRoute(f"{PATH}.csv", export, "audit.see"),
    ]


async def _table(shell: Shell, wanted: audit.Filter) -> AsyncIterator[str]:
    """All lines that meet the filter, newest first, a portion at a time. Times are UTC."""
    yield _rows([_COLUMNS])
    before: int | None = None
    while lines := await audit.page(shell.broker.database.queries, wanted, before, _PORTION):
        yield _rows(
            (
                line.at.isoformat(),
                line.actor,
                line.action,
                line.subject,
                msgspec.json.encode(line.detail).decode(),
            )
            for line in lines
        )
        before = lines[-1].id


def _rows(rows: object) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(_tame(row) for row in rows)  # type: ignore[attr-defined]
    return text.getvalue()


def _tame(row: tuple[str, ...]) -> list[str]:
    """A spreadsheet takes what begins so for a formula."""
    return [f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in row]
