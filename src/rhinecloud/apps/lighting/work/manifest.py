"""What work orders add to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import PUBLIC, Job, Page, Place
from rhinecloud.people.register import Column, Keep, Retention, Table, Uploads

from . import keeping, pages

PAGES: Final = (
    Page("/orders", pages.listed, "lighting.work"),
    Page("/orders/worker.js", pages.worker, PUBLIC.name),
    Page("/orders/crews", pages.settings, "lighting.configure"),
    Page("/orders/crews", pages.add_crew, "lighting.configure", "POST"),
    Page("/orders/crews/{number:int}/remove", pages.remove_crew, "lighting.configure", "POST"),
    Page("/orders/rules", pages.set_rules, "lighting.configure", "POST"),
    Page("/orders/{number:int}", pages.one, "lighting.work"),
    Page("/orders/{number:int}/office", pages.office, "lighting.work", "POST"),
    Page("/orders/{number:int}/entries", pages.enter, "lighting.work", "POST"),
    Page("/orders/{number:int}/files/{file}", pages.photo, "lighting.work"),
    Page("/faults/{number:int}/order", pages.make, "lighting.work", "POST"),
)

PLACES: Final = (Place(("Arbeitsaufträge", "Work orders"), "lighting.work", "/orders", order=55),)

JOBS: Final = (Job("work-expire", keeping.expire, None, cron="20 3 * * *"),)

_THREE_YEARS: Final = Retention(
    ("drei Jahre nach dem Abschluss des Auftrags", "three years after the order was closed"),
    by="lighting.work-expire",
)
_ON_RECORD: Final = Keep(
    (
        "Wer an einer Leuchte gearbeitet hat, wird drei Jahre lang nachgewiesen (§ 195 BGB)",
        "who worked on a lamp is on record for three years (§ 195 BGB)",
    )
)

HOLDINGS: Final = (
    Table(
        "work_order",
        text=("Arbeitsaufträge", "work orders"),
        columns=(Column("made_by", ("angelegt von", "made by")),),
        impersonal=(
            *("number", "fault", "subject", "name", "task", "state", "crew", "due", "reopened", "made_at"),
            *("changed_at", "done_at", "closed_at"),
        ),
        found={"actor": "made_by"},
        retention=_THREE_YEARS,
        erasure=_ON_RECORD,
    ),
    Table(
        "work_entry",
        text=("Einträge in Arbeitsaufträgen", "entries in work orders"),
        columns=(
            Column("actor", ("eingetragen von", "entered by")),
            Column("note", ("Notiz", "note"), correctable=True),
            Column("entered_at", ("eingetragen am", "entered at")),
        ),
        impersonal=("key", "order", "at", "event", "state", "refused", "files"),
        found={"actor": "actor"},
        retention=_THREE_YEARS,
        erasure=_ON_RECORD,
        mentions=("note",),
    ),
    Uploads(("Fotos in Arbeitsaufträgen", "photographs in work orders"), _THREE_YEARS, app="lighting"),
)

IMPERSONAL: Final = {"work_crew": ("*",), "work_rule": ("*",)}
