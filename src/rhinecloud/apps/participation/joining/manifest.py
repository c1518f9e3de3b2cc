"""What coming in adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Attempt, Job, Page, Place
from rhinecloud.city import City
from rhinecloud.people.register import Anonymise, Column, Retention, Table

from . import desk_pages, invitation_pages, invitations, letters, pages
from .here import known

_ORGANISE: Final = "participation.organise"
_HELP: Final = "participation.help"
_EVENT: Final = "/events/{number:int}"
_ONE: Final = _EVENT + "/desk/{invitation:int}"

PAGES: Final = (
    Page("/e/{code}/join", pages.join, "public"),
    Page("/e/{code}/join", pages.switch, "public", "POST", known=known),
    Page(_EVENT + "/invitations", invitation_pages.listed, _ORGANISE),
    Page(_EVENT + "/invitations", invitation_pages.add, _ORGANISE, "POST"),
    Page(_EVENT + "/invitations/list", invitation_pages.add_list, _ORGANISE, "POST"),
    Page(_EVENT + "/invitations/send", invitation_pages.send, _ORGANISE, "POST"),
    Page(_EVENT + "/invitations/sheet", invitation_pages.sheet, _ORGANISE),
    Page(_EVENT + "/invitations.csv", invitation_pages.table, _ORGANISE),
    Page(_EVENT + "/invitations/{invitation:int}/revoke", invitation_pages.revoke, _ORGANISE, "POST"),
    Page("/desk", desk_pages.desks, _HELP),
    Page(_EVENT + "/desk", desk_pages.desk, _HELP),
    Page(_EVENT + "/desk", desk_pages.find, _HELP, "POST"),
    Page(_ONE, desk_pages.one, _HELP),
    Page(_ONE + "/code", desk_pages.show_code, _HELP, "POST"),
    Page(_ONE + "/polls/{poll:int}", desk_pages.enter, _HELP, "POST"),
)

PLACES: Final = (Place(("Helfertisch", "Helpers' desk"), _HELP, "/desk", order=41),)


async def _forget(city: City, payload: None, attempt: Attempt) -> None:
    await invitations.forget(city)


JOBS: Final = (
    Job("invite", letters.write, letters.Sending),
    Job("forget-invitations", _forget, None, cron="40 3 * * *"),
)

_NINETY_DAYS: Final = Retention(
    ("90 Tage nach dem Ende der Veranstaltung", "90 days after the end of the event"),
    by="participation.forget-invitations",
)
_NUMBERS: Final = (
    "Die Nummer bleibt vergeben, damit ihr Code nie jemand anderem gehört; er gilt nicht mehr",
    "its number is never used again, so that its code is never somebody else's; it does not count any more",
)

HOLDINGS: Final = (
    Table(
        "participant",
        text=("Teilnahmen an Veranstaltungen", "parts taken in events"),
        columns=(
            Column("event", ("Veranstaltung", "event")),
            Column("invitation", ("Einladung", "invitation")),
            Column("kind", ("Art der Organisation", "kind of organisation")),
            Column("on_paper", ("auf Papier", "on paper")),
            Column("id", ("Kennung", "identifier"), shown=False),
        ),
        found={
            "mail": "(SELECT lower(i.mail) FROM invitation i "
            "WHERE i.event = participant.event AND i.number = participant.invitation)"
        },
        retention=_NINETY_DAYS,
        erasure=Anonymise(
            {"invitation": "NULL"},
            (
                "Was ausgezählt wurde, bleibt; von wem es ist, weiß niemand mehr",
                "what was counted stays; nobody knows any more whose it is",
            ),
        ),
    ),
    Table(
        "invitation",
        text=("Einladungen und Anmeldungen", "invitations and registered seats"),
        columns=(
            Column("event", ("Veranstaltung", "event")),
            Column("number", ("Nummer", "number")),
            Column("name", ("Name", "name"), correctable=True),
            Column("mail", ("E-Mail-Adresse", "mail address"), correctable=True),
            Column("organisation", ("Organisation", "organisation"), correctable=True),
            Column("kind", ("Art der Organisation", "kind of organisation")),
            Column("revoked", ("widerrufen", "revoked")),
        ),
        impersonal=("mailed",),
        found={"mail": "lower(mail)"},
        retention=_NINETY_DAYS,
        erasure=Anonymise(
            {"name": "NULL", "mail": "NULL", "organisation": "NULL", "revoked": "true"}, _NUMBERS
        ),
    ),
)
