"""What people with accounts do: write, support, comment, amend; what staff does; and who is told what."""

from __future__ import annotations

import asyncio
import io
import re

import asyncpg
import pytest
from PIL import Image

from tests.mail.servers import Taken

from ..conftest import told
from ..moderation.conftest import Person, Town, words_of


async def send(who: Person, number: int, what: str, expected: int = 303, **given: str) -> str:
    answer = await who.post(f"/participation/proposals/{number}/{what}", data=given)
    assert answer.status_code == expected, (answer.status_code, told(answer.text))
    return answer.headers["location"] if expected == 303 else answer.text


async def write(town: Town, who: Person, **given: str) -> int:
    fields = {"title": "Radweg am Hafen", "text": "Der Weg endet im Nichts."} | given
    answer = await who.post("/participation/proposals/new", data=fields)
    assert answer.status_code == 303, told(answer.text)
    return int(re.findall(r"/proposals/(\d+)", answer.headers["location"])[0])


async def read(who: Person, number: int) -> str:
    answer = await who.get(f"/participation/proposals/{number}")
    assert answer.status_code == 200
    return answer.text


async def letters(town: Town, to: str | None, count: int) -> list[Taken]:
    """The letters that came to an address, once there are so many, in the order in which they were written."""
    for _ in range(300):
        found = [taken for taken in town.post.taken if taken.recipients == [to]]
        if len(found) >= count:
            break
        await asyncio.sleep(0.1)
    assert len(found) == count, [taken.message["subject"] for taken in found]
    return found


async def test_an_author_is_told_at_every_step_in_their_language(town: Town) -> None:
    author, staff = await town.person(language="en"), await town.person("editor")
    number = await write(town, author)
    await send(staff, number, "steps", step="accept", office="Bauamt", said="")
    handed = {"said": "Projekt Hafenrad", "link": "https://example.org/hafenrad"}
    await send(staff, number, "steps", step="hand_over", office="Bauamt", **handed)
    await send(staff, number, "steps", step="finish", office="Bauamt", said="")
    post = await letters(town, author.mail, 4)
    steps = [str(one.message["subject"]) for one in post]
    assert [one.rpartition(": ")[2] for one in steps] == [
        "Received", "Accepted", "Handed to a project", "Done",
    ]  # fmt: skip
    assert "Projekt Hafenrad" in words_of(post[2]) and "https://example.org/hafenrad" in words_of(post[2])
    shown = await read(town.anybody(), number)
    assert "Bauamt" in shown and f"Person {staff.account}" not in shown  # by office, never by name
    assert [action for _, action in await town.audited(f"proposal:{number}")] == ["proposal_step"] * 3


async def test_nobody_is_told_of_what_did_not_happen(town: Town) -> None:
    author, staff = await town.person(), await town.person("editor")
    number = await write(town, author)
    await send(staff, number, "steps", 422, step="finish", office="Bauamt", said="")
    await send(staff, number, "steps", step="answer", office="Bauamt", said="Danke.")
    post = await letters(town, author.mail, 2)
    assert [str(one.message["subject"]).rpartition(": ")[2] for one in post] == [
        "Eingegangen",
        "Beantwortet",
    ]


async def test_support_counts_once_and_is_taken_back(town: Town) -> None:
    author, other = await town.person(), await town.person()
    number = await write(town, author)
    for _ in range(3):
        await send(other, number, "support", support="yes")
    assert "1 Person unterstützt" in await read(other, number)
    await send(other, number, "support", support="no")
    await send(other, number, "support", support="no")
    assert "0 Personen unterstützen" in await read(other, number)


async def test_who_did_not_sign_in_reads_and_is_led_to_sign_in(town: Town) -> None:
    author, anybody = await town.person(), town.anybody()
    number = await write(town, author)
    assert f'href="/sign-in?next=/participation/proposals/{number}"' in await read(anybody, number)
    for what in ("support", "comments", "amend", "steps", "merge", "pictures"):
        answer = await anybody.post(f"/participation/proposals/{number}/{what}", data={"comment": "Hallo"})
        assert answer.status_code in (303, 401, 403)
        assert "/proposals/" not in answer.headers.get("location", "").partition("?")[0]
    answer = await anybody.get("/participation/proposals/new")
    assert answer.status_code in (302, 303) and "/sign-in" in answer.headers["location"]
    assert "Hallo" not in await read(anybody, number)


async def test_citizens_do_not_answer_for_the_city(town: Town) -> None:
    author = await town.person()
    number = await write(town, author)
    for what in ("steps", "merge"):
        await send(author, number, what, 403, step="accept", office="Bauamt", into="1")
    for path in ("/participation/waiting", "/participation/proposals/paper"):
        assert (await author.get(path)).status_code == 403
    assert "Für die Verwaltung" not in await read(author, number)


async def test_a_name_stands_there_only_if_it_was_typed(town: Town) -> None:
    author, other = await town.person(), await town.person()
    number = await write(town, author)
    await send(other, number, "comments", comment="Gute Idee", comment_name="Die Nachbarschaft")
    await send(other, number, "comments", comment="Noch etwas", comment_name="")
    shown = await read(town.anybody(), number)
    assert "Die Nachbarschaft" in shown and "ohne Namen" in shown
    assert "1 Person ohne Namen" in shown  # the author
    assert f"Person {author.account}" not in shown


async def test_an_amendment_is_taken_with_credit(town: Town) -> None:
    author, helper, other = [await town.person() for _ in range(3)]
    number = await write(town, author)
    offered = {
        "title": "Radweg am Innenhafen",
        "text": "Bis zur Brücke.",
        "why": "Genauer",
        "name": "Eine Radlerin",
    }
    await send(helper, number, "amend", **offered)
    amendment = await town.rows.fetchval("SELECT max(number) FROM amendment WHERE proposal = $1", number)
    await send(other, number, f"amendments/{amendment}", 403, decision="take")
    await send(helper, number, f"amendments/{amendment}", 403, decision="take")
    await send(author, number, f"amendments/{amendment}", decision="take")
    shown = await read(town.anybody(), number)
    assert "<h1>Radweg am Innenhafen</h1>" in shown and "Eine Radlerin (durch eine Änderung)" in shown
    assert "Der Weg endet im Nichts." in shown  # what it was before
    await send(author, number, f"amendments/{amendment}", 422, decision="refuse")  # decided
    assert len(await letters(town, helper.mail, 1)) == 1  # an author now
    assert len(await letters(town, author.mail, 3)) == 3  # received, offered, amended


async def test_a_refused_amendment_changes_nothing(town: Town) -> None:
    author, helper = await town.person(), await town.person()
    number = await write(town, author)
    await send(
        helper, number, "amend", 422, title="Radweg am Hafen", text="Der Weg endet im Nichts."
    )  # the same
    await send(helper, number, "amend", title="Anders", text="Ganz anders")
    amendment = await town.rows.fetchval("SELECT max(number) FROM amendment WHERE proposal = $1", number)
    await send(author, number, f"amendments/{amendment}", decision="refuse")
    shown = await read(author, number)
    assert "<h1>Radweg am Hafen</h1>" in shown and "nicht angenommen" in shown
    other = await write(town, author)
    await send(author, other, f"amendments/{amendment}", 404, decision="take")  # of another proposal


async def test_a_merge_credits_both(town: Town) -> None:
    first, second, staff = await town.person(), await town.person(), await town.person("editor")
    a = await write(town, first, name="Der Radverein")
    b = await write(town, second, title="Radwege überall", name="Der Bürgerverein")
    for who in (first, staff):
        await send(who, a, "support", support="yes")
    await send(first, b, "support", support="yes")
    await send(staff, a, "merge", 422, into=str(a), office="Bauamt")
    await send(staff, a, "merge", 422, into="999999", office="Bauamt")
    await send(staff, a, "merge", into=str(b), office="Bauamt")
    merged, there = await read(first, a), await read(first, b)
    assert "zusammengeführt" in merged and f'href="/participation/proposals/{b}"' in merged
    assert "Der Bürgerverein" in there and "Der Radverein (durch einen zusammengeführten Vorschlag)" in there
    assert "2 Personen unterstützen" in there
    await send(staff, a, "steps", 422, step="answer", office="Bauamt", said="Zu spät")
    await send(first, a, "support", 422, support="yes")
    await send(staff, b, "merge", 422, into=str(a), office="Bauamt")  # no circle
    assert len(await letters(town, first.mail, 2)) == 2
    assert len(await letters(town, second.mail, 2)) == 2


async def test_paper_counts(town: Town) -> None:
    staff = await town.person("editor")
    given = {
        "title": "Mehr Licht",
        "text": "Es ist dunkel.",
        "name": "Frau vom Markt",
        "mail": "markt@example.org",
    }
    answer = await staff.post("/participation/proposals/paper", data=given | {"mail": "keine"})
    assert answer.status_code == 422 and "Es ist dunkel." in answer.text  # nothing is lost
    answer = await staff.post("/participation/proposals/paper", data=given)
    number = int(re.findall(r"/proposals/(\d+)", answer.headers["location"])[0])
    shown = await read(town.anybody(), number)
    assert "kam auf Papier" in shown and "Frau vom Markt" not in shown and "markt@" not in shown
    await send(staff, number, "steps", step="decline", office="Bauamt", said="Dort ist schon Licht geplant.")
    post = await letters(town, "markt@example.org", 2)
    assert "Dort ist schon Licht geplant." in words_of(post[1])
    printed = (await town.anybody().get(f"/participation/proposals/{number}/print")).text
    assert "Abgelehnt" in printed and "Dort ist schon Licht geplant." in printed and "Bauamt" in printed


async def test_what_waits_stands_there_overdue_first(town: Town) -> None:
    staff = await town.person("editor")
    late, early = await write(town, staff, title="Überfällig"), await write(town, staff, title="Neu da")
    await town.rows.execute(
        "UPDATE proposal SET created_at = now() - interval '40 days', promised_at = now() - interval '12 days' "
        "WHERE number = $1",
        late,
    )
    shown = (await staff.get("/participation/waiting")).text
    assert shown.index(f"/proposals/{late}#") < shown.index(f"/proposals/{early}#")
    assert "12 Tage überfällig" in shown or "13 Tage überfällig" in shown
    assert "40 Tage" in shown
    assert "überfällig" in await read(town.anybody(), late)


async def test_the_trail_cannot_be_rewritten(town: Town) -> None:
    number = await write(town, await town.person())
    for statement in (
        "UPDATE proposal_step SET text = 'anders' WHERE proposal = $1",
        "DELETE FROM proposal_step WHERE proposal = $1",
    ):
        with pytest.raises(asyncpg.RaiseError):
            await town.rows.execute(statement, number)


def picture(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "JPEG")
    return out.getvalue()


async def test_pictures_are_images_with_words(town: Town) -> None:
    author, other = await town.person(), await town.person()
    number = await write(town, author)
    path = f"/participation/proposals/{number}/pictures"
    photo = {"photo": ("bank.jpg", picture(), "image/jpeg")}
    said = {"description": "Ein leerer Platz"}
    assert (await other.post(path, files=photo, data=said)).status_code == 403
    assert (await author.post(path, files=photo, data={"description": " "})).status_code == 422
    script = {"photo": ("bank.jpg", b"<script>alert(1)</script>", "image/jpeg")}
    answer = await author.post(path, files=script, data=said)
    assert answer.status_code == 415 and "Nur Bilder" in answer.text
    assert (await author.post(path, files=photo, data=said)).status_code == 303
    shown = await read(town.anybody(), number)
    assert 'alt="Ein leerer Platz"' in shown
    (source,) = set(re.findall(rf'src="({path}/[^"]+)"', shown))
    assert (await town.anybody().get(source)).headers["content-type"] == "image/jpeg"
    second = await write(town, author)
    elsewhere = source.replace(f"/{number}/", f"/{second}/")
    assert (await author.get(elsewhere)).status_code == 404  # of another proposal
    assert (await author.post(f"{source}/remove")).status_code == 303
    assert (await author.get(source)).status_code == 404


async def test_what_is_hidden_says_so_and_shows_nothing(town: Town) -> None:
    author, staff = await town.person(), await town.person("editor")
    number = await write(town, author, title="Etwas Böses", text="Sehr böse Worte")
    await town.rows.execute(
        "INSERT INTO hiding (subject, reason, text, hidden_at, appeal_key) "
        "VALUES ($1, 'insult', 'Gegen eine Gruppe', now(), $2)",
        f"proposal:{number}",
        b"k" * 32,
    )
    for path in (f"/participation/proposals/{number}", f"/participation/proposals/{number}/print"):
        shown = (await author.get(path)).text
        assert "Sehr böse Worte" not in shown and "Etwas Böses" not in shown
        assert "Ausgeblendet am" in shown and "Gegen eine Gruppe" in shown
    listed = (await author.get("/participation/proposals")).text
    assert "Etwas Böses" not in listed and "Ausgeblendeter Vorschlag" in listed
    assert "Sehr böse Worte" in await read(staff, number)  # who judges it has to see it
    await send(author, number, "comments", 404, comment="Trotzdem")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("title", ""),
        ("title", "x" * 201),
        ("text", "x" * 1_000_000),
        ("text", "Null \x00 Byte"),
        ("text", "\x1b[31mrot"),
        ("lon", "Osten"),
        ("lat", "91"),
        ("lon", "nan"),
        ("links", "urn:ngsi-ld:Streetlight:gibt-es-nicht"),
        ("links", "javascript:alert(1)"),
        ("group", "99999999"),
        ("group", "9" * 40),
    ],
)
async def test_bad_input_is_told_and_nothing_is_lost(town: Town, field: str, text: str) -> None:
    author = await town.person()
    given = {"title": "Mein Titel", "text": "Mein langer Text", "lon": "6.76", "lat": "51.43"} | {field: text}
    before = await town.rows.fetchval("SELECT count(*) FROM proposal")
    answer = await author.post("/participation/proposals/new", data=given)
    assert answer.status_code == 422 and told(answer.text)
    kept = {"title": "Mein Titel", "text": "Mein langer Text"}
    assert all(words in answer.text for name, words in kept.items() if name != field)
    assert await town.rows.fetchval("SELECT count(*) FROM proposal") == before


async def test_markup_is_text(town: Town) -> None:
    author = await town.person()
    number = await write(
        town, author, title="<script>alert(1)</script>", text="<b>fett</b>", name="<i>ich</i>"
    )
    await send(author, number, "comments", comment="<img src=x onerror=alert(1)>", comment_name="<u>wer</u>")
    shown = await read(author, number)
    assert "<script>alert(1)" not in shown and "<b>fett" not in shown and "<img src=x" not in shown
    assert "&lt;i&gt;ich" in shown and "&lt;u&gt;wer" in shown


@pytest.mark.parametrize("number", ["0", "999999", str(2**63), "9" * 40])
async def test_foreign_numbers_are_not_there(town: Town, number: str) -> None:
    author, staff = await town.person(), await town.person("editor")
    path = f"/participation/proposals/{number}"
    assert (await author.get(path)).status_code == 404
    assert (await author.post(f"{path}/support", data={"support": "yes"})).status_code == 404
    given = {"step": "answer", "said": "x", "office": "x"}
    assert (await staff.post(f"{path}/steps", data=given)).status_code == 404
