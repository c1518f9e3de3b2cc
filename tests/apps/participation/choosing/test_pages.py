"""The pages of places in a browser: for everybody, by the keyboard, on a small phone, without JavaScript."""

from __future__ import annotations

import asyncio

import pytest

from tests.web.conftest import Visiting, axe_and_width, browser, visit

from .conftest import Vote, Voting

__all__ = ["browser", "visit"]


async def shown(visit: Visiting, vote: Vote, organiser_too: bool = True) -> None:
    paths = [f"{vote.path}?ticket=", f"{vote.desk}?done="] if organiser_too else [f"{vote.path}?ticket="]
    for theme in ("light", "dark"):
        await axe_and_width(visit, paths, theme)


async def test_before_while_and_after(voting: Voting, visit: Visiting) -> None:
    vote = voting(people=130, capacity=20, solver="on", **{"option-0-club": "5"})
    await shown(visit, vote)
    vote.organiser.close(vote.event, vote.poll)
    await shown(visit, vote)
    vote.act("word", word="Binnenhafen")
    await shown(visit, vote)
    vote.act("publish", way="solver")
    await shown(visit, vote)


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_phone_gives_its_place_up_in_two_steps(
    voting: Voting, visit: Visiting, scripts: bool
) -> None:
    vote = voting(people=30)
    vote.organiser.close(vote.event, vote.poll)
    vote.act("word", word="Binnenhafen")
    vote.act("publish", way="lot")
    one = next(one for one in vote.wishes if vote.own(one.participant)["state"] == "placed")
    cookie = vote.phone(one.participant).cookies[f"vote-{vote.code}"]
    async with visit(width=320, height=640, java_script_enabled=scripts) as page:
        await page.page.context.add_cookies(
            [{"name": f"vote-{vote.code}", "value": cookie, "url": vote.organiser.url + "/participation/e"}]
        )
        await page.page.goto(vote.organiser.url + vote.path)
        assert one.ticket in await page.page.inner_text("section[aria-labelledby=own-title]")
        await page.page.locator("details.danger > summary").focus()
        await page.page.keyboard.press("Enter")
        await page.page.keyboard.press("Tab")
        async with page.page.expect_navigation():
            await page.page.keyboard.press("Enter")
        assert "Sie haben Ihren Platz aufgegeben" in await page.page.inner_text("main")
    assert vote.own(one.participant)["state"] == "left"


async def test_who_moves_up_reads_it_on_the_phone_without_doing_anything(
    voting: Voting, visit: Visiting
) -> None:
    vote = voting(people=30, capacity=1)
    vote.organiser.close(vote.event, vote.poll)
    vote.act("word", word="Binnenhafen")
    vote.act("publish", way="lot")
    owns = {one.participant: vote.own(one.participant) for one in vote.wishes}
    waits, group = next(
        (who, ahead["option"])
        for who, own in owns.items()
        for ahead in own["ahead"]
        if own["state"] == "waiting" and ahead["place"] == 1
    )
    has = next(own for own in owns.values() if own.get("option") == group)
    cookie = vote.phone(waits).cookies[f"vote-{vote.code}"]
    async with visit(width=320, height=640) as page:
        await page.page.context.add_cookies(
            [{"name": f"vote-{vote.code}", "value": cookie, "url": vote.organiser.url + "/participation/e"}]
        )
        await page.page.goto(f"{vote.organiser.url}/participation/e/{vote.code}")
        place = page.page.locator("[data-part=place]")
        await place.get_by_text("Sie stehen auf der Warteliste.").wait_for()
        await asyncio.to_thread(vote.act, "release", ticket=has["ticket"])
        await place.get_by_text("Sie haben einen Platz").wait_for()
        assert vote.own(waits)["option"] == group
