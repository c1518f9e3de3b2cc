"""The noticeboard on a real server: what is posted hangs everywhere, and is gone everywhere when it is withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, timedelta

import asyncpg
import httpx
import pytest

from rhinecloud.apps.noticeboard import app
from rhinecloud.hosting import IN_EVERY_APP
from rhinecloud.people.declared import assert_declared

from ..conftest import EXTERNAL_DATABASE, Server
from ..web.conftest import Street, Visiting, axe_and_width, browser, city, visit
from .installing import command

__all__ = ["browser", "city", "visit"]  # fixtures


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, headers={"Sec-Fetch-Site": "same-origin"}) as client:
        yield client


def entities(client: httpx.Client) -> list[str]:
    return [one["title"]["value"] for one in client.get("/ngsi-ld/v1/entities?type=Notice").json()]


def posted(client: httpx.Client, given: dict[str, str]) -> None:
    assert client.post("/noticeboard/new", data=given).status_code == 303


def test_a_notice_hangs_until_it_is_withdrawn(client: httpx.Client) -> None:
    today = date.today()
    text = "Montag <b>geschlossen</b>\n\nDienstag offen"
    good = {"title": "Bürgerservice", "text": text, "until": str(today + timedelta(7))}
    for wrong in ({"title": ""}, {"text": "\x00"}, {"until": "morgen"}, {"until": str(today - timedelta(2))}):
        assert client.post("/noticeboard/new", data=good | wrong).status_code == 422
    assert client.post("/noticeboard/new").status_code == 422
    assert 'name="until" type="date"' in client.get("/noticeboard/new").text
    assert entities(client) == [] == client.get("/api/noticeboard").json()

    posted = client.post("/noticeboard/new", data=good)
    assert (posted.status_code, posted.headers["location"]) == (303, "/noticeboard?done=posted")
    board = client.get("/noticeboard?done=posted").text
    assert "Der Aushang hängt." in board and "Montag &lt;b&gt;geschlossen" in board
    assert "The notice hangs." in client.get("/noticeboard?done=posted&lang=en").text
    assert entities(client) == ["Bürgerservice"]
    (notice,) = client.get("/api/noticeboard").json()
    assert (notice["title"], notice["until"]) == (good["title"], good["until"])

    for status in (303, 404):
        assert client.post(f"/noticeboard/{notice['number']}/withdraw").status_code == status
    assert entities(client) == [] == client.get("/api/noticeboard").json()
    foreign = client.post("/noticeboard/new", data=good, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403


async def test_the_job_withdraws_what_is_over_and_every_column_is_declared(server: Server) -> None:
    application = await asyncpg.connect(server.database_url)
    own = {"Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=server.base_url, headers=own, timeout=20) as city:

        async def hanging() -> list[str]:
            found = (await city.get("/ngsi-ld/v1/entities?type=Notice")).json()
            return sorted(one["title"]["value"] for one in found)

        for title in ("gestern", "morgen"):
            given = {"title": title, "text": "…", "until": str(date.today() + timedelta(9))}
            assert (await city.post("/noticeboard/new", data=given)).status_code == 303
        await application.execute(
            "UPDATE app_noticeboard.notice SET until = until - 20 WHERE title = 'gestern'"
        )
        assert [one["title"] for one in (await city.get("/api/noticeboard")).json()] == ["morgen"]
        assert await hanging() == ["gestern", "morgen"]
        await application.execute(
            "INSERT INTO tenant_city.pgqueuer (priority, status, entrypoint, payload) "
            "VALUES (0, 'queued', 'noticeboard.expire', 'null')"
        )
        while await hanging() != ["morgen"]:
            await asyncio.sleep(0.05)
    done = "SELECT count(*) FROM tenant_city.audit WHERE action = 'noticeboard.withdraw' AND actor = 'noticeboard'"
    assert await application.fetchval(done) == 1
    await assert_declared(application, [app.personal_data, IN_EVERY_APP], "app_noticeboard")
    await application.close()


@pytest.mark.skipif(EXTERNAL_DATABASE is not None, reason="the command would need to be told which database")
async def test_the_command_withdraws_what_is_over(server: Server, client: httpx.Client) -> None:
    until = str(date.today() + timedelta(9))
    for title in ("vorbei", "noch da"):
        posted(client, {"title": title, "text": "…", "until": until})
    application = await asyncpg.connect(server.database_url)
    await application.execute("UPDATE app_noticeboard.notice SET until = until - 20 WHERE title = 'vorbei'")
    words = ("noticeboard", "withdraw-expired", f"--data={server.data}")
    for number in (1, 0):
        assert f"{number} notices are withdrawn." in await asyncio.to_thread(command, *words, environ={})
    assert "noch da" in entities(client) and "vorbei" not in entities(client)
    await application.execute("DELETE FROM app_noticeboard.notice")
    await application.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_read_its_pages(
    visit: Visiting, city: Street, client: httpx.Client, theme: str
) -> None:
    good = {"title": "Bürgerservice", "text": "Eins\n\nZwei", "until": str(date.today() + timedelta(7))}
    posted(client, good)
    await axe_and_width(visit, ["/noticeboard?done=posted", "/noticeboard/new"], theme)
    async with visit(theme=theme) as visited:  # what is wrong is said, and how
        await visited.go("/noticeboard/new?lang=de")
        await visited.page.fill("[name=title]", "  ")
        await visited.page.fill("[name=text]", "Text")
        visited.allowed.append("422")
        await visited.page.get_by_role("button", name="Anbringen").click()
        await visited.page.get_by_text("Bitte berichtigen").wait_for()
        assert await visited.axe() == []
