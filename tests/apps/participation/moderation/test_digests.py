"""News by mail: asked for, confirmed, told once, not told where there is nothing, ended without signing in."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest

from tests.conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve

from .conftest import Person, Town, words_of

PAGE = "/participation/digest"
RUN = (
    "INSERT INTO tenant_city.pgqueuer (priority, status, entrypoint, payload) "
    "VALUES (0, 'queued', 'participation.digests', 'null') RETURNING id"
)


async def run(rows: asyncpg.Connection) -> None:
    """It is morning: the job of the digests runs, and ends."""
    job = await rows.fetchval(RUN)
    for _ in range(600):
        if await rows.fetchval("SELECT status FROM tenant_city.pgqueuer WHERE id = $1", job) is None:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the job did not end")


async def ask(who: Person, *groups: int, every: str = "day", mail: str = "", **more: str) -> int:
    """Ask for news; the status of the answer."""
    given = {"every": every, "mail": mail, **more} | {f"group-{group}": "on" for group in groups}
    return (await who.post(PAGE, data=given)).status_code


async def passes(rows: asyncpg.Connection, hours: float) -> None:
    """Time goes by: all that was done and told was so much longer ago."""
    ago = f"- interval '{hours} hours'"
    async with rows.transaction():  # a trail is never changed but here
        for statement in (
            "ALTER TABLE proposal_step DISABLE TRIGGER proposal_step_stays",
            f"UPDATE digest SET told_until = told_until {ago}, asked_at = asked_at {ago}",
            f"UPDATE proposal SET created_at = created_at {ago}",
            f"UPDATE proposal_step SET at = at {ago}",
            "ALTER TABLE proposal_step ENABLE TRIGGER proposal_step_stays",
        ):
            await rows.execute(statement)


async def told(town: Town, who: Person) -> int:
    """How many letters with news were written to somebody."""
    count: int = await town.rows.fetchval(
        "SELECT count(*) FROM tenant_city.mail WHERE recipient = $1 AND letter = 'participation_digest'",
        who.mail,
    )
    return count


def link_in(text: str) -> str:
    found = re.findall(r"https?://[^/\s]+(/participation/digest/\S+)", text)
    assert len(found) == 1, text
    return str(found[0])


async def test_who_signed_in_gets_what_is_new_once(town: Town) -> None:
    group, other = await town.group("Wohnen"), await town.group("Verwaltung")
    reader, english = await town.person(), await town.person(language="en")
    await town.belongs(reader, group)
    page = (await reader.get(PAGE)).text
    assert re.search(rf'name="group-{group}"[^>]* checked', page)  # one's own groups are chosen already
    assert not re.search(rf'name="group-{other}"[^>]* checked', page)
    assert await ask(reader, group) == 303 and await ask(english, group, other, every="week") == 303
    await passes(town.rows, 24)
    await run(town.rows)
    assert await told(town, reader) == 0  # nothing is new

    author = await town.person()
    await town.proposal(author, group, "Höfe <öffnen>")
    hidden = await town.proposal(author, group, "Ganz böse")
    staff = await town.person("editor")
    given = {"action": "hide", "reason": "insult", "text": "Nein"}
    await staff.post("/participation/moderation/" + hidden.replace(":", "/"), data=given)
    await passes(town.rows, 24)
    await run(town.rows)
    (letter,) = await town.letters(reader.mail)
    news = words_of(letter)
    assert "Höfe <öffnen>" in news and "Wohnen" in news and "Verwaltung" not in news
    assert "Ganz böse" not in news
    html = letter.message.get_body(("html",))
    assert html is not None and "Höfe &lt;öffnen&gt;" in html.get_content()
    for hours in (0, 24, 24):  # again, and on the next mornings: it was told
        await passes(town.rows, hours)
        await run(town.rows)
    assert (await told(town, reader), await told(town, english)) == (1, 0)  # the week is not over

    await town.proposal(author, other, "Kurze Wege")
    await passes(town.rows, 7 * 24)
    await run(town.rows)
    (letter,) = await town.letters(english.mail)
    assert "this is new:" in words_of(letter) and "Kurze Wege" in words_of(letter)
    assert await told(town, reader) == 1

    # It ends by the link in the letter, without signing in; looking at it ends nothing.
    link = link_in(news)
    path, _, key = link.partition("?key=")
    assert (await town.anybody().get(link)).status_code == 200
    assert (await town.anybody().get(f"{path}?key={'0' * 32}")).status_code == 404
    assert (await town.anybody().post(path, data={"key": "", "action": "end"})).status_code == 404
    assert (await town.anybody().post(path, data={"key": key, "action": "end"})).status_code == 303
    assert await town.rows.fetchval("SELECT count(*) FROM digest WHERE account = $1", reader.id) == 0
    assert (await town.anybody().get(link)).status_code == 404


async def test_an_address_is_written_to_only_when_its_owner_agreed(town: Town) -> None:
    group, anybody, mail = await town.group("Breitband"), town.anybody(), "leser@example.org"
    assert await ask(anybody, group, mail=mail) == 303
    (letter,) = await town.letters(mail)
    assert await ask(anybody, group, mail=mail.upper()) == 303  # no second letter so soon
    await town.proposal(await town.person(), group, "Glasfaser")
    await passes(town.rows, 0.2)
    await run(town.rows)
    await town.letters(mail, 1)  # not confirmed

    link = link_in(words_of(letter))
    assert "bestätigen" in (await anybody.get(link)).text
    path, _, key = link.partition("?key=")
    given = {"key": key, "every": "day", f"group-{group}": "on"}
    assert (await anybody.post(path, data=given)).status_code == 303
    row = await town.rows.fetchrow("SELECT consented_at, told_until FROM digest WHERE mail = $1", mail)
    assert row["consented_at"] is not None and row["consented_at"] == row["told_until"]
    assert (await anybody.post(path, data={**given, "every": "week"})).status_code == 303
    changed = await town.rows.fetchrow("SELECT consented_at, every FROM digest WHERE mail = $1", mail)
    assert (changed["consented_at"], changed["every"]) == (row["consented_at"], "week")

    # Somebody else who types the address changes nothing, and reads nothing different.
    await town.rows.execute("UPDATE digest SET asked_at = asked_at - interval '1 day' WHERE mail = $1", mail)
    stranger = town.anybody()
    assert await ask(stranger, group, mail=mail, every="day") == 303
    assert "Sie bekommen sie schon" in words_of((await town.letters(mail, 2))[1])
    assert await town.rows.fetchval("SELECT every FROM digest WHERE mail = $1", mail) == "week"

    # The button of a mail program comes from nowhere of ours (RFC 8058).
    number = re.findall(r"/digest/(\d+)", path)[0]
    button = f"/api/participation/digests/{number}/end"
    program = town.anybody()
    del program.headers["Origin"]
    body = {"List-Unsubscribe": "One-Click"}
    assert (await program.post(button, params={"key": "0" * 32}, data=body)).status_code == 401
    assert await town.rows.fetchval("SELECT count(*) FROM digest WHERE mail = $1", mail) == 1
    for status in (200, 401):  # the second time it is over already
        assert (await program.post(button, params={"key": key}, data=body)).status_code == status
    assert await town.rows.fetchval("SELECT count(*) FROM digest WHERE mail = $1", mail) == 0


@pytest.mark.parametrize(
    ("more", "answered"),
    [
        ({"mail": "niemand"}, "keine E-Mail-Adresse"),
        ({"mail": ""}, "keine E-Mail-Adresse"),
        ({"mail": "a@" + "b" * 1_000_000}, "keine E-Mail-Adresse"),
        ({"mail": "a@-.de"}, "kann keine E-Mail gehen"),
        ({"every": "hour"}, "wie oft"),
        ({"group": "no"}, "mindestens eine Gruppe"),
    ],
)
async def test_what_cannot_be_is_told(town: Town, more: dict[str, str], answered: str) -> None:
    group = await town.group("Infrastruktur")
    given = {"every": "day", "mail": "leserin@example.org", f"group-{group}": "on", **more}
    if "group" in more:
        del given[f"group-{group}"]
        given["group-999999"] = "on"
    answer = await town.anybody().post(PAGE, data=given)
    assert answer.status_code == 422 and answered in answer.text
    assert await town.rows.fetchval("SELECT count(*) FROM digest WHERE mail = $1", given["mail"][:300]) == 0


async def test_an_account_without_an_address_is_told_so(town: Town) -> None:
    group, silent = await town.group("Wirtschaft"), await town.person(mail=False)
    assert "Ihr Konto hat keine E-Mail-Adresse" in (await silent.get(PAGE)).text
    assert await ask(silent, group) == 422


SLOW = """
CREATE FUNCTION app_participation.slow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$;
CREATE TRIGGER slow AFTER UPDATE OF told_until ON app_participation.digest EXECUTE FUNCTION app_participation.slow();
"""
FAST = "DROP TRIGGER slow ON app_participation.digest; DROP FUNCTION app_participation.slow()"


@pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="kills engines; external ones are not ours"
)
async def test_killed_between_letter_and_mark_nobody_gets_it_twice(town: Town, module_serve: Serve) -> None:
    group = await town.group("Nachtarbeit")
    readers = [await town.person() for _ in range(3)]
    for reader in readers:
        assert await ask(reader, group) == 303
    await town.proposal(await town.person(), group, "Nachtbus")
    await passes(town.rows, 24)
    await town.rows.execute(SLOW)
    await town.rows.execute(RUN)
    stuck = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    for _ in range(300):  # the letters are queued, in a transaction that does not end
        if await town.rows.fetchval(stuck):
            break
        await asyncio.sleep(0.1)
    assert await town.rows.fetchval(stuck)
    town.server.kill()
    await town.again(module_serve)
    await town.rows.execute(FAST)
    await run(town.rows)
    await passes(town.rows, 24)
    await run(town.rows)
    for reader in readers:
        assert "Nachtbus" in words_of((await town.letters(reader.mail))[0])
        assert await told(town, reader) == 1
