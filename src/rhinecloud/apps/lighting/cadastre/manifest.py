"""What the cadastre adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Command, Job, Page, Place, Task

from . import command, following, group_pages, import_pages, importing, lamp_pages, map_pages

PAGES: Final = (
    Page("", map_pages.first, "lighting.see"),
    Page("/map", map_pages.shown, "lighting.see"),
    Page("/map/points", map_pages.snapshot, "lighting.see"),
    Page("/map/changes", map_pages.changes, "lighting.see"),
    Page("/map/table", map_pages.table, "lighting.see"),
    Page("/map/at", map_pages.at, "lighting.see"),
    Page("/map/faults", map_pages.faults, "lighting.see"),
    Page("/map/place", map_pages.place, "lighting.see"),
    Page("/lamps", map_pages.listed, "lighting.see"),
    Page("/lamps.csv", map_pages.download, "lighting.see"),
    Page("/lamps/group", group_pages.form, "lighting.program"),
    Page("/lamps/group", group_pages.make, "lighting.program", "POST"),
    Page("/lamps/{id}", lamp_pages.shown, "lighting.see"),
    Page("/lamps/{id}/now", lamp_pages.now, "lighting.see"),
    Page("/import", import_pages.form, "lighting.configure"),
    Page("/import", import_pages.try_out, "lighting.configure", "POST"),
    Page("/import/{id}", import_pages.one, "lighting.configure"),
    Page("/import/{id}/state", import_pages.progress, "lighting.configure"),
    Page("/import/{id}/take", import_pages.take, "lighting.configure", "POST"),
)

PLACES: Final = (
    Place(("Lichtkarte", "Lighting map"), "lighting.see", "/map", order=50),
    Place(("Leuchten", "Lamps"), "lighting.see", "/lamps", order=51),
)

JOBS: Final = (
    Job("cadastre-take", importing.take, str, attempts=3, timeout=1_800),
    Job("cadastre-forget", importing.forget, None, cron="17 3 * * *", attempts=1),
)

TASKS: Final = (
    Task("cadastre-watch", following.watch),
    Task("cadastre-hear", following.hear, everywhere=True),
)

COMMANDS: Final = (Command("import-cadastre", command.HELP, command.run, command.arguments),)

# Lists of the city's own posts; who took a file in stands in the audit log.
IMPERSONAL: Final = {"cadastre_file": ("*",)}
