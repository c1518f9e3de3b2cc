"""Voting with a phone, in a browser: in three taps, without JavaScript, without a network, in two tabs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Page, expect

from tests.web.conftest import Visiting, browser, visit

from ..conftest import Organiser
from .conftest import Phones

__all__ = ["browser", "visit"]  # fixtures

PHONE: dict[str, Any] = {"width": 390, "height": 844, "has_touch": True}
ARRIVED = "Ihre Stimme ist angekommen."
KEPT = "Noch nicht angekommen."
OPTIONS = "Wohnen\nBreitband\nMobilität"


def chosen(organiser: Organiser, poll: int) -> list[Any]:
    """What was chosen in a named poll, by title."""
    titles = {number: title for title, number in organiser.options(poll).items()}
    rows = organiser.rows("SELECT choice::text FROM app_participation.vote WHERE poll = $1", poll)
    return sorted([titles.get(number, number) for number in eval(row[0])] for row in rows)  # noqa: S307


async def until(found: Callable[[], Awaitable[bool] | bool]) -> None:
    """Wait until it is so; the test's own patience ends it."""
    while True:
        answer = found()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.05)


def opened(organiser: Organiser, template: str = "single", **fields: Any) -> tuple[int, str, int]:
    """An event with one poll that is open: event, code, poll."""
    event, code = organiser.event()
    if template in ("single", "multiple"):
        fields = {"options": OPTIONS} | fields
    poll = organiser.poll(event, template, **fields)
    organiser.open(event, poll)
    return event, code, poll


async def ready(page: Page, path: str) -> None:
    await page.goto(path, wait_until="domcontentloaded")
    await page.wait_for_selector("#phone[data-ready]")


async def test_three_taps_from_the_code_to_a_vote_that_counts(visit: Visiting, organiser: Organiser) -> None:
    event, code, poll = opened(organiser, secret="no")
    async with visit(**PHONE) as phone:
        await ready(phone.page, f"{organiser.url}/participation/e/{code}")  # the first: the QR code
        page = phone.page
        await page.get_by_text("Breitband").tap()
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(ARRIVED).wait_for()
        assert chosen(organiser, poll) == [["Breitband"]]
        assert await page.locator("[data-choice]").inner_text() == "Breitband"
        await page.get_by_text("Mobilität").tap()
        await page.get_by_role("button", name="Stimme ändern").tap()
        await until(lambda: chosen(organiser, poll) == [["Mobilität"]])
        organiser.close(event, poll)
        await page.locator(".lead", has_text="Die Abstimmung ist geschlossen.").wait_for()
        await expect(page.get_by_role("button", name="Stimme ändern")).to_have_count(0)
        await expect(page.get_by_text(ARRIVED)).to_be_visible()


async def test_without_javascript_one_votes_and_changes_it(visit: Visiting, organiser: Organiser) -> None:
    _, code, poll = opened(organiser, secret="no")
    async with visit(**PHONE, java_script_enabled=False) as phone:
        page = phone.page
        await page.goto(f"{organiser.url}/participation/e/{code}")
        await page.get_by_label("Wohnen").check()
        await page.get_by_role("button", name="Abstimmen").click()
        await page.get_by_text(ARRIVED).wait_for()
        assert await page.get_by_label("Wohnen").is_checked()
        await page.get_by_label("Breitband").check()
        await page.get_by_role("button", name="Stimme ändern").click()
        await page.locator("[data-choice]", has_text="Breitband").wait_for()
        assert chosen(organiser, poll) == [["Breitband"]]


async def test_without_javascript_wishes_are_lists_and_what_is_wrong_is_said(
    visit: Visiting, organiser: Organiser
) -> None:
    _, code, poll = opened(organiser, "groups")
    async with visit(**PHONE, java_script_enabled=False) as phone:
        phone.allowed.append("422")
        page = phone.page
        await page.goto(f"{organiser.url}/participation/e/{code}")
        await page.get_by_label("1. Wunsch").select_option("Wohnen")
        await page.get_by_label("2. Wunsch").select_option("Wohnen")
        await page.get_by_role("button", name="Abstimmen").click()
        await page.get_by_text("Jede Wahl zählt nur einmal.").wait_for()
        await page.get_by_label("2. Wunsch").select_option("Mobilität")
        await page.get_by_role("button", name="Abstimmen").click()
        await page.get_by_text(ARRIVED).wait_for()
        assert chosen(organiser, poll) == [["Wohnen", "Mobilität"]]


async def test_groups_are_tapped_in_the_order_of_wishes(visit: Visiting, organiser: Organiser) -> None:
    _, code, poll = opened(organiser, "groups")
    async with visit(**PHONE) as phone:
        page = phone.page
        await ready(page, f"{organiser.url}/participation/e/{code}")
        await page.get_by_role("button", name="Mobilität").tap()
        await page.get_by_role("button", name="Verwaltung").tap()
        await page.get_by_role("button", name="Wohnen").tap()
        await expect(page.get_by_role("button", name="2. Wunsch Verwaltung")).to_have_attribute(
            "aria-pressed", "true"
        )
        await page.get_by_role("button", name="Verwaltung").tap()  # not that one after all
        await expect(page.get_by_role("button", name="2. Wunsch Wohnen")).to_be_visible()
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(ARRIVED).wait_for()
        assert chosen(organiser, poll) == [["Mobilität", "Wohnen"]]
        assert await page.locator("[data-choice]").inner_text() == "Mobilität · Wohnen"


async def test_without_a_network_the_vote_is_kept_and_sent_when_it_is_back(
    visit: Visiting, organiser: Organiser
) -> None:
    _, code, poll = opened(organiser, secret="no")
    async with visit(**PHONE) as phone:
        page = phone.page
        phone.allowed.append("ERR_INTERNET_DISCONNECTED")
        await ready(page, f"{organiser.url}/participation/e/{code}")
        await page.context.set_offline(True)
        await page.get_by_text("Wohnen").tap()
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(KEPT).wait_for()
        await page.get_by_text("Mobilität").tap()
        await page.get_by_role("button", name="Stimme ändern").tap()
        assert await phone.axe() == []
        assert chosen(organiser, poll) == []
        await page.context.set_offline(False)
        await page.get_by_text(ARRIVED).wait_for()
        assert chosen(organiser, poll) == [["Mobilität"]]


async def test_a_phone_that_was_switched_off_sends_its_vote_when_the_page_is_opened_again(
    visit: Visiting, organiser: Organiser
) -> None:
    _, code, poll = opened(organiser, secret="no")
    async with visit(**PHONE) as phone:
        page = phone.page
        phone.allowed.append("ERR_INTERNET_DISCONNECTED")
        path = f"{organiser.url}/participation/e/{code}"
        await ready(page, path)
        await page.context.set_offline(True)
        await page.get_by_text("Wohnen").tap()
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(KEPT).wait_for()
        await page.close()  # the battery
        await phone.page.context.set_offline(False)
        assert chosen(organiser, poll) == []
        again = await page.context.new_page()
        await ready(again, path)
        await again.get_by_text(ARRIVED).wait_for()
        assert chosen(organiser, poll) == [["Wohnen"]]
        await ready(again, path)
        await expect(again.get_by_text(ARRIVED)).to_be_visible()
        assert await again.get_by_label("Wohnen").is_checked()


async def test_an_answer_that_is_lost_is_asked_for_again_and_the_vote_counts_once(
    visit: Visiting, organiser: Organiser
) -> None:
    _, code, poll = opened(organiser, secret="yes", results="closed")
    lost = 0

    async def lose(route: Any) -> None:
        nonlocal lost
        lost += 1
        await route.fetch()  # the city has it
        await (route.abort() if lost < 3 else route.continue_())

    async with visit(**PHONE) as phone:
        page = phone.page
        phone.allowed.append("ERR_FAILED")
        await page.route("**/vote", lose)
        await ready(page, f"{organiser.url}/participation/e/{code}")
        await page.get_by_text("Wohnen").tap()
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(KEPT).wait_for()
        await page.get_by_text(ARRIVED).wait_for()
        assert lost == 3
        rows = organiser.rows("SELECT count(*) FROM app_participation.ballot WHERE poll = $1", poll)
        assert rows[0][0] == 1


async def test_a_city_that_has_no_room_just_now_is_asked_again(visit: Visiting, organiser: Organiser) -> None:
    event, code, poll = opened(organiser, secret="no")
    refused: list[str] = []

    async def refuse(route: Any) -> None:
        if route.request.url in refused:
            await route.continue_()
        else:
            refused.append(route.request.url)
            await route.fulfill(status=503, headers={"Retry-After": "1"}, body="")

    async with visit(**PHONE) as phone:
        page = phone.page
        phone.allowed += ["503"]
        await page.route("**/vote", refuse)
        await page.route("**/live/participation/phone/**", refuse)
        await ready(page, f"{organiser.url}/participation/e/{code}")
        await page.get_by_text("Wohnen").tap()
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(KEPT).wait_for()
        await page.get_by_text(ARRIVED).wait_for()
        assert chosen(organiser, poll) == [["Wohnen"]]
        organiser.open(event, organiser.poll(event, "scale"))
        await page.get_by_role("heading", name="Wie zufrieden sind Sie?").wait_for()
        assert len(refused) == 2


async def test_two_tabs_show_the_same_vote_and_the_last_one_counts(
    visit: Visiting, organiser: Organiser
) -> None:
    _, code, poll = opened(organiser, secret="no")
    async with visit(**PHONE) as phone:
        path = f"{organiser.url}/participation/e/{code}"
        first = phone.page
        second = await first.context.new_page()
        await ready(first, path)
        await ready(second, path)
        await first.get_by_text("Wohnen").tap()
        await first.get_by_role("button", name="Abstimmen").tap()
        await second.get_by_text(ARRIVED).wait_for()
        assert await second.get_by_label("Wohnen").is_checked()
        await second.get_by_text("Breitband").tap()
        await second.get_by_role("button", name="Stimme ändern").tap()
        await expect(first.locator("[data-choice]")).to_have_text("Breitband")
        await until(lambda: chosen(organiser, poll) == [["Breitband"]])


async def test_a_vote_that_is_too_late_is_told_so(visit: Visiting, organiser: Organiser) -> None:
    event, code, poll = opened(organiser, secret="no")
    async with visit(**PHONE) as phone:
        page = phone.page
        phone.allowed += ["ERR_INTERNET_DISCONNECTED", "409"]
        await ready(page, f"{organiser.url}/participation/e/{code}")
        await page.get_by_text("Breitband").tap()
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(ARRIVED).wait_for()
        await page.context.set_offline(True)
        await page.get_by_text("Wohnen").tap()
        await page.get_by_role("button", name="Stimme ändern").tap()
        await page.get_by_text(KEPT).wait_for()
        organiser.close(event, poll)
        await page.context.set_offline(False)
        await page.get_by_text("Diese Stimme zählt nicht.").wait_for()
        await page.get_by_text("Diese Abstimmung ist nicht offen. Es zählt die davor: Breitband").wait_for()
        assert chosen(organiser, poll) == [["Breitband"]]


async def test_what_is_being_filled_in_stays_while_others_vote(
    visit: Visiting, organiser: Organiser, phones: Phones
) -> None:
    event, code, poll = opened(organiser, "words", secret="no", results="live")
    async with visit(**PHONE) as phone:
        page = phone.page
        await ready(page, f"{organiser.url}/participation/e/{code}")
        await page.get_by_label("1. Wort").fill("Rhei")
        phones(code).vote(poll, word_1="Hafen")
        organiser.show(event, poll)  # tells all phones
        other = organiser.poll(event, "yes-no")
        await page.get_by_label("1. Wort").press_sequentially("n")
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(ARRIVED).wait_for()
        organiser.open(event, other)
        await page.get_by_role("heading", name="Sind Sie dafür?").wait_for()
        await expect(page.get_by_text(ARRIVED)).to_be_hidden()


async def test_a_phone_goes_along_from_the_welcome_to_the_end(visit: Visiting, organiser: Organiser) -> None:
    event, code = organiser.event()
    poll = organiser.poll(event, "single", options=OPTIONS, secret="no")
    async with visit(**PHONE) as phone:
        page = phone.page
        await ready(page, f"{organiser.url}/participation/e/{code}")
        await page.get_by_role("heading", name="Gleich geht es los.").wait_for()
        organiser.show(event, poll)
        await page.get_by_text("Diese Abstimmung hat noch nicht begonnen.").wait_for()
        organiser.open(event, poll)
        await page.get_by_role("button", name="Abstimmen").wait_for()
        await expect(page.locator("#news")).to_have_text("Was ist Ihnen am wichtigsten?")
        organiser.end(event)
        await page.get_by_role("heading", name="Diese Veranstaltung ist vorbei.").wait_for()
        assert await phone.axe() == []
        await page.get_by_role("link", name="Zu den Ergebnissen").tap()
        await page.get_by_role("heading", name="Ergebnisse").wait_for()


async def test_a_closed_secret_poll_leaves_nothing_of_the_choice_on_the_phone(
    visit: Visiting, organiser: Organiser
) -> None:
    event, code, poll = opened(organiser, "yes-no")
    options = organiser.options(poll)
    async with visit(**PHONE) as phone:
        page = phone.page
        await ready(page, f"{organiser.url}/participation/e/{code}")
        await page.get_by_label("Nein").check()
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(ARRIVED).wait_for()
        kept = "JSON.stringify(localStorage)"
        assert f'\\"{options["Nein"]}\\"' in await page.evaluate(kept)
        organiser.close(event, poll)
        await page.locator(".lead", has_text="Die Abstimmung ist geschlossen.").wait_for()
        await expect(page.get_by_text(ARRIVED)).to_be_visible()
        assert f'\\"{options["Nein"]}\\"' not in await page.evaluate(kept)
        await expect(page.locator("[data-choice]")).to_be_hidden()


async def test_a_secret_poll_that_closed_while_the_phone_was_away_is_forgotten_too(
    visit: Visiting, organiser: Organiser
) -> None:
    event, code, poll = opened(organiser, "yes-no")
    async with visit(**PHONE) as phone:
        page = phone.page
        path = f"{organiser.url}/participation/e/{code}"
        await ready(page, path)
        await page.get_by_label("Nein").check()
        await page.get_by_role("button", name="Abstimmen").tap()
        await page.get_by_text(ARRIVED).wait_for()
        await page.close()
        organiser.close(event, poll)
        organiser.open(event, organiser.poll(event, "scale"))
        again = await page.context.new_page()
        await ready(again, path)
        kept = await again.evaluate("Object.values(localStorage).map((one) => JSON.parse(one))")
        assert kept[0][str(poll)] == {"fields": {}, "revision": 1, "state": "received"}


async def test_questions_are_asked_and_supported(
    visit: Visiting, organiser: Organiser, phones: Phones
) -> None:
    event, code, poll = opened(organiser, "questions")
    phones(code).client.post(
        f"/participation/e/{code}/questions", data={"poll": str(poll), "question": "Wann kommt <b>Glas</b>?"}
    )
    organiser.rows("UPDATE app_participation.question SET state = 'shown' WHERE poll = $1", poll)
    async with visit(**PHONE) as phone:
        page = phone.page
        await ready(page, f"{organiser.url}/participation/e/{code}")
        await page.get_by_text("Wann kommt <b>Glas</b>?").wait_for()
        await page.get_by_label("Ihre Frage an die Bühne").fill("Und die Radwege?")
        await page.get_by_role("button", name="Unterstützen").tap()
        await page.get_by_text("von Ihnen unterstützt").wait_for()
        await page.get_by_text("1 Stimme dafür").wait_for()
        assert await page.get_by_label("Ihre Frage an die Bühne").input_value() == "Und die Radwege?"
        await page.get_by_role("button", name="Frage senden").tap()
        await page.get_by_text("Ihre Frage ist angekommen.").wait_for()
        asked = organiser.rows(
            "SELECT text, state FROM app_participation.question WHERE poll = $1 ORDER BY number", poll
        )
        assert [tuple(row) for row in asked][1] == ("Und die Radwege?", "pending")
        await page.reload()
        await page.get_by_text("von Ihnen unterstützt").wait_for()
