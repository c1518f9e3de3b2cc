"""What light on demand adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Command, Endpoint, Job, Page, Place, Task, View
from rhinecloud.people.register import Column, Keep, Retention, Table

from . import command, computing, map_pages, pages, serving, store, taking_counts, zone_pages

_SEE: Final = "lighting.see"
_CONFIGURE: Final = "lighting.configure"

PAGES: Final = (
    Page("/demand", pages.overview, _SEE),
    Page("/demand/roads", pages.take_roads, _CONFIGURE, "POST"),
    Page("/demand/compute", pages.compute, _CONFIGURE, "POST"),
    Page("/demand/detectors/new", pages.new_detector, _CONFIGURE),
    Page("/demand/detectors/new", pages.add_detector, _CONFIGURE, "POST"),
    Page("/demand/detectors/{id}", pages.one_detector, _SEE),
    Page("/demand/detectors/{id}", pages.change_detector, _CONFIGURE, "POST"),
    Page("/demand/detectors/{id}/remove", pages.remove_detector, _CONFIGURE, "POST"),
    Page("/demand/profiles/{kind}", pages.one_profile, _CONFIGURE),
    Page("/demand/profiles/{kind}", pages.change_profile, _CONFIGURE, "POST"),
    Page("/demand/map", map_pages.shown, _SEE),
    Page("/demand/map/points", map_pages.snapshot, _SEE),
    Page("/demand/map/changes", map_pages.changes, _SEE),
    Page("/demand/map/table", map_pages.table, _SEE),
    Page("/demand/map/at", map_pages.at, _SEE),
    Page("/demand/zones/new", zone_pages.new, _CONFIGURE),
    Page("/demand/zones/new", zone_pages.add, _CONFIGURE, "POST"),
    Page("/demand/zones/{id}", zone_pages.one, _SEE),
    Page("/demand/zones/{id}", zone_pages.change, _CONFIGURE, "POST"),
    Page("/demand/zones/{id}/remove", zone_pages.remove, _CONFIGURE, "POST"),
    Page("/demand/gateways", pages.add_gateway, _CONFIGURE, "POST"),
    Page("/demand/gateways/{device}/remove", pages.remove_gateway, _CONFIGURE, "POST"),
)

ENDPOINTS: Final = (
    Endpoint("/demand/detectors", pages.put_detectors, _CONFIGURE, "POST", 8 * 2**20),
    Endpoint("/demand/zones", zone_pages.put, _CONFIGURE, "POST", 8 * 2**20),
)

VIEWS: Final = (View(computing.VIEW, pages.part, _SEE, every=5.0),)

PLACES: Final = (Place(("Licht auf Anfrage", "Light on demand"), _SEE, "/demand", order=56),)

JOBS: Final = (
    Job(store.COMPUTE, computing.compute, None, timeout=900.0),
    Job("demand-nightly", computing.follow, None, cron="20 11 * * *", attempts=2, timeout=900.0),
    Job("demand-look", computing.compute, None, cron="*/15 * * * *", attempts=1, timeout=900.0),
)

TASKS: Final = (Task("demand", serving.serve), Task("demand-counts", taking_counts.serve))

COMMANDS: Final = (Command("roads", command.HELP, command.run, command.arguments),)

_ON_RECORD: Final = Keep(
    (
        "Wer bestimmt, wie hell Straßen sind, wird nachgewiesen",
        "who decides how bright streets are is on record",
    )
)
_LIVES: Final = Retention(("solange es gilt", "as long as it counts"))


def _table(name: str, text: tuple[str, str], column: str, impersonal: tuple[str, ...]) -> Table:
    return Table(
        name,
        text=text,
        columns=(Column(column, ("eingerichtet von", "set up by")),),
        impersonal=impersonal,
        found={"actor": column},
        retention=_LIVES,
        erasure=_ON_RECORD,
    )


HOLDINGS: Final = (
    _table(
        "demand_roads",
        ("Straßennetze", "networks of roads"),
        "taken_by",
        ("version", "name", "ways", "number", "metres", "taken_at"),
    ),
    _table("demand_detector", ("Detektoren", "detectors"), "changed_by", ("id", "body", "changed_at")),
    _table("demand_zone", ("Sensorzonen", "sensor zones"), "changed_by", ("id", "body", "changed_at")),
    _table(
        "demand_profile",
        ("Profile für Licht auf Anfrage", "profiles of light on demand"),
        "changed_by",
        ("kind", "body", "changed_at"),
    ),
    _table(
        "demand_gateway",
        ("Gateways im Feld", "field gateways"),
        "added_by",
        ("device", "cabinet", "added_at", "revision", "asked_at", "trouble"),
    ),
)

IMPERSONAL: Final = dict.fromkeys(
    ("demand_mark", "demand_table", "demand_part", "demand_lamp", "demand_reach", "demand_talq"), ("*",)
)
