"""The lighting app keeps the contract of apps."""

from __future__ import annotations

import pytest

from rhinecloud.apps.lighting import app
from rhinecloud.hosting import find
from rhinecloud.testing import contradictions

from ...web.conftest import Visiting, browser, visit

__all__ = ["browser", "visit"]  # fixtures


def test_it_is_found_and_keeps_the_contract() -> None:
    (found,) = [one for one in find() if one.name == "lighting"]
    assert found.app is app, found.reason
    assert contradictions(app) == []


def test_who_plans_sees() -> None:
    """Whoever may change or repair anything sees what it is about."""
    for names in app.granted.values():
        assert "lighting.see" in names
    assert "lighting.program" not in app.granted["member"]


def test_every_page_belongs_to_one_place() -> None:
    """Whoever looks at it sees where they are, and the way to the others."""
    paths = [path for place in app.places for path in (place.path, *place.also)]
    assert len(paths) == len(set(paths))
    for page in app.pages:
        assert not page.path or "/" + page.path.split("/")[1] in paths, page.path


@pytest.mark.parametrize("language", ["de", "en"])
async def test_the_places_are_one_line_on_a_usual_screen(visit: Visiting, language: str) -> None:
    async with visit(width=1280) as visited:
        for path, here in (("programs", "/lighting/plan"), ("lorawan", "/lighting/gateways")):
            await visited.go(f"/lighting/{path}?lang={language}")
            row = visited.page.locator(".places--app")
            tops = await row.locator("li").evaluate_all("those => those.map(one => one.offsetTop)")
            assert len(tops) == len(app.places) and len(set(tops)) == 1
            assert await row.locator("[aria-current=page]").get_attribute("href") == here
    async with visit(width=390, height=844) as visited:
        await visited.go(f"/lighting/gateways?lang={language}")
        assert await visited.overflow() <= 0
        await visited.page.locator("main nav a").last.focus()
        await visited.page.keyboard.press("Enter")
        await visited.page.wait_for_url("**/lighting/lorawan*")
        assert await visited.page.locator("main nav [aria-current=page]").count() == 1
