"""The record of processing activities (Art. 30(1) GDPR), as it follows from the register: for pages, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from .register import GROUNDS, Activity, Holding, Register, Table, Text, Uploads

_MEASURES: Sequence[Text] = (
    ("Zugriff nur mit Berechtigung", "access by permission only"),
    ("getrennte Schemata und Rollen in der Datenbank", "schemas and roles of their own in the database"),
    ("Protokoll der Verwaltung", "audit log"),
    ("verschlüsselte Sicherungen, wenn so eingestellt", "encrypted backups, where set"),
)


def data_of(holding: Holding) -> list[Text]:
    """The categories of data of a holding."""
    if isinstance(holding, Table):
        return [column.text for column in holding.columns]
    if isinstance(holding, Uploads):
        return [("Name, Art, Inhalt, Zeitpunkt", "name, kind, content, moment")]
    return list(getattr(holding, "attributes", {}).values())


def record(register: Register) -> list[dict[str, Any]]:
    """All activities as JSON; texts are objects with `de` and `en`."""
    return [
        {
            "key": activity.key,
            "keptBy": one.owner,
            "title": _both(activity.title),
            "purpose": _both(activity.purpose),
            "legalGround": {"article6": activity.ground, **_both(GROUNDS[activity.ground])},
            "provision": activity.provision,
            "subjects": _both(activity.subjects),
            "recipients": [_both(text) for text in activity.recipients],
            "thirdCountries": [_both(text) for text in activity.transfers],
            "measures": [_both(text) for text in (*_MEASURES, *activity.measures)],
            "data": [
                {
                    "what": _both(holding.text),
                    "where": getattr(holding, "name", None) or getattr(holding, "type", None) or "files",
                    "categories": [_both(text) for text in data_of(holding)],
                    "retention": _both(holding.retention.text),
                }
                for holding in activity.holdings
            ],
        }
        for one, activity in register.activities()
    ]


def table(register: Register, language: str) -> str:
    """The same as CSV in one language, a line for each activity and thing that is kept."""
    index = 0 if language == "de" else 1
    heads = (
        ("Tätigkeit", "activity"),
        ("Zweck", "purpose"),
        ("Rechtsgrundlage", "legal ground"),
        ("Betroffene", "data subjects"),
        ("Daten", "data"),
        ("Kategorien", "categories"),
        ("Empfänger", "recipients"),
        ("Drittländer", "third countries"),
        ("Löschfrist", "retention"),
        ("Maßnahmen", "measures"),
    )
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow([head[index] for head in heads])
    for _, activity in register.activities():
        for holding in activity.holdings:
            writer.writerow([_safe(cell) for cell in _cells(activity, holding, index)])
    return text.getvalue()


def _cells(activity: Activity, holding: Holding, index: int) -> list[str]:
    def joined(texts: Sequence[Text]) -> str:
        return "; ".join(one[index] for one in texts)

    return [
        activity.title[index],
        activity.purpose[index],
        f"Art. 6(1)({activity.ground}): {activity.provision}",
        activity.subjects[index],
        holding.text[index],
        joined(data_of(holding)),
        joined(activity.recipients),
        joined(activity.transfers),
        holding.retention.text[index],
        joined((*_MEASURES, *activity.measures)),
    ]


def _safe(cell: str) -> str:
    """A spreadsheet takes what begins so for a formula."""
    return "'" + cell if cell[:1] in "=+-@\t" else cell


def _both(text: Text) -> dict[str, str]:
    return {"de": text[0], "en": text[1]}
