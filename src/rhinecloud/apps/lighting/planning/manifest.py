"""What planning adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Job, Page, Place, Task, View
from rhinecloud.people.register import Column, Keep, Retention, Table

from . import (
    assigning,
    keeping,
    overrides,
    pages_calendars,
    pages_groups,
    pages_overrides,
    pages_plan,
    pages_programs,
    pages_rules,
    pages_traffic,
    settling,
    traffic,
)

_SEE: Final = "lighting.see"
_PROGRAM: Final = "lighting.program"
_CONFIGURE: Final = "lighting.configure"

PAGES: Final = (
    Page("/plan", pages_plan.page, _SEE),
    Page("/plan/assign", pages_plan.assign, _PROGRAM, "POST"),
    Page("/plan/apply", pages_plan.apply, _PROGRAM, "POST"),
    Page("/night", pages_plan.night, _SEE),
    Page("/targets", pages_plan.targets, _SEE),
    Page("/programs", pages_programs.listed, _SEE),
    Page("/programs/new", pages_programs.new, _PROGRAM),
    Page("/programs/new", pages_programs.write, _PROGRAM, "POST"),
    Page("/programs/{id}", pages_programs.one, _SEE),
    Page("/programs/{id}", pages_programs.write, _PROGRAM, "POST"),
    Page("/programs/{id}/json", pages_programs.write_json, _PROGRAM, "POST"),
    Page("/programs/{id}/remove", pages_programs.remove, _PROGRAM, "POST"),
    Page("/calendars", pages_calendars.listed, _SEE),
    Page("/calendars", pages_calendars.make, _PROGRAM, "POST"),
    Page("/calendars/{id}", pages_calendars.one, _SEE),
    Page("/calendars/{id}", pages_calendars.write, _PROGRAM, "POST"),
    Page("/calendars/{id}/json", pages_calendars.write_json, _PROGRAM, "POST"),
    Page("/calendars/{id}/remove", pages_calendars.remove, _PROGRAM, "POST"),
    Page("/groups", pages_groups.listed, _SEE),
    Page("/groups/new", pages_groups.new, _PROGRAM),
    Page("/groups/new", pages_groups.write, _PROGRAM, "POST"),
    Page("/groups/{id}", pages_groups.one, _SEE),
    Page("/groups/{id}", pages_groups.write, _PROGRAM, "POST"),
    Page("/groups/{id}/remove", pages_groups.remove, _PROGRAM, "POST"),
    Page("/overrides", pages_overrides.listed, _SEE),
    Page("/overrides", pages_overrides.make, _PROGRAM, "POST"),
    Page("/overrides/{number:int}/end", pages_overrides.end, _PROGRAM, "POST"),
    Page("/rules", pages_rules.listed, _SEE),
    Page("/rules", pages_rules.write, _CONFIGURE, "POST"),
    Page("/rules/{id}/remove", pages_rules.remove, _CONFIGURE, "POST"),
    Page("/traffic", pages_traffic.listed, _SEE),
    Page("/traffic", pages_traffic.add, _CONFIGURE, "POST"),
    Page("/traffic/{number:int}/remove", pages_traffic.remove, _CONFIGURE, "POST"),
)

VIEWS: Final = (View(keeping.VIEW, pages_plan.progress, _SEE, every=5.0),)

PLACES: Final = (Place(("Lichtplanung", "Lighting plan"), _SEE, "/plan", order=52),)

JOBS: Final = (
    Job("planning-gateways", assigning.tell_gateways, int),
    Job("planning-override", overrides.tell_gateways, int),
    Job("planning-lamps", assigning.follow_lamps, None, cron="*/15 * * * *", attempts=1),
)

TASKS: Final = (
    Task("planning", keeping.keep),
    Task("planning-reports", settling.follow_reports),
    Task("planning-traffic", traffic.follow),
)

_ON_RECORD: Final = Keep(
    (
        "Wer bestimmt, wie hell Straßen sind, wird nachgewiesen",
        "who decides how bright streets are is on record",
    )
)
_LIVES: Final = Retention(("solange es gilt", "as long as it counts"))


def _part(name: str, german: str, english: str) -> Table:
    return Table(
        name,
        text=(german, english),
        columns=(Column("changed_by", ("zuletzt geändert von", "last changed by")),),
        impersonal=("id", "body", "version", "changed_at"),
        found={"actor": "changed_by"},
        retention=_LIVES,
        erasure=_ON_RECORD,
    )


HOLDINGS: Final = (
    _part("program", "Beleuchtungsprogramme", "lighting programs"),
    _part("calendar", "Kalender der Beleuchtung", "calendars of lighting"),
    _part("lamp_group", "Gruppen von Leuchten", "groups of lamps"),
    _part("law_rule", "Regeln der Beleuchtung", "rules of lighting"),
    Table(
        "traffic_counter",
        text=("Zählstellen der Beleuchtung", "counters of lighting"),
        columns=(Column("changed_by", ("zuletzt geändert von", "last changed by")),),
        impersonal=("number", "what", "subject", "entity", "minutes", "changed_at"),
        found={"actor": "changed_by"},
        retention=_LIVES,
        erasure=_ON_RECORD,
    ),
    Table(
        "assignment",
        text=("Zuordnung von Kalendern", "assignment of calendars"),
        columns=(Column("changed_by", ("zuletzt geändert von", "last changed by")),),
        impersonal=("number", "place", "what", "subject", "calendar"),
        found={"actor": "changed_by"},
        retention=_LIVES,
        erasure=_ON_RECORD,
    ),
    Table(
        "plan",
        text=("angewendete Lichtpläne", "lighting plans that were applied"),
        columns=(Column("applied_by", ("angewendet von", "applied by")),),
        impersonal=("version", "body", "digest", "lamps", "applied_at", "gateways", "trouble"),
        found={"actor": "applied_by"},
        retention=_LIVES,
        erasure=_ON_RECORD,
    ),
    Table(
        "override",
        text=("Übersteuerungen", "overrides"),
        columns=(
            Column("made_by", ("angeordnet von", "ordered by")),
            Column("ended_by", ("beendet von", "ended by")),
            Column("reason", ("Grund", "reason")),
        ),
        impersonal=("number", "what", "subject", "lamps", "level", "begins", "ends", "made_at"),
        found={"actor": "made_by"},
        retention=Retention(("ein Jahr nach dem Ende", "a year after their end"), "ends", 365),
        erasure=_ON_RECORD,
    ),
)

IMPERSONAL: Final = {
    "target": ("*",),
    "planning_mark": ("*",),
    "traffic_standing": ("*",),
    "traffic_mark": ("*",),
}
