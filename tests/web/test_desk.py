"""The desk: what somebody should look at, in order, for those who may see it; the start page shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import expect

from rhinecloud.people import OPEN, Actor
from rhinecloud.web.desk import Desk, Notice, counted

from .conftest import Street, Visiting, axe_and_width

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
ANYBODY = Actor("anonymous", "anonymous")


def source(*notices: Notice) -> Any:
    async def answer(city: object, actor: Actor) -> Sequence[Notice]:
        return notices

    return answer


def test_nothing_counted_is_no_notice() -> None:
    one, many = ("Auftrag", "job"), ("Aufträge", "jobs")
    assert counted("look", 0, None, one, many, "/jobs") == []
    assert [n.text for n in counted("look", 1, EARLY, one, many, "/jobs")] == [one]
    assert [(n.count, n.text) for n in counted("look", 2, EARLY, one, many, "/jobs")] == [(2, many)]


async def test_the_most_urgent_comes_first_and_of_these_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhinecloud.web.desk._GRACE", 0.05)
    desk = Desk()
    text = ("x", "x")
    hint, look = Notice("hint", text, "/a", 1, EARLY), Notice("look", text, "/b", 1, LATE)
    older, alarm = Notice("look", text, "/c", 1, EARLY), Notice("alarm", text, "/d")
    desk.add("first", "public", source(hint, look))
    desk.add("second", "jobs.see", source(older, alarm))

    async def broken(city: object, actor: Actor) -> Sequence[Notice]:
        raise RuntimeError("away")

    async def slow(city: object, actor: Actor) -> Sequence[Notice]:
        await asyncio.Event().wait()
        return ()

    desk.add("broken", "mail.see", broken)
    desk.add("slow", "mail.see", slow)
    found = await desk.notices(None, OPEN)
    assert found.notices == (alarm, older, look, hint)
    assert found.unknown == ("broken", "slow")
    assert found.asked == 4
    theirs = await desk.notices(None, ANYBODY)
    assert (theirs.notices, theirs.unknown) == ((look, hint), ())
    for name, permission in (("first", "public"), ("third", "no.such")):
        with pytest.raises(ValueError):
            desk.add(name, permission, source())


async def test_the_start_page_says_what_to_look_at(visit: Visiting, city: Street) -> None:
    async with visit() as visited:
        await visited.go("/?lang=de")
        await expect(visited.page.locator(".desk__calm")).to_contain_text("Es wartet nichts auf Sie")
    # A device that is not there pushes, and a subscriber that takes nothing is told.
    endpoint = {"uri": "http://nobody.invalid/", "accept": "application/json"}
    subscription = {
        "id": "urn:ngsi-ld:Subscription:deaf",
        "type": "Subscription",
        "entities": [{"type": "Streetlight"}],
        "notification": {"endpoint": endpoint},
    }
    assert city.client.post("/ngsi-ld/v1/subscriptions", json=subscription).status_code == 201
    city.set("urn:ngsi-ld:Streetlight:L0001", powerState="off")
    async with visit() as visited:
        page = visited.page
        await visited.go("/?lang=de")
        # It comes by itself: the desk is live.
        link = page.locator(".desk__item a", has_text="Abonnement wird nicht abgenommen")
        await expect(link).to_be_visible(timeout=60_000)
        await expect(page.locator(".desk__item time").first).to_be_visible()
        assert await visited.axe() == []
        await link.click()
        await expect(page.locator("h1")).to_have_text("Abonnements")
    await axe_and_width(visit, ["/"], "dark")
    assert city.client.delete(f"/ngsi-ld/v1/subscriptions/{subscription['id']}").status_code == 204
