"""What this area adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import PUBLIC, Attempt, Job, Page, Place
from rhinecloud.city import City
from rhinecloud.people.register import Anonymise, Column, Retention, Table

from ..joining.here import known
from . import belonging, graph, keeping_pages, meeting_pages, own_pages, pages
from .asked import ORGANISE

_ONE: Final = "/groups/{name}"

PAGES: Final = (
    Page("/groups", pages.listed, PUBLIC.name),
    Page("/groups/new", keeping_pages.new, ORGANISE),
    Page("/groups/new", keeping_pages.make, ORGANISE, "POST"),
    Page("/polls/{number:int}/groups", keeping_pages.of_poll, ORGANISE, "POST"),
    Page(_ONE, pages.one, PUBLIC.name),
    Page(_ONE + "/join", pages.join, PUBLIC.name),
    Page(_ONE + "/join", pages.ask, PUBLIC.name, "POST"),
    Page("/e/{code}/group", pages.own_group, PUBLIC.name),
    Page("/e/{code}/group", pages.come, PUBLIC.name, "POST", known=known),
    Page(_ONE + "/own", own_pages.shown, PUBLIC.name),
    Page(_ONE + "/own", own_pages.act, PUBLIC.name, "POST"),
    # Whether somebody looks after this group says the handler: its moderators do, and who organises.
    Page(_ONE + "/edit", keeping_pages.edit, PUBLIC.name),
    Page(_ONE + "/edit", keeping_pages.write, PUBLIC.name, "POST"),
    Page(_ONE + "/members", keeping_pages.people, PUBLIC.name),
    Page(_ONE + "/members", keeping_pages.act, PUBLIC.name, "POST"),
    Page(_ONE + "/calendar.ics", meeting_pages.feed, PUBLIC.name),
    Page(_ONE + "/meetings/new", meeting_pages.new, PUBLIC.name),
    Page(_ONE + "/meetings/new", meeting_pages.make, PUBLIC.name, "POST"),
    Page(_ONE + "/meetings/{number:int}", meeting_pages.one, PUBLIC.name),
    Page(_ONE + "/meetings/{number:int}", meeting_pages.write, PUBLIC.name, "POST"),
    Page(_ONE + "/documents", meeting_pages.upload, PUBLIC.name, "POST"),
    Page(_ONE + "/documents/{file:uuid}", meeting_pages.file, PUBLIC.name),
    Page(_ONE + "/documents/{file:uuid}/remove", meeting_pages.remove, PUBLIC.name, "POST"),
)

PLACES: Final = (Place(("Themengruppen", "Theme groups"), PUBLIC.name, "/groups", order=42),)


async def _hourly(city: City, payload: None, attempt: Attempt) -> None:
    await belonging.forget(city)
    await graph.settle_all(city)


JOBS: Final = (Job("groups-settle", _hourly, None, cron="7 * * * *"),)

_A_YEAR: Final = ("ein Jahr nach dem Ende der Gruppe", "a year after the end of the group")

HOLDINGS: Final = (
    Table(
        "member",
        text=("Mitgliedschaften in Themengruppen", "memberships in theme groups"),
        columns=(
            Column("account", ("Konto", "account")),
            Column("name", ("Name", "name"), correctable=True),
            Column("mail", ("E-Mail-Adresse", "mail address"), correctable=True),
            Column("language", ("Sprache der Briefe", "language of letters")),
            Column("organisation", ("Organisation", "organisation"), correctable=True),
            Column("kind", ("Art der Organisation", "kind of organisation")),
            Column("theme_group", ("Gruppe", "group")),
            Column("role", ("Rolle", "role")),
            Column("state", ("Stand", "state")),
            Column("placed", ("durch die Abstimmung", "by the vote")),
            Column("asked_at", ("angefragt oder eingeladen am", "asked or invited at")),
            Column("joined_at", ("Mitglied seit", "member since")),
            Column("named_at", ("Einwilligung: Name öffentlich", "consent: name public")),
            Column("newsletter_at", ("Einwilligung: Nachrichten", "consent: news by mail")),
            Column("photographs_at", ("Einwilligung: Fotos", "consent: photographs")),
        ),
        impersonal=("number", "written_at"),
        found={"actor": "account", "mail": "lower(mail)"},
        retention=Retention(
            _A_YEAR,
            "(SELECT g.ended_at FROM theme_group g WHERE g.number = member.theme_group)",
            365,
        ),
    ),
    Table(
        "place_used",
        text=("Plätze, die für eine Gruppe genutzt wurden", "places that were used for a group"),
        columns=(
            Column(
                "participant", ("Teilnahme (Zufallszahl)", "participation (a random number)"), shown=False
            ),
        ),
        impersonal=("poll",),
        found={
            "mail": "(SELECT lower(i.mail) FROM poll q JOIN participant p ON p.event = q.event "
            "AND p.id = place_used.participant JOIN invitation i ON i.event = p.event "
            "AND i.number = p.invitation WHERE q.number = place_used.poll)"
        },
        retention=Retention(
            ("ein Jahr nach dem Ende der Veranstaltung", "a year after the end of the event"),
            "(SELECT e.ended_at FROM poll q JOIN event e ON e.number = q.event WHERE q.number = place_used.poll)",
            365,
        ),
    ),
    Table(
        "theme_group",
        text=("Themengruppen", "theme groups"),
        columns=(Column("created_by", ("angelegt von", "made by")),),
        impersonal=(
            *(
                "number",
                "name",
                "title",
                "lead",
                "about",
                "state",
                "key",
                "poll",
                "option",
                "ended_at",
                "told",
            ),
        ),
        found={"actor": "created_by"},
        retention=Retention(_A_YEAR, by="participation.groups-settle"),
        erasure=Anonymise(
            {"created_by": "''"},
            (
                "Die Gruppe bleibt; wer sie anlegte, weiß sie nicht mehr",
                "the group stays; who made it is forgotten",
            ),
        ),
    ),
)

IMPERSONAL: Final = {"meeting": ("*",), "document": ("*",)}
