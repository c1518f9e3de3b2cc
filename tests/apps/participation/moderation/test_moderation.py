"""From a report to the end of an appeal, with real letters: who may what, who is told what, what stays."""

from __future__ import annotations

import asyncio
import re

import pytest

from .conftest import Person, Town, words_of

BAD = "Ihr seid doch alle <b>dumm</b>."


async def report(who: Person, subject: str, **given: str) -> int:
    """Report something; the status of the answer."""
    form = {"on": subject, "reason": "insult", "text": "Das ist eine Beleidigung.", "mail": "", **given}
    return (await who.post("/participation/report", data=form)).status_code


def desk(subject: str) -> str:
    return "/participation/moderation/" + subject.replace(":", "/")


async def decide(who: Person, subject: str, action: str, text: str = "", reason: str = "insult") -> int:
    """Decide something; the status of the answer."""
    given = {"action": action, "reason": reason, "text": text}
    return (await who.post(desk(subject), data=given)).status_code


def link_in(text: str) -> str:
    found = re.findall(r"https?://[^/\s]+(/participation/appeal/\S+)", text)
    assert len(found) == 1, text
    return str(found[0])


async def test_from_a_report_to_the_end_of_an_appeal(town: Town) -> None:
    author, first, second = await town.person(), await town.person("editor"), await town.person("editor")
    neighbour = town.anybody()
    subject = await town.proposal(author, title="Alle <b>dumm</b>")
    page = await neighbour.get(f"/participation/report?on={subject}")
    assert page.status_code == 200 and "Alle &lt;b&gt;dumm&lt;/b&gt;" in page.text
    assert await report(neighbour, subject, mail="nachbar@example.org") == 303
    assert await report(await town.person(), subject, reason="other", text="Bitte ansehen") == 303

    queue = (await first.get("/participation/moderation")).text
    assert "Alle &lt;b&gt;dumm&lt;/b&gt;" in queue and desk(subject) in queue
    assert "nachbar@example.org" not in queue + (await first.get(desk(subject))).text
    assert await decide(first, subject, "hide", "So reden wir hier nicht.") == 303
    assert (await first.get(desk(subject))).text.count("So reden wir hier nicht.") == 1
    assert await decide(second, subject, "hide", "Noch einmal") == 422  # it is hidden already

    place = (await neighbour.get(f"/participation/{subject.replace(':', 's/')}")).text
    assert "So reden wir hier nicht." in place and "Am Innenhafen fehlen Bänke" not in place
    (told,) = await town.letters(author.mail)
    assert "So reden wir hier nicht." in words_of(told) and "Beleidigung" in words_of(told)
    (answer,) = await town.letters("nachbar@example.org")
    assert "verborgen" in words_of(answer) and "So reden wir hier nicht." in words_of(answer)
    assert await town.rows.fetchval("SELECT count(*) FROM report WHERE mail IS NOT NULL") == 0

    # The author appeals by the link in the letter, signed in or not, once.
    link = link_in(words_of(told))
    assert "So reden wir hier nicht." in (await neighbour.get(link)).text
    path, _, key = link.partition("?key=")
    assert (await neighbour.get(path)).headers["location"].startswith("/sign-in?next=")
    assert (await neighbour.get(f"{path}?key={key[:-1]}")).status_code == 404
    assert (await second.get(path)).status_code == 404
    assert (await author.get(path)).status_code == 200
    sent = await neighbour.post(path, data={"key": key, "text": "Es war <i>Ironie</i>."})
    assert sent.status_code == 200 and "angekommen" in sent.text
    assert (await author.post(path, data={"text": "Noch einmal"})).status_code == 422

    # Somebody else decides.
    assert "jemand anderes" in (await first.get(desk(subject))).text
    for who, said in ((first, True), (second, False)):
        queue = (await who.get("/participation/moderation")).text
        assert desk(subject) in queue and ("jemand anderes: Sie haben ihn verborgen" in queue) is said
    assert await decide(first, subject, "restore") == 422
    assert await decide(first, subject, "uphold", "Es bleibt dabei.") == 422
    assert "Es war &lt;i&gt;Ironie&lt;/i&gt;." in (await second.get(desk(subject))).text
    assert await decide(second, subject, "uphold") == 422  # not without reasons
    assert await decide(second, subject, "restore", "Ironie ist erlaubt.") == 303
    letters = await town.letters(author.mail, 2)
    assert "Ironie ist erlaubt." in words_of(letters[1])
    place = (await neighbour.get(f"/participation/{subject.replace(':', 's/')}")).text
    assert "Am Innenhafen fehlen Bänke" in place
    assert await town.audited(subject) == [(first.id, "hide"), (second.id, "restore")]


async def test_what_is_left_stays_and_who_reported_is_told(town: Town) -> None:
    author, staff, english = await town.person(), await town.person("editor"), town.anybody()
    subject = await town.proposal(author)
    english.headers["Accept-Language"] = "en"
    assert await report(english, subject, mail="somebody@example.org") == 303
    assert await decide(staff, subject, "leave") == 303
    (answer,) = await town.letters("somebody@example.org")
    assert "it stays as it is" in words_of(answer)
    assert desk(subject) not in (await staff.get("/participation/moderation")).text
    await town.letters(author.mail, 0)
    assert await town.audited(subject) == [(staff.id, "leave")]


async def test_an_upheld_appeal_is_the_last_word(town: Town) -> None:
    author, first, second = (
        await town.person(language="en"),
        await town.person("editor"),
        await town.person("editor"),
    )
    subject = await town.proposal(author)
    assert await decide(first, subject, "hide", "Werbung für einen Laden", "advertising") == 303
    (told,) = await town.letters(author.mail)
    assert "advertising: Werbung für einen Laden" in words_of(told)
    path = link_in(words_of(told)).partition("?")[0]
    assert (await author.post(path, data={"text": "It is my own shop."})).status_code == 200
    assert await decide(second, subject, "uphold", "Auch eigene Läden.") == 303
    assert await decide(second, subject, "uphold", "Noch einmal.") == 422
    answer = (await town.letters(author.mail, 2))[1]
    assert "stays hidden" in words_of(answer) and "Auch eigene Läden." in words_of(answer)
    page = (await author.get(path)).text
    assert "Auch eigene Läden." in page and "<textarea" not in page
    assert (await author.post(path, data={"text": "Again"})).status_code == 422
    assert await town.audited(subject) == [(first.id, "hide"), (second.id, "uphold")]


async def test_moderators_of_a_group_decide_about_their_group_only(town: Town) -> None:
    ours, theirs = await town.group("Wohnen"), await town.group("Breitband")
    author, moderator, member = await town.person(), await town.person(), await town.person()
    await town.belongs(moderator, ours, "moderator")
    await town.belongs(member, ours, "member")
    mine, other = await town.proposal(author, ours), await town.proposal(author, theirs)
    for subject in (mine, other):
        assert await report(town.anybody(), subject) == 303
    queue = (await moderator.get("/participation/moderation")).text
    assert desk(mine) in queue and desk(other) not in queue
    assert (await moderator.get(desk(other))).status_code == 403
    assert await decide(moderator, other, "hide", "Nein") == 403
    assert await decide(moderator, mine, "hide", "Persönliche Daten", "personal") == 303
    for nobody, status in ((member, 403), (author, 403), (town.anybody(), 303)):
        assert (await nobody.get("/participation/moderation")).status_code == status
        assert (await nobody.get(desk(mine))).status_code == status
    assert await decide(member, mine, "restore") == 403


async def test_a_comment_is_hidden_and_its_proposal_stays(town: Town) -> None:
    author, other, staff = await town.person(), await town.person(), await town.person("editor")
    place = "/participation/" + (await town.proposal(author)).replace(":", "s/")
    assert (await other.post(f"{place}/comments", data={"comment": "Kauft bei mir!"})).status_code == 303
    comment = await town.rows.fetchval("SELECT max(number) FROM comment")
    assert "Kauft bei mir!" in (await author.get(place)).text
    assert await decide(staff, f"comment:{comment}", "hide", "Das ist Reklame.", "advertising") == 303
    page = (await town.anybody().get(place)).text
    assert "Kauft bei mir!" not in page and "Das ist Reklame." in page and "Am Innenhafen" in page
    assert "Das ist Reklame." in words_of((await town.letters(other.mail))[0])
    await town.letters(author.mail, 0)
    assert await decide(staff, f"comment:{comment}", "restore") == 303  # nobody appealed: also who hid it may
    assert "Kauft bei mir!" in (await town.anybody().get(place)).text


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("text", "x" * 1_000_000, "höchstens 2.000"),
        ("text", "a\x00b", "Zeichen, die man nicht sieht"),
        ("reason", "gossip", "Bitte wählen Sie einen Grund"),
        ("reason", "", "Bitte wählen Sie einen Grund"),
        ("mail", "niemand", "keine E-Mail-Adresse"),
        ("mail", "a@b.de\r\nBcc: x@y.de", "keine E-Mail-Adresse"),
        ("mail", "a" * 300 + "@example.org", "keine E-Mail-Adresse"),
    ],
)
async def test_a_report_that_cannot_be_keeps_what_was_written(
    town: Town, field: str, value: str, told: str
) -> None:
    subject = await town.proposal(await town.person())
    given = {"on": subject, "reason": "untrue", "text": "Das stimmt nicht.", "mail": "ich@example.org"}
    answer = await town.anybody().post("/participation/report", data={**given, field: value})
    assert answer.status_code == 422 and told in answer.text
    kept = given["text"] if field != "text" else value[:1000].replace("\x00", "\ufffd")
    assert kept in answer.text.replace("\x00", "\ufffd")
    assert await town.rows.fetchval("SELECT count(*) FROM report WHERE subject = $1", subject) == 0


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "proposal:",
        "proposal:0",
        "proposal:99999999",
        "proposal:99999999999999999999",
        "lamp:1",
        "a:b:c",
        "proposal:1'",
    ],
)
async def test_what_is_not_there_cannot_be_reported(town: Town, subject: str) -> None:
    assert (await town.anybody().get("/participation/report", params={"on": subject})).status_code == 404
    assert await report(town.anybody(), subject) == 404


async def test_many_reports_of_one_neighbourhood_are_too_many(town: Town) -> None:
    subject, flood = await town.proposal(await town.person()), town.anybody()
    answers = [await report(flood, subject) for _ in range(12)]
    assert answers[:10] == [303] * 10 and answers[10:] == [429] * 2
    assert await report(town.anybody(), subject) == 303


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001, "a\x07b"])
async def test_nothing_is_hidden_without_good_reasons(town: Town, text: str) -> None:
    staff = await town.person("editor")
    subject = await town.proposal(await town.person())
    assert await decide(staff, subject, "hide", text) == 422
    assert await decide(staff, subject, "hide", "Grund", "gossip") == 422
    assert await decide(staff, subject, "explode") == 422
    assert await town.audited(subject) == []


async def test_two_who_hide_at_once_hide_it_once(town: Town) -> None:
    author, first, second = await town.person(), await town.person("editor"), await town.person("editor")
    subject = await town.proposal(author)
    answers = await asyncio.gather(
        *(decide(who, subject, "hide", "Zugleich") for who in (first, second, first, second))
    )
    assert sorted(answers) == [303, 422, 422, 422]
    await town.letters(author.mail)
