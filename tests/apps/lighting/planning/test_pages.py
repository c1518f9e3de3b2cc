"""The pages of planning on a real server: what is kept, what is refused, what a plan does when it is applied."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from rhinecloud.apps.lighting import app
from rhinecloud.apps.lighting.control.rules import DEFAULTS, LawRule
from rhinecloud.apps.lighting.planning import manifest
from rhinecloud.apps.lighting.planning.citynight import Row
from rhinecloud.apps.lighting.planning.keeping import Wish, still_new
from rhinecloud.people.declared import columns_of
from rhinecloud.people.register import PersonalData, undeclared

from ....conftest import Server

OWN = {"Sec-Fetch-Site": "same-origin"}
STEPS = {
    "periods-0-kind": "astro",
    "periods-0-event": "sunset",
    "fixed-0-at": "16:00",
    "fixed-0-level": "100",
    "fixed-1-at": "23:00",
    "fixed-1-level": "40",
    "fixed-2-at": "05:00",
    "fixed-2-level": "80",
}


def lamps() -> list[dict[str, Any]]:
    """Two lamps of a street, one of them at a crossing."""
    return [
        {
            "id": f"urn:ngsi-ld:Streetlight:P{number}",
            "type": "Streetlight",
            "name": f"Planstraße {number}",
            "address": {"streetAddress": "Planstraße"},
            "areaServed": "Neudorf",
            "locationCategory": "road",
            "pedestrianCrossing": number == 2,
            "location": {"type": "Point", "coordinates": [6.78 + number * 1e-4, 51.42]},
        }
        for number in (1, 2)
    ]


@pytest.fixture
async def city(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=90) as client:
        yield client


@pytest.fixture
async def rows(server: Server) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.database_url)
    yield connection
    await connection.close()


async def post(city: httpx.AsyncClient, path: str, status: int = 303, **given: str) -> str:
    answer = await city.post(f"/lighting{path}", data=given)
    assert answer.status_code == status, answer.text
    return html.unescape(answer.text) if status != 303 else answer.headers["location"]


async def page(city: httpx.AsyncClient, path: str, status: int = 200) -> str:
    answer = await city.get(f"/lighting{path}")
    assert answer.status_code == status, answer.text
    return html.unescape(answer.text)


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found is not None, name
    return found[1]


async def test_programs_are_kept_drawn_copied_and_removed(city: httpx.AsyncClient) -> None:
    assert "Neues Programm" in await page(city, "/programs/new?lang=de")
    given = {"name_de": "Wohnstraße", "name_en": "Residential", **STEPS}
    wrong = await post(city, "/programs/new", 422, **given | {"fixed-1-level": "140"})
    assert "Das Niveau ist 0 bis 100 %." in wrong and "Schaltzeit 2" in wrong
    wrong = await post(city, "/programs/new", 422, **given | {"fixed-1-at": "15:00"})
    assert "Reihenfolge der Nacht" in wrong
    overlap = {"periods-0-kind": "absolute", "periods-0-start": "16:00", "periods-0-end": "23:00"}
    overlap |= {"periods-1-kind": "absolute", "periods-1-start": "22:00", "periods-1-end": "06:00"}
    assert "überschneid" in (await post(city, "/programs/new", 422, **given | overlap)).lower()
    more = await post(city, "/programs/new", 200, **given, action="more-fixed")
    assert more.count("Schaltzeit 5") and "fixed-4-at" in more
    drawn = await post(city, "/programs/new", 200, **given, action="show", date="2026-12-01")
    assert "Nacht vom 01.12.2026" in drawn and drawn.count('<svg class="night__picture') == 1

    assert await post(city, "/programs/new", **given) == "/lighting/programs/wohnstrasse?done=kept"
    assert "gibt es schon" in await post(city, "/programs/new", 409, **given)
    text = await page(city, "/programs/wohnstrasse?date=2026-12-01&lang=de")
    assert "40 %" in text and "Programm Wohnstraße, Schaltzeit 2" in text
    version = hidden(text, "version")
    assert await post(city, "/programs/wohnstrasse", **given | {"fixed-1-level": "50"}, version=version)
    assert "Jemand anderes" in await post(city, "/programs/wohnstrasse", 409, **given, version=version)

    document = json.loads(
        re.findall(r"<textarea[^>]*>(.*?)</textarea>", await page(city, "/programs/wohnstrasse"), re.S)[0]
    )
    assert document["fixed"][1]["level"] == 50
    document["fixed"][1]["level"] = 45
    given = {"json": json.dumps(document), "version": str(int(version) + 1)}
    assert "fixed[0].at" in await post(
        city, "/programs/wohnstrasse/json", 422, json=given["json"].replace("16:00", "26:00")
    )
    assert await post(city, "/programs/wohnstrasse/json", **given)
    assert "(Kopie)" in await page(city, "/programs/new?from=wohnstrasse")
    assert "Wohnstraße" in await page(city, "/programs")
    await page(city, "/programs/nothing", 404)


async def test_calendars_have_ordered_rules_and_show_the_coming_nights(city: httpx.AsyncClient) -> None:
    for name in ("Werk", "Fest"):
        await post(city, "/programs/new", name_de=name, name_en=name, **STEPS)
    wrong = await post(city, "/calendars", 422, name_de="Haupt", name_en="", default="werk")
    assert "Der Name fehlt" in wrong
    assert "kein Programm nichts" in await post(
        city, "/calendars", 422, name_de="Haupt", name_en="Main", default="nichts"
    )
    path = "/calendars/haupt"
    assert (
        await post(city, "/calendars", name_de="Haupt", name_en="Main", default="")
        == f"/lighting{path}?done=kept"
    )
    text = await page(city, path)
    assert "haben kein Programm" in text  # to be confirmed

    async def change(**given: str) -> None:
        version = hidden(await page(city, path), "version")
        await post(city, path, **given, version=version)

    await change(action="head", name_de="Haupt", name_en="Main", default="werk")
    await change(action="add", program="fest", kind="weekdays", **{"day-5": "on", "day-6": "on"})
    await change(action="add", program="fest", kind="yearly", **{"from": "24.12.", "to": "1.1."})
    wrong = await post(
        city, path, 422, action="add", program="fest", kind="dates", dates="irgendwann", version="1"
    )
    assert "Unlesbar" in wrong
    text = await page(city, path)
    assert text.index("1. Fr, Sa") < text.index("2. jedes Jahr vom 24.12. bis 01.01.")
    await change(action="up-1")
    text = await page(city, path)
    assert text.index("1. jedes Jahr") < text.index("2. Fr, Sa")
    assert (
        text.count("/lighting/programs/fest?date=") >= 4 and text.count("/lighting/programs/werk?date=") >= 4
    )
    await change(action="rule-1", program="werk", kind="holidays", eve="on")
    assert "2. Feiertage (NRW) und die Nächte davor" in await page(city, path)
    await change(action="remove-0")
    assert "jedes Jahr vom" not in await page(city, path)
    assert "haupt" in await post(city, "/programs/werk/remove", 409)
    stale = await post(city, path, 409, action="remove-0", version="1")
    assert "Jemand anderes" in stale
    assert await post(city, f"{path}/remove") == "/lighting/calendars?done=removed"


async def test_rules_of_the_city_are_there_from_the_start_and_can_be_edited(
    city: httpx.AsyncClient, rows: asyncpg.Connection
) -> None:
    kept = await rows.fetch("SELECT body FROM app_lighting.law_rule ORDER BY id DESC")
    found = [msgspec.json.decode(record[0], type=LawRule) for record in kept]
    assert found == list(DEFAULTS)
    given = {
        "name_de": "Park", "name_en": "Park", "kind": "minimum_level", "categories": "park", "level": "20",
        "severity": "warn", "active": "on",
    }  # fmt: skip
    assert await post(city, "/rules", **given)
    text = await page(city, "/rules")
    assert "mindestens 20 Prozent" in text and "Fußgängerüberwege" in text
    assert await post(city, "/rules", **given | {"level": "30"}, id="park", version="1")
    assert "Jemand anderes" in await post(city, "/rules", 422, **given, id="park", version="1")
    assert "Unlesbar" in await post(city, "/rules", 422, **given | {"level": "hell"}, id="park", version="2")
    assert await post(city, "/rules/park/remove")
    await post(city, "/rules/park/remove", 404)


async def test_a_plan_is_looked_at_refused_applied_and_explained(
    city: httpx.AsyncClient, rows: asyncpg.Connection
) -> None:
    assert (await city.post("/ngsi-ld/v1/entityOperations/upsert", json=lamps())).status_code in (201, 204)
    await post(city, "/programs/new", name_de="Gedimmt", name_en="Dimmed", **STEPS)
    always = {name: value for name, value in STEPS.items() if not name.startswith(("fixed-1", "fixed-2"))}
    await post(city, "/programs/new", name_de="Volles Licht", name_en="Full light", **always)
    for name, default in (("Straßen", "gedimmt"), ("Überwege", "volles-licht")):
        await post(city, "/calendars", name_de=name, name_en=name, default=default)

    group = {"kind": "street", "name_de": "Planstraße", "name_en": "Plan street", "streets": "planstrasse"}
    assert "2 Leuchten" in await post(city, "/groups/new", 200, **group, action="show")
    assert "Die Gruppe wählt nichts aus" in await post(city, "/groups/new", 422, **group | {"streets": " "})
    assert await post(city, "/groups/new", **group) == "/lighting/groups/planstrasse?done=kept"
    assert "Planstraße 1" in await page(city, "/groups/planstrasse")
    crossing = {"kind": "type", "name_de": "Überwege", "name_en": "Crossings", "categories": "crossing"}
    await post(city, "/groups/new", **crossing)

    for wrong in ({"group": "nichts"}, {}, {"lamp": "nirgends"}, {"lamp": "P1", "group": "planstrasse"}):
        await post(city, "/plan/assign", 422, action="add", calendar="strassen", **wrong)
    await post(city, "/plan/assign", action="add", group="planstrasse", calendar="strassen")
    assert "noch ein Kalender zugeordnet: strassen" in await post(city, "/groups/planstrasse/remove", 409)
    text = await page(city, "/plan?lang=de")
    assert "Fußgängerüberwege" in text and "nicht möglich" in text and "Entwurf anwenden" not in text
    refused = await post(city, "/plan/apply", 422, digest="x")
    assert "wird so nicht angewendet" in refused

    await post(city, "/plan/assign", action="add", group="uberwege", calendar="uberwege", status=422)
    await post(city, "/plan/assign", action="add", group="ueberwege", calendar="ueberwege")
    text = await page(city, "/plan")
    up = re.findall(r'value="(up-\d+)"', text)[-1]
    await post(city, "/plan/assign", action=up)
    text = await page(city, "/plan")
    assert "nicht möglich" not in text and "Nichts spricht dagegen." in text
    digest = hidden(text, "digest")
    await post(city, "/plan/apply", 409, digest="0" * 32)
    night = await page(city, "/night?lamp=P1&date=2026-12-01&lang=de")
    assert "nach dem Entwurf" in night and "kein Programm in dieser Nacht" in night
    assert await post(city, "/plan/apply", digest=digest) == "/lighting/plan?done=applied"
    text = await page(city, "/plan?done=applied")
    assert "Der Plan ist angewendet" in text and "Der Entwurf ist, was angewendet ist" in text
    night = await page(city, "/night?lamp=Planstraße 2&date=2026-12-01&lang=de")
    assert "Kalender Überwege, Standardprogramm" in night and "nach dem Entwurf" not in night
    await page(city, "/night?lamp=P99", 404)

    async def known() -> bool:
        return await rows.fetchval("SELECT count(*) FROM app_lighting.target WHERE level IS NOT NULL") == 2

    while not await known():
        await asyncio.sleep(0.1)
    audited = "SELECT count(*) FROM tenant_city.audit WHERE action = 'lighting.plan.apply'"
    assert await rows.fetchval(audited) == 1
    while await rows.fetchval("SELECT gateways FROM app_lighting.plan") is None:
        await asyncio.sleep(0.1)


async def test_an_older_instant_or_plan_never_replaces_a_newer_target(rows: asyncpg.Connection) -> None:
    """After the test above: two lamps have targets of the newest plan."""
    await rows.execute("SET search_path TO app_lighting")
    record = await rows.fetchrow("SELECT lamp, plan, computed_at FROM target ORDER BY lamp LIMIT 1")
    if record is None:
        pytest.skip("no plan was applied: run the whole module")
    lamp, plan, at = record
    moment = timedelta(microseconds=1)
    wish = Wish(Row(lamp, "P1", True, None, None), 50.0, at, at, "[]")
    async with rows.transaction():
        assert await still_new(rows, [wish], at - moment, plan) == []
        assert await still_new(rows, [wish], at + moment, plan - 1) == []
        assert await still_new(rows, [wish], at + moment, plan) == [wish]
        await rows.execute("UPDATE target SET computed_at = NULL")
        assert await still_new(rows, [wish], at - moment, plan) == [wish]
    await rows.execute("UPDATE target SET computed_at = $1", at)


async def test_overrides_have_an_end_and_a_reason(city: httpx.AsyncClient, rows: asyncpg.Connection) -> None:
    await city.post("/ngsi-ld/v1/entityOperations/upsert", json=lamps())
    soon = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M}"
    good = {"lamp": "P1", "level": "100", "ends": soon, "reason": "Rettungseinsatz"}
    for wrong in (
        {"level": "101"},
        {"level": ""},
        {"ends": "2020-01-01T00:00"},
        {"ends": ""},
        {"ends": "2099-01-01T00:00"},
        {"begins": "2098-01-01T00:00"},
        {"reason": " "},
        {"lamp": "nirgends"},
        {"lamp": ""},
        {"group": "planstrasse"},
    ):
        assert "Nicht angelegt" in await post(city, "/overrides?lang=de", 422, **good | wrong), wrong
    assert await rows.fetchval("SELECT count(*) FROM app_lighting.override") == 0
    await post(city, "/overrides", **good)
    text = await page(city, "/overrides")
    assert "Rettungseinsatz" in text and "in Kraft" in text
    number = re.findall(r"/overrides/(\d+)/end", text)[0]
    night = await page(city, f"/night?lamp=P1&date={datetime.now(UTC):%Y-%m-%d}")
    assert f"Übersteuerung {number} (Rettungseinsatz)" in night
    await post(city, f"/overrides/{number}/end")
    await post(city, f"/overrides/{number}/end", 404)
    assert "vorbei" in await page(city, "/overrides")
    audited = await rows.fetch(
        "SELECT action FROM tenant_city.audit WHERE action LIKE 'lighting.override.%' ORDER BY id"
    )
    done = [record[0].rpartition(".")[2] for record in audited]
    assert done == ["refused", "make", "end"]  # refused: a lamp that is not this city's


async def test_every_column_is_declared(rows: asyncpg.Connection) -> None:
    own = {table.name for table in manifest.HOLDINGS} | set(manifest.IMPERSONAL)
    columns = [column for column in await columns_of(rows, "app_lighting") if column[0] in own]
    mine = PersonalData(
        activities=tuple(
            msgspec.structs.replace(one, holdings=manifest.HOLDINGS) for one in app.personal_data.activities
        ),
        impersonal=manifest.IMPERSONAL,
    )
    assert {table for table, _ in columns} == own and undeclared(columns, [mine]) == []
