"""What tests of several areas need: an organiser who prepares and steers events through the pages."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import Server
from tests.web.conftest import Street

THEMES = ("Wirtschaft", "Verwaltung", "Wohnen", "Infrastruktur", "Mobilität", "Breitband")


class Organiser:
    """Somebody who may do everything, at the forms of a server."""

    def __init__(self, server: Server) -> None:
        self.server, self.url = server, server.base_url
        self.client = httpx.Client(
            base_url=self.url,
            timeout=30,
            headers={"Sec-Fetch-Site": "same-origin", "Accept-Language": "de"},
        )

    def post(self, path: str, **given: Any) -> str:
        """Send a form of /participation; where it leads to."""
        answer = self.client.post(f"/participation{path}", data=given)
        assert answer.status_code == 303, (answer.status_code, told(answer.text))
        return str(answer.headers["location"])

    def event(
        self,
        title: str = "Auftakt",
        *,
        template: str = "empty",
        polls: Sequence[str] = (),
        admission: str = "open",
        expected: int = 150,
    ) -> tuple[int, str]:
        """A new event with polls of these templates: its number and its short code."""
        given = {"title": title, "template": template, "admission": admission, "expected": str(expected)}
        number = int(re.findall(r"/events/(\d+)", self.post("/events/new", **given))[0])
        for one in polls:
            self.poll(number, one)
        return number, self.code(number)

    def code(self, event: int) -> str:
        """The short code of an event."""
        page = self.client.get(f"/participation/events/{event}").text
        return re.findall(r"/participation/e/([A-HJ-NP-Z2-9]{6})\b", page)[0]

    def poll(self, event: int, template: str = "single", **fields: Any) -> int:
        """A new poll at the end of an event, as a template has it but for these fields of the form: `title`, `secret`
        yes or no, `results`, `options` a line each; of groups, by `**{"option-0-title": …}`, title, capacity and
        business, science, … (reserved places) of each, `wishes` and `by`."""
        path = f"/events/{event}/polls/new?template={template}"
        given = filled(self.client.get(f"/participation{path}").text) | {
            name: str(value) for name, value in fields.items()
        }
        return int(re.findall(r"made=(\d+)", self.post(path, **given))[0])

    def options(self, poll: int) -> dict[str, int]:
        """The number of each option by its title, in their order."""
        found = self.rows(
            "SELECT title, number FROM app_participation.option WHERE poll = $1 ORDER BY place", poll
        )
        return {row["title"]: row["number"] for row in found}

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """What the server's database says; also where an event loop runs."""

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self.server.database_url)
            try:
                return await connection.fetch(statement, *values)
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as other:
            return other.submit(lambda: asyncio.run(fetch())).result()

    def steer(self, event: int, action: str, poll: int | None = None) -> None:
        """What the remote control does: open, close, show, reveal, hide, welcome, end."""
        self.post(f"/events/{event}/remote", action=action, poll="" if poll is None else str(poll))

    def open(self, event: int, poll: int) -> None:
        """Let people vote."""
        self.steer(event, "open", poll)

    def close(self, event: int, poll: int) -> None:
        """End the vote."""
        self.steer(event, "close", poll)

    def show(self, event: int, poll: int) -> None:
        """Show a poll on stage and phones."""
        self.steer(event, "show", poll)

    def reveal(self, event: int, poll: int) -> None:
        """Show everybody its results."""
        self.steer(event, "reveal", poll)

    def end(self, event: int) -> None:
        """The event is over."""
        self.steer(event, "end")


def told(page: str) -> list[str]:
    """What a page says is wrong."""
    return re.findall(r'kern-title">([^<]+)<', page) + re.findall(
        r'kern-error"[^>]*>(.*?)</p>', page, re.DOTALL
    )


def filled(page: str) -> dict[str, str]:
    """What the fields of a page's last form hold, as a browser would send them."""
    form = page[page.rfind('<form class="form') :]
    form = form[: form.find("</form>")]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        attributes = dict(re.findall(r'(\w[\w-]*)="([^"]*)"', tag))
        if attributes.get("type") in ("checkbox", "radio") and " checked" not in tag:
            continue
        if "name" in attributes:
            found[attributes["name"]] = html.unescape(attributes.get("value", ""))
    for name, text in re.findall(r'<textarea\b[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        found[name] = html.unescape(text)
    for name, inner in re.findall(r'<select\b[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.findall(r'<option value="([^"]*)" selected', inner) or re.findall(
            r'<option value="([^"]*)"', inner
        )
        found[name] = html.unescape(chosen[0]) if chosen else ""
    return found


@pytest.fixture(scope="module")
def organiser(server: Server) -> Iterator[Organiser]:
    """Prepares and steers events on the `server` of the module."""
    found = Organiser(server)
    yield found
    found.client.close()


@pytest.fixture(scope="module")
def city(server: Server) -> Iterator[Street]:
    """What the browser visits (tests.web.conftest.visit)."""
    found = Street(server.base_url)
    yield found
    found.client.close()
