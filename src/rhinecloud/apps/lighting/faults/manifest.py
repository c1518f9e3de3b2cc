"""What faults add to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Page, Place, Task, View
from rhinecloud.people.register import Column, Keep, Retention, Table

from ..cadastre.sections import Section
from . import pages, watching

PAGES: Final = (
    Page("/faults", pages.listed, "lighting.see"),
    Page("/faults/thresholds", pages.settings, "lighting.configure"),
    Page("/faults/thresholds", pages.set_thresholds, "lighting.configure", "POST"),
    Page("/faults/{number:int}", pages.one, "lighting.see"),
)

PLACES: Final = (Place(("Störungen", "Faults"), "lighting.see", "/faults", order=54),)

TASKS: Final = (Task("faults", watching.watch),)

VIEWS: Final = (View(watching.VIEW, pages.part, "lighting.see", every=2.0),)

SECTIONS: Final = (
    Section(
        "faults",
        ("Störungen und Arbeitsaufträge", "Faults and work orders"),
        "lighting/parts/lamp_faults.html",
        pages.of_lamp,
        order=20,
    ),
)

HOLDINGS: Final = (
    Table(
        "fault_threshold",
        text=("Schwellen von Störungen", "thresholds of faults"),
        columns=(Column("changed_by", ("geändert von", "changed by")),),
        impersonal=("body", "changed_at", "only_one"),
        found={"actor": "changed_by"},
        retention=Retention(("bis zur nächsten Änderung", "until the next change")),
        erasure=Keep(
            ("Wer Schwellen setzt, wird nachgewiesen", "who sets thresholds is on record"),
        ),
    ),
)

IMPERSONAL: Final = {"fault": ("*",), "fault_sign": ("*",)}
