"""The way of a fault in a browser: alarm, order, done in the street without a network, sent, verified by the lamp."""

from __future__ import annotations

import io
import uuid
from typing import Any

import asyncpg
import httpx
import pytest
from PIL import Image

from tests.web.conftest import Visiting, axe_and_width, browser, visit

from ..faults.city import LAMP, OWN, Lamps, until

__all__ = ["browser", "visit"]  # fixtures

BURNS: dict[str, Any] = {"illuminanceLevel": 1.0, "powerConsumption": 58.0, "powerState": "on"}
RESTS: dict[str, Any] = {"illuminanceLevel": 0.0, "powerConsumption": 0.2, "powerState": "off"}


def picture() -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (2_400, 1_200), "navy").save(drawn, "JPEG")
    return drawn.getvalue()


async def fault_of(lamps: Lamps, rows: asyncpg.Connection, name: str, **others: str) -> int:
    """A lamp burns by day."""
    await lamps.put_up(name)
    await lamps.say(name, **RESTS)
    await lamps.say(name, **BURNS)

    async def found() -> Any:
        return await rows.fetchval(
            "SELECT number FROM app_lighting.fault WHERE subject = $1 AND ended_at IS NULL", LAMP + name
        )

    return int(await until(found))


async def state(rows: asyncpg.Connection, order: int) -> str:
    return str(await rows.fetchval("SELECT state FROM app_lighting.work_order WHERE number = $1", order))


async def order_of(lamps: Lamps, fault: int) -> int:
    answer = await lamps.http.post(f"/lighting/faults/{fault}/order")
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].rpartition("/")[2])


async def enter(lamps: Lamps, order: int, event: str, **given: str) -> httpx.Response:
    fields = {"key": str(uuid.uuid4()), "event": event} | given
    files = {name: (None, value) for name, value in fields.items()}
    return await lamps.http.post(
        f"/lighting/orders/{order}/entries", files=files, headers={"Accept": "application/json", **OWN}
    )


async def test_a_fault_is_found_ordered_repaired_without_a_network_and_verified_by_the_lamp(
    visit: Visiting, lamps: Lamps, rows: asyncpg.Connection, tmp_path: Any
) -> None:
    (tmp_path / "photo.jpg").write_bytes(picture())
    crew = await lamps.http.post(
        "/lighting/orders/crews", data={"name": "Stadtwerke", "kind": "organisation"}
    )
    assert crew.status_code == 303
    fault = await fault_of(lamps, rows, "W1")
    async with visit(width=390, height=844, has_touch=True) as phone:
        page = phone.page
        await phone.go("/lighting/faults?lang=de")
        await page.locator("#faults").get_by_role("link", name="Brennt am Tag").first.click()
        await page.get_by_role("button", name="Arbeitsauftrag anlegen").click()
        await page.wait_for_url("**/lighting/orders/*")
        order = int(page.url.rpartition("/")[2].partition("?")[0])
        await page.select_option("#crew", label="Stadtwerke")
        await page.get_by_role("button", name="Zuordnen").click()
        await page.get_by_text("Der Auftrag ist zugewiesen.").wait_for()
        await page.wait_for_selector("#outbox[data-ready]", state="attached")
        for button in await page.locator(".street__acts button").all():
            box = await button.bounding_box()
            assert box is not None and box["height"] >= 60 and box["width"] >= 300
        assert await phone.overflow() <= 0
        await page.get_by_role("button", name="Ich bin unterwegs").click()

        async def is_in(expected: str) -> bool:
            return await state(rows, order) == expected

        await until(lambda: is_in("on_the_way"))
        await page.wait_for_selector("#outbox[data-ready]", state="attached")
        await page.get_by_role("button", name="Ich bin unterwegs").wait_for(state="detached")

        phone.allowed.append("ERR_INTERNET_DISCONNECTED")
        await page.context.set_offline(True)
        await page.fill("#note", "Klemme <locker>, nachgezogen")
        await page.set_input_files("#photo", tmp_path / "photo.jpg")
        await page.get_by_role("button", name="Erledigt", exact=True).click()
        await page.get_by_text("Auf diesem Gerät gemerkt").wait_for()
        assert await phone.axe() == []
        assert await state(rows, order) == "on_the_way"
        await page.context.set_offline(False)
        await page.get_by_text("als erledigt gemeldet").wait_for(timeout=60_000)
        assert await state(rows, order) == "done"
        await page.get_by_text("Klemme <locker>, nachgezogen").wait_for()
        await page.locator("img.photo").first.scroll_into_view_if_needed()
        kept = "SELECT count(*) FROM app_lighting.work_entry WHERE \"order\" = $1 AND event = 'finish'"
        assert await rows.fetchval(kept, order) == 1
        picture_of = await page.locator("img.photo").first.get_attribute("src")
        shown = await lamps.http.get(str(picture_of))
        assert shown.headers["content-type"] == "image/jpeg"
        assert max(Image.open(io.BytesIO(shown.content)).size) <= 1_600

        await lamps.say("W1", **RESTS)
        await until(lambda: is_in("verified"))
        await phone.go(f"/lighting/orders/{order}")
        await page.get_by_text("Leuchte meldet: in Ordnung").wait_for()
    events = await rows.fetch(
        "SELECT action FROM tenant_city.audit WHERE subject = $1 ORDER BY id", f"work-order:{order}"
    )
    assert [one[0].rpartition(".")[2] for one in events] == ["made", "assign", "start", "finish", "recovered"]
    assert fault


async def test_what_is_sent_twice_counts_once_and_what_comes_too_late_changes_nothing(
    lamps: Lamps, rows: asyncpg.Connection
) -> None:
    order = await order_of(lamps, await fault_of(lamps, rows, "W2"))
    key = str(uuid.uuid4())
    for _ in range(3):
        answer = await enter(
            lamps, order, "finish", key=key, note="fertig", entered_at="2020-01-01T00:00:00Z"
        )
        assert answer.json() == {"state": "done", "refused": False}
    assert (await enter(lamps, order, "start")).json() == {"state": "done", "refused": True}
    entries = await rows.fetch(
        'SELECT event, entered_at, at FROM app_lighting.work_entry WHERE "order" = $1', order
    )
    assert sorted(one["event"] for one in entries) == ["finish", "made", "start"]
    assert all((one["at"] - one["entered_at"]).days <= 30 for one in entries)
    for wrong in (
        {"event": "verify"},
        {"event": "withdraw"},
        {"event": "x"},
        {"key": "x"},
        {"entered_at": "x"},
    ):
        assert (await enter(lamps, order, **({"event": "note"} | wrong))).status_code == 422, wrong
    assert (await enter(lamps, order + 1_000, "note")).status_code == 404
    files = {"key": (None, str(uuid.uuid4())), "event": (None, "note"), "photo": ("a.jpg", b"<svg/>")}
    refused = await lamps.http.post(f"/lighting/orders/{order}/entries", files=files, headers=OWN)
    assert refused.status_code == 415 and "Nur Fotos" in refused.text
    await lamps.say("W2", **RESTS)
    await until(lambda: _is(rows, order, "verified"))


async def _is(rows: asyncpg.Connection, order: int, expected: str) -> bool:
    return await state(rows, order) == expected


async def test_the_lamp_contradicts_and_the_office_withdraws(lamps: Lamps, rows: asyncpg.Connection) -> None:
    fault = await fault_of(lamps, rows, "W3")
    order = await order_of(lamps, fault)
    assert await order_of(lamps, fault) == order  # one order is enough
    assert (await enter(lamps, order, "finish")).json()["state"] == "done"
    by_hand = await lamps.http.post(f"/lighting/orders/{order}/office", data={"event": "verify"})
    assert "done=refused" in by_hand.headers["location"]

    # What a lamp said of a moment before it was done contradicts nothing: say it of now.
    async def contradicted() -> bool:
        await rows.execute(
            "UPDATE app_lighting.work_order SET done_at = '2020-01-01' WHERE number = $1 AND state = 'done'",
            order,
        )
        await lamps.say("W3", times=1, **BURNS)
        return await state(rows, order) == "new"

    await until(contradicted)
    assert await rows.fetchval("SELECT reopened FROM app_lighting.work_order WHERE number = $1", order) == 1
    withdrawn = await lamps.http.post(f"/lighting/orders/{order}/office", data={"event": "withdraw"})
    assert withdrawn.status_code == 303 and await state(rows, order) == "withdrawn"
    assert await order_of(lamps, fault) > order


async def test_a_rule_makes_orders_and_they_are_not_needed_when_the_lamp_is_well_before(
    lamps: Lamps, rows: asyncpg.Connection
) -> None:
    await lamps.http.post("/lighting/orders/crews", data={"name": "Kolonne Nord", "kind": "role"})
    crew = await rows.fetchval("SELECT number FROM app_lighting.work_crew WHERE name = 'Kolonne Nord'")
    rule = {"day_burner-rule": "on", "day_burner-crew": str(crew), "day_burner-days": "3"}
    assert (await lamps.http.post("/lighting/orders/rules", data=rule)).status_code == 303
    assert (
        await lamps.http.post("/lighting/orders/rules", data=rule | {"day_burner-days": "x"})
    ).status_code == 422
    fault = await fault_of(lamps, rows, "W4")

    async def made() -> Any:
        return await rows.fetchrow(
            "SELECT number, crew, state FROM app_lighting.work_order WHERE fault = $1", fault
        )

    found = await until(made)
    assert (found["crew"], found["state"]) == (crew, "assigned")
    assert "Römerstraße W4" in (await lamps.http.get(f"/lighting/orders?crew={crew}")).text
    await lamps.say("W4", **RESTS)
    await until(lambda: _is(rows, found["number"], "withdrawn"))
    assert (await lamps.http.post("/lighting/orders/rules", data={})).status_code == 303


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_use_the_pages(
    visit: Visiting, lamps: Lamps, rows: asyncpg.Connection, theme: str
) -> None:
    fault = await fault_of(lamps, rows, f"W5{theme}")
    order = await order_of(lamps, fault)
    await enter(lamps, order, "note", note="Leiter nötig")
    paths = [
        "/lighting/faults",
        f"/lighting/faults/{fault}",
        "/lighting/faults/thresholds",
        "/lighting/orders",
    ]
    paths += ["/lighting/orders?view=board", f"/lighting/orders/{order}", "/lighting/orders/crews"]
    await axe_and_width(visit, paths, theme)
