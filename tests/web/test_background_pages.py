"""Jobs and letters on their pages: what failed for good is seen, run or sent again, or given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from rhinecloud.jobs import Attempt, Jobs
from rhinecloud.mail import Letters, Mail
from rhinecloud.store import Database
from rhinecloud.web.language import tongues
from tests.conftest import Serve, Server
from tests.mail.servers import MailServer

from .conftest import Street, Visiting, axe_and_width


async def eventually(condition: Callable[[], Awaitable[Any]]) -> Any:
    """What the condition returns, as soon as it is true."""
    async with asyncio.timeout(30):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def smtp() -> AsyncIterator[MailServer]:
    """A mail server that refuses one address."""
    server = await MailServer().start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
def server(module_serve: Serve, smtp: MailServer) -> Iterator[Server]:
    """A server that sends its letters there."""
    yield module_serve(
        environ={
            "RHINECLOUD_MAIL_SERVER": f"smtp://127.0.0.1:{smtp.port}",
            "RHINECLOUD_MAIL_FROM": "noreply@example.org",
        }
    )


@pytest_asyncio.fixture(loop_scope="session")
async def database(server: Server) -> AsyncIterator[Database]:
    """The database of that server."""
    made = await Database.open(server.database_url)
    yield made
    await made.close()


class Worker:
    """Does one kind of job, badly at first."""

    def __init__(self) -> None:
        self.good = False

    async def __call__(self, payload: Any, attempt: Attempt) -> None:
        if not self.good:
            raise ValueError("no paper left")


@pytest_asyncio.fixture(loop_scope="session")
async def dead(database: Database) -> AsyncIterator[tuple[Worker, Jobs, int]]:
    """A job that failed for good, and who does it."""
    jobs, worker = Jobs(database, "Europe/Berlin"), Worker()
    jobs.register("test.print", worker, attempts=1)
    await jobs.open()
    async with database.transaction() as connection:
        number = await jobs.enqueue(connection, "test.print", {"lines": [1, 2], "note": "<b>bold</b>"})
    assert number is not None
    await eventually(lambda: jobs.list("dead"))
    yield worker, jobs, number
    for job in await jobs.list("dead"):
        await jobs.discard(job.id, "test")
    await jobs.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_jobs_are_readable_for_everybody(
    visit: Visiting, dead: tuple[Worker, Jobs, int], theme: str
) -> None:
    await axe_and_width(
        visit, ["/jobs", "/jobs?state=dead", "/jobs?state=running", f"/jobs/{dead[2]}"], theme
    )


async def test_a_dead_job_is_run_again(visit: Visiting, city: Street, dead: tuple[Worker, Jobs, int]) -> None:
    worker, jobs, number = dead
    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        visited.allowed = ["404"]
        await page.goto(f"{city.url}/jobs?state=dead&lang=de")
        await expect(page.get_by_role("region", name="Liste der Aufträge")).to_contain_text("no paper left")
        await page.get_by_role("link", name="test.print").click()
        await expect(page.locator("#payload-title ~ pre")).to_contain_text("<b>bold</b>")
        await page.get_by_role("button", name="Erneut ausführen").click()
        await expect(page.get_by_role("status")).to_contain_text("Er wird erneut ausgeführt")
        await eventually(lambda: jobs.list("dead"))
        worker.good = True
        await page.goto(f"{city.url}/jobs/{number}")
        await page.get_by_role("button", name="Erneut ausführen").click()

        async def done() -> bool:
            return await jobs.get(number) is None

        await eventually(done)
        await page.goto(f"{city.url}/jobs/{number}")
        await expect(page.locator("h1")).to_have_text("Diesen Auftrag gibt es nicht mehr")
        await page.goto(f"{city.url}/jobs")
        await expect(page.get_by_role("region", name="Liste der zeitgesteuerten Aufträge")).to_be_visible()
    answer = city.client.post(f"/jobs/{number}", data={"action": "retry"}, headers={"origin": city.url})
    assert answer.status_code == 404


async def test_a_dead_job_is_given_up_seen_live(
    visit: Visiting, city: Street, dead: tuple[Worker, Jobs, int]
) -> None:
    async with visit() as visited, visit() as other:
        await other.go("/jobs?state=dead&lang=de")
        await expect(other.page.locator("#jobs")).to_contain_text("test.print")
        page = visited.page
        await visited.go(f"/jobs/{dead[2]}?lang=de")
        await page.locator(".danger summary").click()
        await page.get_by_role("button", name="Endgültig aufgeben").click()
        await expect(page.get_by_role("status")).to_contain_text("aufgegeben")
        await expect(other.page.locator("#jobs")).not_to_contain_text("test.print", timeout=15_000)
    assert city.client.get("/jobs/x").status_code == 404
    odd = city.client.post("/jobs/1", data={"action": "explode"}, headers={"origin": city.url})
    assert odd.status_code == 400


async def test_a_refused_letter_is_sent_again(
    visit: Visiting, city: Street, smtp: MailServer, database: Database
) -> None:
    async def refuse() -> str:
        return "550 5.1.1 no such user here"

    smtp.answers["nobody@example.org"] = refuse
    letters = Letters(tongues("Europe/Berlin"), city_name="Duisburg")
    mail = Mail(database, letters, server=None, sender="noreply@example.org", give_up=timedelta(hours=1))
    numbers = []
    for address in ("nobody@example.org", "somebody@example.org"):
        async with database.transaction() as connection:
            values = {"at": "2026-07-01T22:30:05Z"}
            numbers.append(await mail.queue(connection, "test", address, values, app="test"))

    async def state(number: int) -> str:
        record = await mail.get(number)
        return record.state if record else ""

    async def ended() -> bool:
        return [await state(number) for number in numbers] == ["refused", "sent"]

    await eventually(ended)
    await axe_and_width(visit, ["/mail", "/mail?state=refused", f"/mail/{numbers[0]}"], "light")
    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        await page.goto(f"{city.url}/mail?lang=de")
        await page.select_option("#state", "refused")
        await page.get_by_role("button", name="Anzeigen").click()
        table = page.get_by_role("region", name="Liste der E-Mails")
        await expect(table).to_contain_text("550 5.1.1 no such user here")
        await expect(table).not_to_contain_text("somebody")
        await page.get_by_role("link", name="nobody@example.org").click()
        smtp.answers.clear()
        await page.get_by_role("button", name="Erneut senden").click()
        await expect(page.get_by_role("status")).to_contain_text("Sie wird erneut gesendet")

        async def sent() -> bool:
            return await state(numbers[0]) == "sent"

        await eventually(sent)
        await page.reload()
        await expect(page.locator(".badges")).to_contain_text("gesendet")
    again = city.client.post(f"/mail/{numbers[0]}", data={"action": "retry"}, headers={"origin": city.url})
    assert again.status_code == 409
    for path, status in (
        ("/mail/999999", 404),
        ("/mail/x", 404),
        ("/mail?recipient=%00", 400),
        ("/mail?state=x", 200),
    ):
        assert city.client.get(path).status_code == status
