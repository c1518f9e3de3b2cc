"""What this area adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import PUBLIC, Attempt, Job, Page, View
from rhinecloud.city import City
from rhinecloud.people.register import Column, Retention, Table

from ..joining import here
from . import pages, placing, public_pages, telling

_ORGANISE: Final = "participation.organise"


async def _fill(city: City, payload: None, attempt: Attempt) -> None:
    await placing.fill(city)


PAGES: Final = (
    Page("/polls/{number:int}/places", pages.shown, _ORGANISE),
    Page("/polls/{number:int}/places/word", pages.give_word, _ORGANISE, "POST"),
    Page("/polls/{number:int}/places/publish", pages.publish, _ORGANISE, "POST"),
    Page("/polls/{number:int}/places/release", pages.release, _ORGANISE, "POST"),
    Page("/polls/{number:int}/places/members.csv", pages.members, _ORGANISE),
    Page("/e/{code}/places/{number:int}", public_pages.shown, PUBLIC.name),
    Page("/e/{code}/places/{number:int}/own", public_pages.own, PUBLIC.name),
    Page("/e/{code}/places/{number:int}/tickets.txt", public_pages.tickets, PUBLIC.name),
    Page("/e/{code}/places/{number:int}/places.csv", public_pages.listed, PUBLIC.name),
    Page("/e/{code}/leave", public_pages.leave, PUBLIC.name, "POST", known=here.known),
)

VIEWS: Final = (View("/places/{number}", public_pages.live, PUBLIC.name),)

JOBS: Final = (
    Job(placing.TELL, telling.tell, int),
    Job("places-fill", _fill, None, cron="37 * * * *"),
)

HOLDINGS: Final = (
    Table(
        "placement",
        text=("Plätze in Gruppen und auf Wartelisten", "places in groups and on waiting lists"),
        columns=(
            Column(
                "participant", ("Teilnahme (Zufallszahl)", "participation (a random number)"), shown=False
            ),
            Column("ticket", ("Losnummer", "ticket")),
            Column("kind", ("Art der Organisation", "kind of organisation")),
            Column("position", ("Stelle in der Reihenfolge", "position in the order")),
            Column("wishes", ("Wünsche", "wishes")),
            Column("rank", ("erfüllter Wunsch", "wish that was met")),
            Column("stays", ("wartet auf keine andere Gruppe", "waits for no other group")),
            Column("gone", ("hat den Platz aufgegeben", "gave the place up")),
        ),
        impersonal=("poll", "event", "told"),
        found={
            "mail": "(SELECT lower(i.mail) FROM participant p JOIN invitation i ON i.event = p.event "
            "AND i.number = p.invitation WHERE p.event = placement.event AND p.id = placement.participant)"
        },
        retention=Retention(
            ("ein Jahr nach dem Ende der Veranstaltung", "a year after the end of the event"),
            "(SELECT e.ended_at FROM event e WHERE e.number = placement.event)",
            365,
        ),
    ),
)

IMPERSONAL: Final = {
    "draw": ("poll", "seed", "word"),
    "published": ("poll", "way", "version", "published_at"),
}
