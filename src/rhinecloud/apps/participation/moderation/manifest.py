"""What looking after texts adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Endpoint, Job, Page, Place
from rhinecloud.people.register import Anonymise, Column, Delete, Keep, Retention, Table

from . import desk_pages, digest_pages, digests, report_pages

_PUBLIC: Final = "public"
# Who may moderate what depends on its group: the pages ask.
_TAKE_PART: Final = "participation.take_part"

PAGES: Final = (
    Page("/report", report_pages.report, _PUBLIC),
    Page("/report", report_pages.file, _PUBLIC, "POST"),
    Page("/appeal/{number:int}", report_pages.appeal, _PUBLIC),
    Page("/appeal/{number:int}", report_pages.send_appeal, _PUBLIC, "POST"),
    Page("/digest", digest_pages.ask, _PUBLIC),
    Page("/digest", digest_pages.subscribe, _PUBLIC, "POST"),
    Page("/digest/{number:int}", digest_pages.one, _PUBLIC),
    Page("/digest/{number:int}", digest_pages.write, _PUBLIC, "POST"),
    Page("/moderation", desk_pages.queue, _TAKE_PART),
    Page("/moderation/{kind}/{number:int}", desk_pages.one, _TAKE_PART),
    Page("/moderation/{kind}/{number:int}", desk_pages.act, _TAKE_PART, "POST"),
)

# For mail programs, which show no page and come from nowhere of ours.
ENDPOINTS: Final = (
    Endpoint(
        "/digests/{number:int}/end", digest_pages.end, _PUBLIC, "POST", largest_body=2**14, own_secret=True
    ),
)

JOBS: Final = (Job("digests", digests.send, None, cron="30 6 * * *"),)

PLACES: Final = (
    Place(("Moderation", "Moderation"), "participation.organise", "/moderation", order=44),
    Place(("Neuigkeiten per E-Mail", "News by mail"), _PUBLIC, "/digest", order=45),
)

HOLDINGS: Final = (
    Table(
        "report",
        text=("Meldungen von Beiträgen", "reports of contributions"),
        columns=(
            Column("reported_by", ("gemeldet von", "reported by")),
            Column("mail", ("E-Mail-Adresse für die Antwort", "mail address for the answer")),
            Column("text", ("Meldung", "report")),
        ),
        impersonal=(
            *("number", "subject", "theme_group", "reason", "language", "reported_at", "decision"),
            "decided_at",
        ),
        found={"actor": "reported_by", "mail": "lower(mail)"},
        retention=Retention(
            ("90 Tage nach der Entscheidung", "90 days after the decision"), "decided_at", 90
        ),
        erasure=Anonymise(
            {"reported_by": "NULL", "mail": "NULL", "text": "''"},
            (
                "Dass etwas gemeldet wurde, bleibt, bis darüber entschieden ist; von wem, weiß niemand mehr",
                "that something was reported stays until it is decided; nobody knows any more by whom",
            ),
        ),
    ),
    Table(
        "hiding",
        text=("verborgene Beiträge und Widersprüche", "hidden contributions and appeals"),
        columns=(
            Column("author", ("Verfasserin oder Verfasser", "author")),
            Column("appeal", ("Widerspruch", "appeal")),
        ),
        impersonal=(
            *("number", "subject", "theme_group", "reason", "text", "hidden_at", "appeal_key", "appealed_at"),
            *("decision", "decision_text", "decided_at", "restored_at"),
        ),
        found={"actor": "author", "mail": "lower(author)"},
        retention=Retention(
            (
                "solange etwas verborgen ist, und ein Jahr danach",
                "as long as something is hidden, and a year after that",
            ),
            "restored_at",
            365,
        ),
        erasure=Anonymise(
            {"author": "NULL", "appeal": "NULL"},
            (
                "Dass und warum etwas verborgen ist, bleibt; wessen es war, weiß niemand mehr",
                "that something is hidden, and why, stays; nobody knows any more whose it was",
            ),
        ),
    ),
    Table(
        "hider",
        text=("wer etwas verborgen hat", "who hid something"),
        columns=(Column("actor", ("verborgen von", "hidden by")),),
        impersonal=("hiding",),
        found={"actor": "actor"},
        retention=Retention(
            ("so lange wie das, was verborgen wurde", "as long as what was hidden"),
        ),
        erasure=Keep(
            (
                "Wer etwas verborgen hat, entscheidet nicht über den Widerspruch",
                "who hid something does not decide about the appeal",
            ),
        ),
    ),
)

# What is kept because somebody agreed to it (the activity "participation-news").
CONSENTED: Final = (
    Table(
        "digest",
        text=("Neuigkeiten per E-Mail (Einwilligung)", "news by mail (consent)"),
        columns=(
            Column("account", ("Konto", "account")),
            Column("mail", ("E-Mail-Adresse", "mail address"), correctable=True),
            Column("language", ("Sprache", "language")),
            Column("every", ("wie oft", "how often")),
            Column("theme_groups", ("Nummern der Gruppen", "numbers of the groups")),
            Column("asked_at", ("gewünscht am", "asked for on")),
            Column("consented_at", ("eingewilligt am", "consented on")),
            Column(
                "key", ("Schlüssel des Links in den Briefen", "key of the link in the letters"), shown=False
            ),
        ),
        impersonal=("number", "address", "told_until"),
        found={"actor": "account", "mail": "lower(mail)"},
        retention=Retention(
            (
                "bis sie beendet werden; was nicht bestätigt wird, eine Woche",
                "until they are ended; what is not confirmed, a week",
            ),
            "(CASE WHEN consented_at IS NULL THEN asked_at END)",
            7,
        ),
        erasure=Delete(),
    ),
)
