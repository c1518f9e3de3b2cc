"""What this area adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Job, Page, View
from rhinecloud.people.register import Column, Delete, Keep, Retention, Table

from . import closing, moderating

_ORGANISE: Final = "participation.organise"

PAGES: Final = (
    Page("/polls/{number:int}/moderation", moderating.page, _ORGANISE),
    Page("/polls/{number:int}/moderation", moderating.judge, _ORGANISE, "POST"),
)

VIEWS: Final = (View("/moderation/{number}", moderating.part, _ORGANISE, every=15.0),)

JOBS: Final = (Job("ballots-sweep", closing.sweep_again, None, cron="*/10 * * * *", attempts=1),)

# A participant is a number; whose it is says the invitation, where there is one with a mail address.
_MAIL: Final = (
    "(SELECT lower(i.mail) FROM participant p JOIN invitation i ON i.event = p.event AND i.number = p.invitation "
    "WHERE p.event = {table}.event AND p.id = {table}.participant)"
)
_OVER: Final = "(SELECT e.ended_at FROM event e WHERE e.number = {table}.event)"
_YEAR: Final = 365


def _of_event(table: str) -> Retention:
    return Retention(
        ("ein Jahr nach der Veranstaltung", "a year after the event"), _OVER.format(table=table), _YEAR
    )


_WHILE_OPEN: Final = Retention(
    (
        "bis die geheime Abstimmung schließt; dann wird die Verbindung zerstört",
        "until the secret vote closes, which destroys the link",
    ),
    by="closing",
)
_ON_RECORD: Final = Keep(("Wer Beiträge verbirgt, wird nachgewiesen", "who hides contributions is on record"))
_NOT_FOUND: Final = Keep(
    (
        "Bis zum Schließen lässt es sich nur mit dem Gerät der Person zuordnen",
        "until closing only the person's own device can tell whose it is",
    )
)

HOLDINGS: Final = (
    Table(
        "vote",
        text=("offene Stimmen", "named votes"),
        columns=(
            Column("participant", ("Nummer der Teilnahme", "number of the participant")),
            Column("choice", ("Wahl", "choice")),
            Column("arrival", ("Rang des Eingangs", "order of arrival")),
        ),
        impersonal=("poll", "event", "revision"),
        found={"mail": _MAIL.format(table="vote")},
        retention=_of_event("vote"),
        erasure=Delete(),
    ),
    Table(
        "ballot",
        text=("geheime Stimmen, solange abgestimmt wird", "secret votes while the vote is open"),
        columns=(
            Column(
                "key", ("Prüfwert des Schlüssels auf dem Gerät", "hash of the key on the device"), shown=False
            ),
            Column("choice", ("Wahl", "choice")),
            Column("shown", ("Wahl, wie Ergebnisse sie nennen", "choice as results tell it")),
        ),
        impersonal=("poll", "revision"),
        found={},
        retention=_WHILE_OPEN,
        erasure=_NOT_FOUND,
    ),
    Table(
        "voted",
        text=("wer in geheimen Abstimmungen abgestimmt hat", "who has voted in secret votes"),
        columns=(Column("participant", ("Nummer der Teilnahme", "number of the participant")),),
        impersonal=("poll",),
        found={
            "mail": "(SELECT lower(i.mail) FROM poll o JOIN participant p ON p.event = o.event "
            "JOIN invitation i ON i.event = p.event AND i.number = p.invitation "
            "WHERE o.number = voted.poll AND p.id = voted.participant)"
        },
        retention=_WHILE_OPEN,
        erasure=Keep(
            ("Sonst könnte eine Person zweimal abstimmen", "else a person could vote twice"),
        ),
    ),
    Table(
        "question",
        text=("Fragen an die Bühne", "questions to the stage"),
        columns=(
            Column("participant", ("Nummer der Teilnahme", "number of the participant")),
            Column("text", ("Frage", "question")),
        ),
        impersonal=("number", "poll", "event", "state", "votes"),
        found={"mail": _MAIL.format(table="question")},
        retention=_of_event("question"),
        erasure=Delete(),
    ),
    Table(
        "support",
        text=("Unterstützung von Fragen", "support of questions"),
        columns=(Column("participant", ("Nummer der Teilnahme", "number of the participant")),),
        impersonal=("question", "event"),
        found={"mail": _MAIL.format(table="support")},
        retention=Retention(("solange Fragen gestellt werden", "while questions are asked"), by="closing"),
        erasure=Delete(),
    ),
    Table(
        "judged_word",
        text=("Urteile über Wörter", "judgements of words"),
        columns=(Column("judged_by", ("beurteilt von", "judged by")),),
        impersonal=("poll", "word", "shown", "judged_at"),
        found={"actor": "judged_by"},
        retention=Retention(("solange es die Abstimmung gibt", "as long as the poll exists")),
        erasure=_ON_RECORD,
    ),
)

IMPERSONAL: Final = {"counted": ("*",)}
