"""The page of moderation: new words and questions appear while one looks, and go to the stage or nowhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import Server
from tests.web.conftest import Street, Visiting, axe_and_width, browser, visit

from ..conftest import Organiser

__all__ = ["browser", "visit"]  # fixtures

SAID = "<b>Mut</b>"


class Hall:
    """Phones at the pages of an event."""

    def __init__(self, base_url: str, code: str) -> None:
        self.path = f"/participation/e/{code}"
        self.base_url = base_url

    def phone(self) -> httpx.Client:
        phone = httpx.Client(base_url=self.base_url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30)
        assert phone.get(self.path).status_code == 200
        return phone

    def say(self, poll: int, words: str) -> None:
        with contextlib.closing(self.phone()) as phone:
            answer = phone.post(f"{self.path}/vote", data={"poll": str(poll), "words": words})
            assert answer.status_code == 303, answer.text

    def ask(self, poll: int, question: str) -> None:
        with contextlib.closing(self.phone()) as phone:
            answer = phone.post(f"{self.path}/questions", data={"poll": str(poll), "question": question})
            assert answer.status_code == 303, answer.text


@pytest.fixture(scope="module")
def polls(organiser: Organiser, server: Server) -> Iterator[tuple[Hall, int, int]]:
    event, code = organiser.event(expected=500)
    words, questions = (organiser.poll(event, template) for template in ("words", "questions"))
    for poll in (words, questions):
        organiser.open(event, poll)
    yield Hall(server.base_url, code), words, questions


def moderation(poll: int) -> str:
    return f"/participation/polls/{poll}/moderation"


def test_what_is_no_word_no_question_and_no_such_poll_is_refused(
    organiser: Organiser, polls: tuple[Hall, int, int]
) -> None:
    hall, words, questions = polls
    single = organiser.poll(organiser.event()[0], "single")
    for poll, status in ((10**9, 404), (10**20, 404), (single, 404), (words, 200), (questions, 200)):
        assert organiser.client.get(moderation(poll)).status_code == status
    hall.ask(questions, "Wann?")
    wrong = [
        (words, {}, 422),
        (words, {"word": "x" * 41, "judge": "hide"}, 422),
        (words, {"word": "x", "judge": "delete"}, 422),
        (questions, {"question": "1", "judge": "pending'"}, 422),
        (questions, {"question": "x", "judge": "shown"}, 422),
        (questions, {"question": "9" * 18, "judge": "shown"}, 404),
    ]
    for poll, given, status in wrong:
        assert organiser.client.post(moderation(poll), data=given).status_code == status


async def test_words_and_questions_appear_live_and_one_click_hides_or_shows_them(
    visit: Visiting, city: Street, polls: tuple[Hall, int, int]
) -> None:
    hall, words, questions = polls
    async with visit() as visited:
        page = visited.page
        await visited.go(f"{moderation(words)}?lang=de")
        hall.say(words, f"{SAID}, Licht")
        entry = page.get_by_role("listitem").filter(has_text=SAID)
        await entry.get_by_text("auf der Leinwand").wait_for()
        await entry.get_by_role("button", name="Ausblenden").click()
        await entry.get_by_text("ausgeblendet").wait_for()
        hall.say(words, SAID.upper())
        await entry.get_by_text("2-mal").wait_for()  # however it is written
        await entry.get_by_text("ausgeblendet").wait_for()
        await visited.go(f"{moderation(questions)}?lang=de")
        hall.ask(questions, "Und die Straßenbahn?")
        asked = page.get_by_role("listitem").filter(has_text="Straßenbahn")
        await asked.get_by_role("button", name="Freigeben").click()
        await asked.get_by_role("button", name="Beantwortet").click()
        await asked.get_by_text("beantwortet", exact=True).wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_moderate(
    visit: Visiting, city: Street, polls: tuple[Hall, int, int], theme: str
) -> None:
    hall, words, questions = polls
    hall.say(words, f"Zuversicht, {SAID}, {'W' * 40}")
    hall.ask(questions, "Warum " * 40 + "?")
    await axe_and_width(visit, [moderation(words), moderation(questions)], theme)
