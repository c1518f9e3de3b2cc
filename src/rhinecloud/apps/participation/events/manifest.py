"""What this area adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Job, Page, Place, Task, View
from rhinecloud.people.register import Column, Keep, Retention, Table

from . import keeping, pages, poll_pages, remote, steering

_MAY: Final = pages.ORGANISE

PAGES: Final = (
    Page("", pages.first, "public"),
    Page("/events/new", pages.new, _MAY),
    Page("/events/new", pages.make, _MAY, "POST"),
    Page("/events/{number:int}", pages.one, _MAY),
    Page("/events/{number:int}", pages.write, _MAY, "POST"),
    Page("/events/{number:int}/act", pages.act, _MAY, "POST"),
    Page("/events/{number:int}/polls/new", poll_pages.new, _MAY),
    Page("/events/{number:int}/polls/new", poll_pages.make, _MAY, "POST"),
    Page("/events/{number:int}/remote", remote.page, _MAY),
    Page("/events/{number:int}/remote", remote.steer, _MAY, "POST"),
    Page("/polls/{number:int}", poll_pages.one, _MAY),
    Page("/polls/{number:int}", poll_pages.write, _MAY, "POST"),
    Page("/polls/{number:int}/up", poll_pages.move, _MAY, "POST"),
    Page("/polls/{number:int}/delete", poll_pages.remove, _MAY, "POST"),
)

PLACES: Final = (
    Place(("Beteiligung", "Participation"), "public", order=40, also=("/events", "/polls", "/e")),
)

VIEWS: Final = (View("/remote/{number}", remote.part, _MAY, every=15.0),)

JOBS: Final = (Job("end-events", steering.end_left, None, cron="25 3 * * *"),)

TASKS: Final = (Task("events", keeping.hear, everywhere=True),)

HOLDINGS: Final = (
    Table(
        "event",
        text=("Veranstaltungen", "events"),
        columns=(Column("created_by", ("angelegt von", "made by")),),
        impersonal=(
            *("number", "code", "title", "lead", "admission", "expected", "state", "key", "starts_at"),
            *("current_poll", "created_at", "ended_at"),
        ),
        found={"actor": "created_by"},
        retention=Retention(
            (
                "ein Jahr nach dem Ende der Veranstaltung; wer sie nicht beendet: 60 Tage nach dem Beginn endet sie",
                "a year after the end of the event; it ends 60 days after its beginning if nobody ends it",
            ),
            "ended_at",
            365,
        ),
        erasure=Keep(
            ("Wer zu einer Abstimmung einlädt, wird nachgewiesen", "who calls a vote is on record"),
        ),
    ),
)

IMPERSONAL: Final = {"poll": ("*",), "option": ("*",)}
