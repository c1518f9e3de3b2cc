"""Personal data of proposals: declared, found, erased; texts that others answered stay, without their author."""

from __future__ import annotations

from rhinecloud.apps.participation import app
from rhinecloud.apps.participation.proposals import forgetting, manifest
from rhinecloud.people.declared import columns_of
from rhinecloud.people.holdings import condition
from rhinecloud.people.register import Anonymise, Person, Table, undeclared

from ..moderation.conftest import Town
from .test_people import read, send, write

TABLES = [one for one in manifest.HOLDINGS if isinstance(one, Table)]


async def test_every_column_is_declared(town: Town) -> None:
    own = {*(table.name for table in TABLES), *manifest.IMPERSONAL}
    there = [one for one in await columns_of(town.rows, "app_participation") if one[0] in own]
    assert {table for table, _ in there} == own
    found = undeclared(there, [app.personal_data])
    assert not [one for one in found if one.split(".")[0] in own]


async def test_what_is_somebodys_is_found_and_an_erasure_leaves_the_text(town: Town) -> None:
    author, other = await town.person(), await town.person()
    number = await write(town, author, name="Frau vom Hafen")
    await send(author, number, "comments", comment="Ich meine den Süden.", comment_name="Frau vom Hafen")
    await send(other, number, "comments", comment="Ich auch.")
    await send(author, number, "support", support="yes")
    person = Person(account=author.account)
    for table in TABLES:
        where, values = condition(table, person)
        found = await town.rows.fetchval(f"SELECT count(*) FROM {table.name} WHERE {where}", *values)
        assert found == (0 if table.name == "amendment" else 1), table.name
    for table in TABLES:
        where, values = condition(table, person)
        if isinstance(table.erasure, Anonymise):
            to = ", ".join(f"{name} = {sql}" for name, sql in table.erasure.to.items())
            await town.rows.execute(f"UPDATE {table.name} SET {to} WHERE {where}", *values)
    shown = await read(town.anybody(), number)
    assert "Ich meine den Süden." in shown and "Der Weg endet im Nichts." in shown
    assert "Frau vom Hafen" not in shown


async def test_authors_are_forgotten_two_years_after_the_end(town: Town) -> None:
    author, staff = await town.person(), await town.person("editor")
    closed, recent, open_ = [await write(town, author, name="Wer schrieb") for _ in range(3)]
    for number in (closed, recent):
        await send(staff, number, "steps", step="decline", office="Bauamt", said="Geht nicht.")
    long_ago = "UPDATE proposal_step SET at = at - interval '731 days' WHERE proposal = ANY($1)"
    # As if it were long ago: the trail cannot be changed, but by who owns the table.
    await town.rows.execute("ALTER TABLE proposal_step DISABLE TRIGGER proposal_step_stays")
    await town.rows.execute(long_ago, [closed, open_])
    await town.rows.execute("ALTER TABLE proposal_step ENABLE TRIGGER proposal_step_stays")
    for statement, values in forgetting.statements(await town.rows.fetchval("SELECT now()")):
        await town.rows.execute(statement, *values)
    assert "Wer schrieb" not in await read(staff, closed)
    assert "Wer schrieb" in await read(staff, recent)
    assert "Wer schrieb" in await read(staff, open_)
