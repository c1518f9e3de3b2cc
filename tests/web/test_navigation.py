"""The navigation shows what one may see, in order, and knows where one is."""

from __future__ import annotations

import pytest

from rhinecloud.people import OPEN, Actor
from rhinecloud.web.navigation import Entry, Group, Navigation

from .conftest import Visiting

NOBODY = Actor("anonymous", "anonymous")
KEEPER = Actor("person:1", "person", "K", frozenset({"devices.see", "jobs.see"}))


def paths(navigation: Navigation, actor: Actor, path: str = "/") -> dict[str, list[str]]:
    return {item.label[1]: [inner.path for inner in item.items] for item in navigation.of(actor, path)}


def test_each_is_shown_what_they_may_see() -> None:
    navigation = Navigation()
    assert "Operations" not in paths(navigation, NOBODY)
    assert paths(navigation, KEEPER)["Operations"] == ["/devices", "/jobs"]
    assert "/health" in paths(navigation, OPEN)["Operations"]
    (group,) = (item for item in navigation.of(KEEPER, "/") if item.label[1] == "Operations")
    assert group.path == "/devices"  # the first that they may see


def test_where_one_is() -> None:
    navigation = Navigation()
    navigation.add(Entry("/devices/maps", ("Karten", "Maps"), "devices.see", "operations"))

    def current(path: str) -> list[tuple[str, str]]:
        top = navigation.of(OPEN, path)
        return [(one.label[1], one.current) for item in top for one in (item, *item.items) if one.current]

    assert current("/") == [("Overview", "page")]
    assert current("/devices/x") == [("Operations", "true"), ("Devices", "page")]
    assert current("/devices/maps") == [("Operations", "true"), ("Maps", "page")]
    assert current("/elsewhere") == []


def test_an_app_adds_its_places_and_takes_none_of_others() -> None:
    navigation = Navigation()
    navigation.add_group(Group("vote", ("Abstimmung", "Vote"), 5))
    navigation.add(Entry("/votes", ("Alle", "All"), "public", "vote"))
    assert next(iter(paths(navigation, NOBODY))) == "Vote"
    for wrong in (
        Entry("/devices", ("Meins", "Mine"), "public"),
        Entry("/mine", ("Meins", "Mine"), "public", "no-such-group"),
        Entry("/mine", ("Meins", "Mine"), "no.such"),
    ):
        with pytest.raises(ValueError):
            navigation.add(wrong)
    with pytest.raises(ValueError):
        navigation.add_group(Group("data", ("Meins", "Mine")))


def test_an_app_with_several_places_is_one_of_its_group_and_has_a_row_of_its_own() -> None:
    navigation = Navigation()
    light = ("Licht", "Light")
    navigation.add(
        Entry("/light/map", ("Lichtkarte", "Lighting map"), "public", "apps", 50, light),
        Entry("/notices", ("Aushang", "Notices"), "public", "apps", 52, ("Brett", "Board")),
        Entry("/light/orders", ("Aufträge", "Orders"), "jobs.see", "apps", 55, light),
    )

    def apps(actor: Actor, path: str = "/") -> list[tuple[str, str, list[tuple[str, str]]]]:
        (group,) = (item for item in navigation.of(actor, path) if item.key == "apps")
        return [(i.label[1], i.current, [(one.path, one.current) for one in i.items]) for i in group.items]

    inside = [("/light/map", ""), ("/light/orders", "page")]
    assert apps(OPEN, "/light/orders/7") == [("Light", "true", inside), ("Notices", "", [])]
    # Of whom an app has one place only, that place is it.
    assert apps(NOBODY, "/light/map") == [("Lighting map", "page", []), ("Notices", "", [])]


def test_pages_beside_a_place_belong_to_it() -> None:
    navigation = Navigation()
    plan = Entry("/light/plan", ("Plan", "Plan"), "public", "apps", also=("/light/programs", "/light/map/of"))
    navigation.add(Entry("/light/map", ("Karte", "Map"), "public", "apps"), plan)

    def current(path: str) -> list[str]:
        (group,) = (item for item in navigation.of(OPEN, path) if item.key == "apps")
        return [item.path for item in group.items if item.current]

    assert current("/light/programs/7") == ["/light/plan"]
    assert current("/light/map/of/7") == ["/light/plan"]
    assert current("/light/map/7") == ["/light/map"]
    assert current("/light/programsx") == []


async def test_the_menu_of_a_phone(visit: Visiting) -> None:
    async with visit(width=390, height=844) as visited:
        page = visited.page
        await visited.go("/objects?lang=de")
        button = page.locator(".menu > summary")
        await button.focus()
        await page.keyboard.press("Enter")
        assert await visited.axe() == []
        assert await page.locator(".menu [aria-current=page]").inner_text() == "Objekte"
        await page.keyboard.press("Escape")
        assert not await page.locator(".menu__panel").is_visible()
        assert await page.evaluate("document.activeElement.matches('.menu > summary')")
    async with visit(width=390, height=844, java_script_enabled=False) as visited:
        await visited.page.goto(f"{visited._url}/objects?lang=de")
        await visited.page.click(".menu > summary")
        await visited.page.click(".menu a[href='/map']")
        assert visited.page.url.endswith("/map")
