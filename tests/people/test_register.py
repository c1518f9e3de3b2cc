"""The register: what contradicts itself is refused, what nobody declared is found."""

from __future__ import annotations

import pytest

from rhinecloud.people.register import (
    Activity,
    Anonymise,
    Column,
    Delete,
    Erasure,
    Keep,
    Person,
    PersonalData,
    Register,
    Retention,
    Table,
    undeclared,
)

YEAR = Retention(("ein Jahr", "a year"), "at", 365)


def loans(
    name: str = "loan",
    *,
    key: str = "loans",
    impersonal: tuple[str, ...] = ("id", "at"),
    erasure: Erasure | None = None,
    found: bool = True,
) -> PersonalData:
    table = Table(
        name,
        ("Leihen", "loans"),
        (Column("account", ("Konto", "account")), Column("note", ("Notiz", "note"))),
        {"account": "account"} if found else {},
        YEAR,
        erasure or Delete(),
        impersonal,
    )
    return PersonalData((activity(key, table),), {"sensor": ("id", "model")})


def activity(key: str, *holdings: Table) -> Activity:
    return Activity(
        key=key,
        title=("Verleih", "Lending"),
        purpose=("wissen, wer was hat", "to know who has what"),
        ground="b",
        provision="Art. 6 Abs. 1 Buchst. b DSGVO",
        subjects=("Ausleihende", "borrowers"),
        holdings=holdings,
    )


def test_a_person_is_looked_for_by_what_is_known() -> None:
    person = Person(17, ("Someone@Example.org",), ("sensor-1",))
    assert person.values("account") == [17]
    assert person.values("actor") == ["person:17"]
    assert person.values("mail") == ["someone@example.org"]
    assert person.values("device") == ["sensor-1"]
    assert Person().values("actor") == [] and not Person().known


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (PersonalData(loans().activities, {"loan": ("id",)}), "declared twice"),
        (loans(impersonal=("id", "note")), "cannot be personal and impersonal"),
        (loans(found=False), "nobody can be found in it"),
        (loans(erasure=Anonymise({"at": "NULL"}, ("Zählung", "counting"))), "no personal columns"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(data: PersonalData, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Register().add("lending", "app_lending", data)


def test_what_must_stay_need_not_be_found() -> None:
    Register().add("lending", "app_lending", loans(found=False, erasure=Keep(("Pflicht", "duty"))))


def test_keys_of_activities_are_one_over_all_apps() -> None:
    register = Register()
    register.add("lending", "app_lending", loans())
    with pytest.raises(ValueError, match="there is an activity loans already"):
        register.add("library", "app_library", loans("book"))
    register.add("library", "app_library", loans("book", key="books"))
    assert [(one.owner, activity.key) for one, activity in register.activities()] == [
        ("lending", "loans"),
        ("library", "books"),
    ]


def test_undeclared_columns_are_found_and_declarations_do_not_rot() -> None:
    there = [("loan", name) for name in ("id", "at", "account", "note")] + [
        ("sensor", "id"),
        ("sensor", "model"),
    ]
    assert undeclared(there, [loans()]) == []
    assert undeclared([*there, ("loan", "phone")], [loans()]) == ["loan.phone is not declared"]
    assert undeclared([*there, ("visitor", "name")], [loans()]) == ["visitor.name is not declared"]
    assert undeclared(there[:-1], [loans()]) == ["sensor.model is declared but not there"]
    assert undeclared([*there, ("pgqueuer", "x")], [loans(), PersonalData((), {"pgqueuer": ("*",)})]) == []
