"""The register of personal data: what is kept of whom, why, on what legal ground, for whom, how long.

Each room and each app declares it in its manifest as `PersonalData`. From the declarations follow the record of
processing activities (Art. 30 GDPR), the privacy notice (Art. 13), retention, and what becomes of a person's request
for access, a copy, correction or erasure (Art. 15, 16, 17, 20). Pure: `people/holdings.py` carries it out.

An app's manifest:

    PersonalData(
        activities=(
            Activity(
                "loans",
                ("Verleih von Messgeräten", "Lending of sensors"),
                purpose=("wissen, wer welches Gerät hat", "to know who has which sensor"),
                ground="b",
                provision="Art. 6 Abs. 1 Buchst. b DSGVO",
                subjects=("Ausleihende", "borrowers"),
                recipients=(("Ausgabestelle", "the lending desk"),),
                holdings=(
                    Table(
                        "loan",
                        text=("Leihen", "loans"),
                        columns=(
                            Column("account", ("Konto", "account")),
                            Column("note", ("Notiz", "note"), correctable=True),
                        ),
                        impersonal=("id", "sensor", "returned_at"),
                        found={"account": "account"},
                        retention=Retention(("ein Jahr nach Rückgabe", "a year after return"), "returned_at", 365),
                        erasure=Delete(),
                    ),
                ),
            ),
        ),
        impersonal={"sensor": ("id", "model")},
    )
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

Text = tuple[str, str]  # German, English
Ground = Literal["a", "b", "c", "d", "e", "f"]
By = Literal["account", "actor", "mail", "device"]

# Art. 6(1) GDPR, points (a) to (f).
GROUNDS: Final[Mapping[Ground, Text]] = {
    "a": ("Einwilligung", "consent"),
    "b": ("Vertrag oder Nutzungsverhältnis", "contract"),
    "c": ("rechtliche Verpflichtung", "legal obligation"),
    "d": ("lebenswichtige Interessen", "vital interests"),
    "e": ("öffentliche Aufgabe", "task in the public interest"),
    "f": ("berechtigtes Interesse", "legitimate interest"),
}


class Person(msgspec.Struct, frozen=True):
    """Somebody, by what they are known by: the number of their account, mail addresses, ids of devices of theirs."""

    account: int | None = None
    mails: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    def values(self, by: By) -> list[Any]:
        """What to look for. The audit calls an account `person:17`; addresses are compared in lower case."""
        if by == "mail":
            return [mail.lower() for mail in self.mails]
        if by == "device":
            return list(self.devices)
        if self.account is None:
            return []
        return [self.account] if by == "account" else [f"person:{self.account}"]

    @property
    def known(self) -> bool:
        """Whether there is anything to look for."""
        return self.account is not None or bool(self.mails) or bool(self.devices)


class Column(msgspec.Struct, frozen=True):
    """A column with personal data. `shown` is false for what is no news to anybody and safer unseen (hashes, keys); a
    person may have a `correctable` one corrected to another text."""

    name: str
    text: Text
    shown: bool = True
    correctable: bool = False


class Retention(msgspec.Struct, frozen=True):
    """How long: in words, and as a rule that is computed: `days` after `since` (SQL over the row, of type
    timestamptz; null means for now). `setting` names a setting with the days instead. Whoever sweeps by themselves
    says so in `by`; else the daily job of the register does it."""

    text: Text
    since: str = ""
    days: float = 0
    setting: str = ""
    by: str = ""


class Delete(msgspec.Struct, frozen=True):
    """What is to be erased is deleted."""


class Anonymise(msgspec.Struct, frozen=True):
    """It stays, without the person: each column of `to` becomes an SQL expression. `reason` says why it stays."""

    to: Mapping[str, str]
    reason: Text


class Keep(msgspec.Struct, frozen=True):
    """It must stay for now; `reason` names the duty or the end (Art. 17(3) GDPR)."""

    reason: Text


Erasure = Delete | Anonymise | Keep


class Table(msgspec.Struct, frozen=True):
    """Rows of a table. `found`: by what a person is found, as SQL over the row (`account`: bigint; the others: text,
    `mail` in lower case). `mentions`: texts (SQL) in which a mail address may stand, so that a row with one of the
    person's is theirs. `text` names the rows to people. `impersonal` are its other columns, which tell nothing of a
    person."""

    name: str
    text: Text
    columns: tuple[Column, ...]
    found: Mapping[By, str]
    retention: Retention
    erasure: Erasure = Delete()
    impersonal: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()


class Entities(msgspec.Struct, frozen=True):
    """Entities of a type (an IRI), with their history. `found`: the attribute (an IRI) whose value is the account
    (`person:17` for `actor`), the mail address or the device. Erased with all history: the entity, or only its personal
    `attributes` where `whole` is false."""

    type: str
    text: Text
    attributes: Mapping[str, Text]
    found: Mapping[By, str]
    retention: Retention
    whole: bool = True


class Uploads(msgspec.Struct, frozen=True):
    """Files that people uploaded to an app ("" for all); who did is their `created_by`."""

    text: Text
    retention: Retention
    app: str = ""


class Passing(msgspec.Struct, frozen=True):
    """A stream or a log that forgets by itself, and is not shown: what of it an erasure reaches beforehand, it reaches
    from the entities and devices of a person (people/rights.py)."""

    name: str
    text: Text
    retention: Retention


class Custom(msgspec.Struct, frozen=True):
    """What SQL cannot say: functions of the app. Both are given the pool of its schema and the person; `access` returns
    what there is as plain JSON objects, `erase` how many it erased."""

    name: str
    text: Text
    retention: Retention
    access: Callable[[Any, Person], Awaitable[Sequence[Mapping[str, Any]]]]
    erase: Callable[[Any, Person], Awaitable[int]]


Holding = Table | Entities | Uploads | Passing | Custom


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """A processing activity (Art. 30(1) GDPR). `provision` is the law in words a lawyer knows, national one included;
    `recipients` are categories, `transfers` third countries; `measures` adds to the general ones of the notice."""

    key: str
    title: Text
    purpose: Text
    ground: Ground
    provision: str
    subjects: Text
    holdings: tuple[Holding, ...]
    recipients: tuple[Text, ...] = ()
    transfers: tuple[Text, ...] = ()
    measures: tuple[Text, ...] = ()


class PersonalData(msgspec.Struct, frozen=True):
    """What a room or an app declares: its activities, and the columns of its other tables, which tell nothing of
    anybody (`impersonal`: table → columns; `*` for a table that a library keeps as it likes)."""

    activities: tuple[Activity, ...] = ()
    impersonal: Mapping[str, tuple[str, ...]] = {}

    @property
    def tables(self) -> Iterator[Table]:
        """All tables with personal data."""
        for activity in self.activities:
            for holding in activity.holdings:
                if isinstance(holding, Table):
                    yield holding


class Declared(msgspec.Struct, frozen=True):
    """One room's or app's declaration; `schema` is where its tables are: `tenant` or `room_people` for the house's own
    rooms, `app_NAME` for an app."""

    owner: str
    schema: str
    data: PersonalData


class Register:
    """All declarations of an installation."""

    def __init__(self, declared: Iterable[Declared] = ()) -> None:
        self._declared: list[Declared] = []
        for one in declared:
            self.add(one.owner, one.schema, one.data)

    def add(self, owner: str, schema: str, data: PersonalData) -> None:
        """Add a declaration. Raises ValueError for what cannot be carried out, with the place."""
        for problem in problems(data):
            raise ValueError(f"{owner}: {problem}")
        keys = {activity.key for one in self._declared for activity in one.data.activities}
        for activity in data.activities:
            if activity.key in keys:
                raise ValueError(f"{owner}: there is an activity {activity.key} already")
        self._declared.append(Declared(owner, schema, data))

    def __iter__(self) -> Iterator[Declared]:
        return iter(self._declared)

    def activities(self) -> Iterator[tuple[Declared, Activity]]:
        """All activities, with who declared them, in the order in which they came."""
        for one in self._declared:
            for activity in one.data.activities:
                yield one, activity

    def holdings(self) -> Iterator[tuple[Declared, Activity, Holding]]:
        """Everything that is kept."""
        for one, activity in self.activities():
            for holding in activity.holdings:
                yield one, activity, holding


def problems(data: PersonalData) -> Iterator[str]:
    """What in a declaration contradicts itself."""
    seen: set[str] = set(data.impersonal)
    for activity in data.activities:
        for holding in activity.holdings:
            if not isinstance(holding, Table):
                continue
            if holding.name in seen:
                yield f"the table {holding.name} is declared twice"
            seen.add(holding.name)
            names = {column.name for column in holding.columns}
            if both := names & set(holding.impersonal):
                yield f"{holding.name}: {sorted(both)} cannot be personal and impersonal"
            if not holding.found and not isinstance(holding.erasure, Keep):
                yield f"{holding.name}: nobody can be found in it, so nothing of it can be erased"
            if isinstance(holding.erasure, Anonymise) and (wrong := set(holding.erasure.to) - names):
                yield f"{holding.name}: {sorted(wrong)} are no personal columns to be made anonymous"
            if not holding.retention.by and not holding.retention.since and not holding.retention.text[0]:
                yield f"{holding.name}: says nothing about how long"


def undeclared(columns: Iterable[tuple[str, str]], declarations: Iterable[PersonalData]) -> list[str]:
    """What of a schema's columns (table, column) nobody declared, and what is declared but not there; nothing, if the
    declarations of the schema are whole."""
    there = set(columns)
    declared: set[tuple[str, str]] = set()
    whole: set[str] = set()
    for data in declarations:
        for table, names in data.impersonal.items():
            if names == ("*",):
                whole.add(table)
            declared |= {(table, name) for name in names if name != "*"}
        for holding in data.tables:
            declared |= {(holding.name, column.name) for column in holding.columns}
            declared |= {(holding.name, name) for name in holding.impersonal}
    missing = sorted(one for one in there - declared if one[0] not in whole)
    gone = sorted(declared - there)
    return [f"{table}.{column} is not declared" for table, column in missing] + [
        f"{table}.{column} is declared but not there" for table, column in gone
    ]
