"""What this area adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import PUBLIC, Job, Page, Place
from rhinecloud.people.register import Anonymise, Column, Keep, Retention, Table, Uploads

from ..moderation import subjects
from . import acting, describing, forgetting, graph, pages

_ORGANISE: Final = "participation.organise"
_WRITE: Final = "participation.take_part"
_ONE: Final = "/proposals/{number:int}"

subjects.register("proposal", describing.proposal, graph.changed)
subjects.register("comment", describing.comment)

PAGES: Final = (
    Page("/proposals", pages.listed, PUBLIC.name),
    Page("/proposals/new", acting.new, _WRITE),
    Page("/proposals/new", acting.make, _WRITE, "POST"),
    Page("/proposals/paper", acting.paper, _ORGANISE),
    Page("/proposals/paper", acting.enter, _ORGANISE, "POST"),
    Page(_ONE, pages.one, PUBLIC.name),
    Page(f"{_ONE}/print", pages.printed, PUBLIC.name),
    Page(f"{_ONE}/pictures/{{file}}", pages.picture, PUBLIC.name),
    Page(f"{_ONE}/pictures", acting.add_picture, _WRITE, "POST"),
    Page(f"{_ONE}/pictures/{{file}}/remove", acting.remove_picture, _WRITE, "POST"),
    Page(f"{_ONE}/support", acting.support, _WRITE, "POST"),
    Page(f"{_ONE}/comments", acting.comment, _WRITE, "POST"),
    Page(f"{_ONE}/amend", acting.amending, _WRITE),
    Page(f"{_ONE}/amend", acting.amend, _WRITE, "POST"),
    Page(f"{_ONE}/amendments/{{amendment:int}}", acting.decide, _WRITE, "POST"),
    Page(f"{_ONE}/steps", acting.step, _ORGANISE, "POST"),
    Page(f"{_ONE}/merge", acting.merge, _ORGANISE, "POST"),
    Page("/waiting", pages.waiting, _ORGANISE),
)

PLACES: Final = (
    Place(("Vorschläge", "Proposals"), PUBLIC.name, "/proposals", order=42),
    Place(("Wartet auf Antwort", "Waiting for an answer"), _ORGANISE, "/waiting", order=46),
)

JOBS: Final = (Job("proposals-forget", forgetting.forget, None, cron="50 3 * * *"),)

_STAYS: Final = (
    "Der Text bleibt, weil andere sich darauf beziehen; wer ihn schrieb, steht nicht mehr dabei",
    "the text stays, for others refer to it; who wrote it does not stand there any more",
)
_TWO_YEARS: Final = Retention(
    (
        "zwei Jahre, nachdem der Vorschlag abgeschlossen ist; der Text bleibt ohne Namen öffentlich",
        "two years after the proposal is closed; the text stays public without a name",
    ),
    by="proposals-forget",
)

HOLDINGS: Final = (
    Table(
        "proposal_author",
        text=("Urheberschaft von Vorschlägen", "authorship of proposals"),
        columns=(
            Column("proposal", ("Nummer des Vorschlags", "number of the proposal")),
            Column("actor", ("Konto", "account")),
            Column("name", ("Name", "name"), correctable=True),
            Column("named", ("Name wird gezeigt", "the name is shown")),
            Column("mail", ("E-Mail", "mail")),
            Column("came", ("wodurch", "by what")),
        ),
        impersonal=("number",),
        found={"actor": "actor", "mail": "lower(mail)"},
        retention=_TWO_YEARS,
        erasure=Anonymise({"actor": "NULL", "name": "''", "named": "false", "mail": "NULL"}, _STAYS),
    ),
    Table(
        "proposal_support",
        text=("Unterstützung von Vorschlägen", "support of proposals"),
        columns=(
            Column("proposal", ("Nummer des Vorschlags", "number of the proposal")),
            Column("actor", ("Konto", "account")),
        ),
        found={"actor": "actor"},
        retention=Retention(
            (
                "bis sie zurückgenommen oder das Konto gelöscht wird",
                "until it is taken back or the account is deleted",
            )
        ),
    ),
    Table(
        "comment",
        text=("Kommentare", "comments"),
        columns=(
            Column("actor", ("Konto", "account")),
            Column("name", ("Name", "name"), correctable=True),
            Column("text", ("Text", "text")),
            Column("at", ("geschrieben", "written")),
        ),
        impersonal=("number", "proposal"),
        found={"actor": "actor"},
        retention=_TWO_YEARS,
        erasure=Anonymise({"actor": "NULL", "name": "''"}, _STAYS),
    ),
    Table(
        "amendment",
        text=("Änderungsvorschläge", "amendments"),
        columns=(
            Column("actor", ("Konto", "account")),
            Column("name", ("Name", "name"), correctable=True),
            Column("title", ("Überschrift", "title")),
            Column("text", ("Text", "text")),
            Column("why", ("Begründung", "reasons")),
            Column("at", ("geschrieben", "written")),
        ),
        impersonal=("number", "proposal", "state", "before_title", "before_text", "decided_at"),
        found={"actor": "actor"},
        retention=_TWO_YEARS,
        erasure=Anonymise({"actor": "NULL", "name": "''"}, _STAYS),
    ),
    Table(
        "proposal",
        text=("Vorschläge", "proposals"),
        columns=(
            Column("title", ("Überschrift", "title")),
            Column("text", ("Text", "text")),
            Column("lon", ("Länge des Ortes", "longitude of the place")),
            Column("lat", ("Breite des Ortes", "latitude of the place")),
            Column("created_at", ("eingegangen", "received")),
        ),
        impersonal=(
            *("number", "theme_group", "links", "state", "merged_into", "on_paper", "promised_at"),
            "answered_at",
        ),
        found={
            "actor": "(SELECT a.actor FROM proposal_author a WHERE a.proposal = proposal.number AND a.came = 'wrote')",
            "mail": "(SELECT lower(a.mail) FROM proposal_author a WHERE a.proposal = proposal.number "
            "AND a.came = 'wrote')",
        },
        retention=Retention(
            (
                "bleibt ohne Namen öffentlich, mit allem, was daraus wurde",
                "stays public without a name, with all that became of it",
            )
        ),
        erasure=Keep(_STAYS),
    ),
    Uploads(
        ("Bilder in Vorschlägen, Unterlagen von Gruppen", "pictures of proposals, papers of groups"),
        Retention(
            ("bis sie entfernt werden", "until they are removed"),
        ),
        app="participation",
    ),
)

IMPERSONAL: Final = {
    "proposal_step": ("number", "proposal", "step", "office", "text", "link", "other", "at"),
    "proposal_picture": ("file", "proposal", "description", "at"),
}
