"""The big screen: grows while people vote, hides what is to be hidden, says little to screen readers; and results."""

from __future__ import annotations

import csv
import io
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.async_api import expect

from tests.web.conftest import Visiting, axe_and_width, browser, visit

from ..conftest import Organiser
from .conftest import Phone, Phones

__all__ = ["browser", "visit"]  # fixtures

SCREEN: dict[str, Any] = {"width": 1920, "height": 1080}


async def test_bars_grow_while_others_vote(visit: Visiting, organiser: Organiser, phones: Phones) -> None:
    event, code = organiser.event("Auftakt im Hafen")
    poll = organiser.poll(event, "single", options="Wohnen\nBreitband", secret="no", results="live")
    organiser.open(event, poll)
    options = organiser.options(poll)
    async with visit(**SCREEN) as screen:
        page = screen.page
        await screen.go(f"/participation/e/{code}/stage")
        await page.get_by_text(code, exact=True).wait_for()
        await expect(page.locator("svg.qr")).to_be_visible()
        bar = page.locator(f"#bar-{options['Wohnen']}")
        for number in (1, 2, 3):
            phones(code).vote(poll, option=options["Wohnen"])
            await expect(bar.locator(".bars__figure strong")).to_have_text(str(number))
        phones(code).vote(poll, option=options["Breitband"])
        await expect(bar.locator(".bars__part")).to_have_text("75 %")
        await page.get_by_text("4 Stimmen").wait_for()
        # Said at once was nothing: numbers that change are told to a screen reader now and then.
        assert await page.locator("#spoken").inner_text() == ""
        organiser.close(event, poll)
        await expect(page.locator("#spoken")).to_contain_text(
            "Die Abstimmung ist geschlossen. 4 Stimmen. Wohnen: 3."
        )


async def test_what_is_hidden_is_in_no_answer_until_it_is_revealed(
    visit: Visiting, organiser: Organiser, phones: Phones
) -> None:
    event, code = organiser.event()
    poll = organiser.poll(event, "words", secret="no", results="reveal")
    organiser.open(event, poll)
    async with visit(**SCREEN) as screen:
        page = screen.page
        await screen.go(f"/participation/e/{code}/stage")
        phones(code).vote(poll, word_1="Binnenhafen")
        await expect(page.locator(".stage__total strong")).to_have_text("1")
        organiser.close(event, poll)
        await page.get_by_text("Gleich folgt das Ergebnis.").wait_for()
        anybody = phones(code).client
        for path in ("", "/stage", "/results", "/results.csv", "/results.json"):
            answer = anybody.get(f"/participation/e/{code}{path}")
            assert answer.status_code == 200 and "Binnenhafen" not in answer.text, path
        assert anybody.get(f"/participation/e/{code}/results.svg?poll={poll}").status_code == 404
        organiser.reveal(event, poll)
        await page.locator(".cloud").get_by_text("Binnenhafen").wait_for()
        assert "Binnenhafen" in anybody.get(f"/participation/e/{code}/results.csv").text


async def test_secret_votes_move_no_bar_one_by_one(
    visit: Visiting, organiser: Organiser, phones: Phones
) -> None:
    event, code = organiser.event()
    poll = organiser.poll(event, "yes-no", secret="yes", results="live")
    organiser.open(event, poll)
    options = organiser.options(poll)
    async with visit(**SCREEN) as screen:
        page = screen.page
        await screen.go(f"/participation/e/{code}/stage")
        for _ in range(3):
            phones(code).vote(poll, option=options["Ja"])
        await page.get_by_text("3 Stimmen").wait_for()
        await page.get_by_text("bisher gezeigt: 0").wait_for()
        assert await page.locator(f"#bar-{options['Ja']} .bars__figure strong").inner_text() == "0"
        organiser.close(event, poll)
        await expect(page.locator(f"#bar-{options['Ja']} .bars__figure strong")).to_have_text("3")


async def test_less_motion_is_no_motion(visit: Visiting, organiser: Organiser) -> None:
    event, code = organiser.event()
    organiser.open(event, organiser.poll(event, "single", options="Ja\nNein", results="live", secret="no"))
    for motion, expected in (("reduce", 0.0), ("no-preference", 0.6)):
        async with visit(**SCREEN, reduced_motion=motion) as screen:
            await screen.go(f"/participation/e/{code}/stage")
            style = "parseFloat(getComputedStyle(document.querySelector('.bars__bar')).transitionDuration)"
            assert round(await screen.page.evaluate(style), 3) == expected


@pytest.fixture(scope="module")
def evening(organiser: Organiser) -> str:
    """An event with a poll of each kind that everybody sees, some open and some closed; its code."""
    event, code = organiser.event("Auftakt <Masterplan> & Rhein", template="empty")
    made = [
        organiser.poll(event, "groups", results="live"),
        organiser.poll(event, "multiple", options="=1+1\n<b>fett</b>\nRuhe", secret="no", results="live"),
        organiser.poll(event, "scale", secret="no", results="live"),
        organiser.poll(event, "words", secret="no", results="live"),
        organiser.poll(event, "questions"),
        organiser.poll(event, "single", options="Ja\nNein", secret="no", results="live"),
    ]
    fields: list[dict[str, Any]] = [
        {"wish_1": organiser.options(made[0])["Wohnen"], "wish_2": organiser.options(made[0])["Breitband"]},
        {f"option_{number}": "on" for number in list(organiser.options(made[1]).values())[:2]},
        {"value": 4},
        {"word_1": "@Hafen", "word_2": "Grün"},
    ]
    for poll, given in zip(made, fields, strict=False):
        organiser.open(event, poll)
        for _ in range(2):
            somebody = Phone(organiser.url, code)
            somebody.vote(poll, **given)
            somebody.client.close()
    organiser.open(event, made[4])
    organiser.close(event, made[1])
    organiser.open(event, made[5])
    return code


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_for_everyone(visit: Visiting, organiser: Organiser, evening: str, theme: str) -> None:
    (event,) = (
        row[0]
        for row in organiser.rows("SELECT number FROM app_participation.event WHERE code = $1", evening)
    )
    polls = [
        row[0] for row in organiser.rows("SELECT number FROM app_participation.poll WHERE event = $1", event)
    ]
    e = f"/participation/e/{evening}"
    await axe_and_width(visit, [f"{e}/results", f"{e}/how"], theme)
    for poll in sorted(polls) if theme == "light" else sorted(polls)[:2]:  # the same shapes, other colours
        organiser.show(event, poll)
        await axe_and_width(visit, [e, f"{e}/stage"], theme)


async def test_results_are_taken_along(organiser: Organiser, evening: str, phones: Phones) -> None:
    client = phones(evening).client
    path = f"/participation/e/{evening}/results"
    table = client.get(f"{path}.csv")
    assert table.headers["content-type"].startswith("text/csv") and table.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    found = {row["answer"]: (row["count"], row["ballots"], row["ranks"]) for row in rows}
    assert all(None not in row for row in rows)  # as many titles as cells
    assert found["Wohnen"] == ("2", "2", "2 0 0") and found["Breitband"] == ("0", "2", "0 2 0")
    assert found["'=1+1"][0] == "2" and found["'@Hafen"][0] == "2"  # no formulas in a spreadsheet
    document = client.get(f"{path}.json").json()
    assert document["event"]["title"] == "Auftakt <Masterplan> & Rhein"
    by_kind = {poll["kind"]: poll for poll in document["polls"]}
    assert by_kind["scale"]["mean"] == 4 and by_kind["words"]["words"][0]["count"] == 2
    assert "questions" not in by_kind
    number = by_kind["multiple"]["poll"]
    image = client.get(f"{path}.svg?poll={number}")
    assert image.headers["content-type"] == "image/svg+xml"
    drawn = ElementTree.fromstring(image.text)
    assert (drawn.get("width"), drawn.get("height")) == ("1200", "675")
    assert "<b>fett</b>" in "".join(drawn.itertext()) and "<b>" not in image.text


async def test_the_first_page_of_a_phone_weighs_little(
    visit: Visiting, organiser: Organiser, evening: str
) -> None:
    async with visit(width=390, height=844) as phone:
        session = await phone.page.context.new_cdp_session(phone.page)
        await session.send("Network.enable")
        loaded: list[float] = []
        session.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))
        await phone.go(f"/participation/e/{evening}")
        await phone.page.wait_for_selector("#phone[data-ready]")
        await phone.page.evaluate("document.fonts.ready")
        assert len(loaded) >= 6 and sum(loaded) < 120_000, (len(loaded), sum(loaded))


async def test_a_vote_by_keyboard_alone(visit: Visiting, organiser: Organiser, evening: str) -> None:
    query = "SELECT event, max(number) FROM app_participation.poll GROUP BY event HAVING event = "
    query += "(SELECT number FROM app_participation.event WHERE code = $1)"
    ((event, last),) = organiser.rows(query, evening)
    organiser.show(event, last)
    async with visit(width=390, height=844) as phone:
        await phone.go(f"/participation/e/{evening}")
        page = phone.page
        await page.wait_for_selector("#phone[data-ready]")
        for _ in range(60):
            await page.keyboard.press("Tab")
            if await page.evaluate(
                "document.activeElement.matches('form[data-vote] .pick, form[data-vote] input')"
            ):
                break
        await page.keyboard.press("Space")
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.matches('form[data-vote] button[type=submit]')"):
                break
        await page.keyboard.press("Enter")
        await page.get_by_text("Ihre Stimme ist angekommen.").wait_for()
