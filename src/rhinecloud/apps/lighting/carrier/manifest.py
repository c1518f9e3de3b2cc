"""What the posts as carriers add to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Page, Place
from rhinecloud.people.register import Column, Keep, Retention, Table

from ..cadastre.sections import Section
from . import pages
from .conflicts import Attachment

PAGES: Final = (
    Page("/carrier", pages.listed, "lighting.see"),
    Page("/carrier/post", pages.post, "lighting.see"),
    Page("/carrier/supply", pages.supply, "lighting.configure", "POST"),
    Page("/carrier/new", pages.new, "lighting.configure"),
    Page("/carrier/new", pages.attach, "lighting.configure", "POST"),
    Page("/carrier/{number:int}", pages.shown, "lighting.see"),
    Page("/carrier/{number:int}", pages.change, "lighting.configure", "POST"),
    Page("/carrier/{number:int}/remove", pages.remove, "lighting.configure", "POST"),
)

PLACES: Final = (Place(("An den Masten", "On the posts"), "lighting.see", "/carrier", order=58),)

SECTIONS: Final = (
    Section(
        "carrier",
        ("Am Mast", "On the post"),
        "lighting/parts/carrier_post.html",
        pages.of_lamp,
        order=70,
    ),
)

_WHO: Final = Column("changed_by", ("zuletzt geändert von", "changed last by"))
_ON_RECORD: Final = Keep(
    (
        "Wer Verträge und Leistungen einträgt, wird nachgewiesen",
        "who enters contracts and budgets is on record",
    )
)

HOLDINGS: Final = (
    Table(
        "carried_contact",
        text=("Ansprechpersonen für das, was an Masten hängt", "contact persons for what hangs on posts"),
        columns=(
            Column("name", ("Name", "name"), correctable=True),
            Column("mail", ("E-Mail-Adresse", "mail address"), correctable=True),
            Column("phone", ("Telefon", "telephone"), correctable=True),
        ),
        impersonal=("carried", "needed_until"),
        found={"mail": "lower(mail)"},
        retention=Retention(
            (
                "90 Tage nach dem Ende des Vertrags oder der Abnahme",
                "90 days after the contract ended or it was taken down",
            ),
            "needed_until",
            90,
        ),
    ),
    Table(
        "carried",
        text=("was an Masten hängt", "what hangs on posts"),
        columns=(_WHO,),
        impersonal=("number", *(n for n in Attachment.__struct_fields__ if n != "number"))
        + ("version", "changed_at", "removed_at"),
        found={"actor": "changed_by"},
        retention=Retention(
            ("zehn Jahre nach der Abnahme", "ten years after it was taken down"), "removed_at", 3_653
        ),
        erasure=_ON_RECORD,
    ),
    Table(
        "supply",
        text=("Leistung von Masten und Zuleitungen", "power of posts and feeders"),
        columns=(_WHO,),
        impersonal=("what", "subject", "watts", "changed_at"),
        found={"actor": "changed_by"},
        retention=Retention(("solange sie gilt", "as long as it holds")),
        erasure=_ON_RECORD,
    ),
)
