"""The APIs' descriptions: every route is there, the documents are valid, the pages are readable."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.async_api import expect

from rhinecloud.api.management.api import ROUTES as MANAGEMENT
from rhinecloud.api.ngsi_ld.api import ROUTES as NGSI_LD
from rhinecloud.api.ngsi_ld.operation_texts import OPERATIONS, PARAMETERS
from rhinecloud.web.api_reference import operations

from .conftest import Street, Visiting, axe_and_width


@pytest.fixture(scope="module")
def documents(city: Street) -> dict[str, Any]:
    """Both documents as they are served."""
    return {
        "ngsi-ld": city.client.get("/api/v1/ngsi-ld-openapi.json").json(),
        "management": city.client.get("/api/v1/openapi.json").json(),
    }


def test_every_route_has_an_entry_and_the_documents_are_valid(documents: dict[str, Any]) -> None:
    for described in documents.values():
        OpenAPIV31SpecValidator(described).validate()
    routes = {(path, method) for path, methods in NGSI_LD.table.items() for method in methods}
    assert set(OPERATIONS) == routes
    used = {
        name
        for methods in NGSI_LD.table.values()
        for one in methods.values()
        for name in one.parameters.names
    }
    assert set(PARAMETERS) == used
    entries = [one for group in operations(documents["ngsi-ld"], "").values() for one in group]
    assert len(entries) == len({one.id for one in entries}) == len(routes)
    entries = [one for group in operations(documents["management"], "").values() for one in group]
    assert len(entries) == len({one.id for one in entries}) == len(MANAGEMENT)


async def test_the_reference_in_a_browser(visit: Visiting, city: Street) -> None:
    async with visit() as visited:
        page = visited.page
        await visited.go("/api-reference?lang=de")
        await page.click("#get_entities summary")
        await expect(page.locator("#get_entities")).to_contain_text("Objekte abfragen")
        assert await visited.axe() == []
        command = await page.locator("#get_entities pre code").inner_text()
        address = command.split("'")[-2] if "'" in command else command.split()[-1]
        assert city.client.get(address).status_code == 200
        await page.click(".choose a >> text=Verwaltung")
        await expect(page.locator("h1")).to_have_text("Verwaltung")
    await axe_and_width(visit, ["/api-reference"], "light")
    await axe_and_width(visit, ["/api-reference/management"], "dark")
