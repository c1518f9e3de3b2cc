"""What the accounts add to the app."""

from __future__ import annotations

from datetime import date
from typing import Final

from rhinecloud.app import Job, Page, Place
from rhinecloud.people.register import Column, Keep, Retention, Table

from ..cadastre.sections import Section
from . import counting, pages, reporting

PAGES: Final = (
    Page("/accounts", pages.overview, "lighting.see"),
    Page("/accounts.csv", pages.as_csv, "lighting.see"),
    Page("/accounts/factors", pages.factors, "lighting.see"),
    Page("/accounts/factors", pages.set_factor, "lighting.configure", "POST"),
    Page("/accounts/factors/remove", pages.remove_factor, "lighting.configure", "POST"),
    Page("/accounts/count", pages.count_again, "lighting.configure", "POST"),
)

PLACES: Final = (Place(("Energie und Kosten", "Energy and cost"), "lighting.see", "/accounts", order=57),)

SECTIONS: Final = (
    Section(
        "accounts",
        ("Verbrauch", "Use"),
        "lighting/parts/accounts_lamp.html",
        pages.of_lamp,
        order=80,
    ),
)

JOBS: Final = (
    Job("accounts-nightly", counting.nightly, None, cron="40 0 * * *"),
    Job("accounts-count", counting.count, date, timeout=3_600.0),
    Job("accounts-report", reporting.report, date),
)

HOLDINGS: Final = (
    Table(
        "energy_factor",
        text=("Strompreise und CO₂-Faktoren", "prices and CO₂ factors"),
        columns=(Column("changed_by", ("eingetragen von", "entered by")),),
        impersonal=("kind", "since", "until", "value", "source", "changed_at"),
        found={"actor": "changed_by"},
        retention=Retention(
            (
                "solange mit dem Faktor gerechnet wird",
                "as long as the factor is used",
            )
        ),
        erasure=Keep(
            (
                "Wer festlegt, womit gerechnet wird, wird nachgewiesen",
                "who decides on figures is on record",
            )
        ),
    ),
)

IMPERSONAL: Final = {
    "energy_place": ("*",),
    "energy_day": ("*",),
    "energy_area_day": ("*",),
    "energy_counted": ("*",),
}
