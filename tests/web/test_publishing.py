"""Publishing on its page: look first, publish then, withdraw; without JavaScript, readable for everybody."""

from __future__ import annotations

from playwright.async_api import expect

from .conftest import Street, Visiting, axe_and_width

_DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
_LOOK = f"/publishing/~new?type={_DEFAULT}Streetlight&attribute={_DEFAULT}powerState"


async def test_data_are_published_after_a_look_and_withdrawn(visit: Visiting, city: Street) -> None:
    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        await page.goto(f"{city.url}/publishing?lang=de")
        await expect(page.locator(".empty")).to_contain_text("Nichts ist veröffentlicht")
        await page.click("text=Daten veröffentlichen")
        await page.select_option("#type", _DEFAULT + "Streetlight")
        await page.click("main form[method=get] button")
        await page.check("text=powerState")
        await page.click("main form[method=get] button")
        example = page.locator("section[aria-labelledby=preview-title]")
        await expect(example).to_contain_text("Objekte")
        await expect(example).to_contain_text("powerState")
        await expect(example).not_to_contain_text("location")
        await example.get_by_role("button", name="Veröffentlichen für: alle").click()
        await expect(page.locator("[role=status]")).to_contain_text("Es ist veröffentlicht.")
        row = page.locator("tbody tr")
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text("Streetlight")
        await expect(row).to_contain_text("powerState")
    await axe_and_width(visit, ["/publishing", _LOOK], "light")
    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        await page.goto(f"{city.url}/publishing?lang=de")
        await page.get_by_role("button", name="Zurückziehen: Streetlight").click()
        await expect(page.locator("[role=status]")).to_contain_text("Es ist zurückgezogen")
        await expect(page.locator("tbody tr")).to_have_count(0)
    await axe_and_width(visit, ["/publishing", "/publishing/~new"], "dark")
    past = {"audience": "anyone", "type": _DEFAULT + "Streetlight", "until": "2001-01-01"}
    answer = city.client.post("/publishing?lang=en", data=past, headers={"Origin": city.url.rstrip("/")})
    assert answer.status_code == 422 and "has passed already" in answer.text
    for nonsense in (
        {},
        {**past, "until": "soon"},
        {**past, "until": "9999-12-31"},
        {**past, "audience": "x"},
    ):
        answer = city.client.post("/publishing", data=nonsense, headers={"Origin": city.url.rstrip("/")})
        assert answer.status_code == 422, nonsense
