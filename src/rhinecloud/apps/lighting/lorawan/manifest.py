"""What LoRaWAN adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Job, Page, Place, Task, View
from rhinecloud.people.register import Column, Keep, Retention, Table

from . import ending, hearing, keeping, pages

_SEE: Final = "lighting.see"

PAGES: Final = (
    Page("/lorawan", pages.listed, _SEE),
    Page("/lorawan", pages.make, "lighting.configure", "POST"),
    Page("/lorawan/{number:int}", pages.one, _SEE),
    Page("/lorawan/{number:int}/again", pages.again, "lighting.program", "POST"),
    Page("/lorawan/{number:int}/remove", pages.remove, "lighting.configure", "POST"),
)

VIEWS: Final = (View(keeping.VIEW, pages.part, _SEE, every=10.0),)

PLACES: Final = (Place(("LoRaWAN-Gruppen", "LoRaWAN groups"), _SEE, "/lorawan", order=60),)

JOBS: Final = (Job(ending.OVER, ending.clear, ending.Alarms),)

TASKS: Final = (Task("lorawan", keeping.keep), Task("lorawan-reports", hearing.follow))

HOLDINGS: Final = (
    Table(
        "lorawan_group",
        text=("LoRaWAN-Gruppen von Leuchten", "LoRaWAN groups of lamps"),
        columns=(Column("made_by", ("angelegt von", "made by")),),
        impersonal=("number", "name", "network", "multicast", "port", "lamps", "made_at"),
        found={"actor": "made_by"},
        retention=Retention(("solange es die Gruppe gibt", "as long as there is the group")),
        erasure=Keep(
            (
                "Wer einrichtet, was Leuchten gesagt wird, wird nachgewiesen",
                "who sets up what lamps are told is on record",
            )
        ),
    ),
)

IMPERSONAL: Final = {
    "lorawan_member": ("*",),
    "lorawan_schedule": ("*",),
    "lorawan_refusal": ("*",),
}
