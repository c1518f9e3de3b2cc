"""The pages of LoRaWAN groups, read by axe in both languages, at the desk and on a phone, light and dark."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from rhinecloud.apps.lighting.lorawan.judging import Verdict
from rhinecloud.apps.lighting.lorawan.rows import heard, is_troubled
from rhinecloud.apps.lighting.lorawan.schedule import Night, Schedule, Step, encode

from ....conftest import Server
from ....web.conftest import Street, Visiting, axe_and_width, browser, city, visit
from ..planning.test_keeping import OWN, ask, entity, plan

__all__ = ["browser", "city", "visit"]  # fixtures
NOW = datetime(2026, 3, 20, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
async def group(server: Server, city: Street) -> int:
    """One with lamps of every kind, as its rows say."""
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=90) as staff:
        lamps = [entity(f"axe-{index}") for index in range(4)]
        await ask(staff, "/ngsi-ld/v1/entityOperations/upsert", json=lamps)
        await plan(staff, 50)
    body = encode(Schedule(29_566_740, (Night(0, (Step(420, 100), Step(630, 50))),)))
    rows = await asyncpg.connect(server.database_url)
    try:
        await rows.execute("SET search_path TO app_lighting")
        number: int = await rows.fetchval(
            "INSERT INTO lorawan_group (name, network, multicast, port, lamps, made_at, made_by) "
            "VALUES ('Am Deich', 'chirpstack', 'b3f6c2f6', 10, 'alle', $1, 'test') RETURNING number",
            NOW,
        )
        await rows.execute(
            "INSERT INTO lorawan_schedule "
            "(grp, version, body, plan, calendar, state, asked_at, sent_at, rounds, trouble) "
            "VALUES ($1, 7, $2, 1, 'immer', 'incomplete', $3, $3, 4, '503: no')",
            number,
            body,
            NOW,
        )
        for index, (state, troubles) in enumerate(
            (
                ("unheard", []),
                ("older", ["schedule_missing"]),
                ("wrong", ["schedule_wrong", "clock_drift"]),
                ("verified", ["schedule_contradicted"]),
            )
        ):
            await rows.execute(
                "INSERT INTO lorawan_member "
                "(lamp, grp, device, state, heard_at, version, hash, drift, level, expected, troubles) "
                "VALUES ($1, $2, $3, $4, $5, 7, 1, -612.5, 40, '{50, 100}', $6)",
                f"urn:ngsi-ld:Streetlight:axe-{index}",
                number,
                f"axe-{index}",
                state,
                NOW,
                troubles,
            )
    finally:
        await rows.close()
    return number


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_read_the_pages(visit: Visiting, group: int, theme: str) -> None:
    await axe_and_width(visit, ["/lighting/lorawan", f"/lighting/lorawan/{group}"], theme)
    async with visit(theme=theme) as visited:
        await visited.go(f"/lighting/lorawan/{group}?lang=de")
        shown = await visited.page.get_by_role("region", name="Was die Leuchten melden").inner_text()
        for words in ("noch nichts gehört", "Uhr geht falsch", "erwartet 50, 100 %", "Niveau widerspricht"):
            assert words in shown


async def test_who_is_given_up_while_their_report_is_read_stays_so(server: Server, group: int) -> None:
    """What was noted after somebody looked is not overwritten by what they make of it."""
    lamp = "urn:ngsi-ld:Streetlight:axe-1"
    connection = await asyncpg.connect(server.database_url)
    try:
        await connection.execute("SET search_path TO app_lighting")
        older = Verdict(state="older", drift=None, expected=(), troubles={"clock_drift": {}})
        told = (6, 1, 40.0)
        noted = await heard(connection, lamp, NOW, told, older, ["clock_drift"])
        assert noted == ({"schedule_missing"}, {"clock_drift", "schedule_missing"})
        assert await is_troubled(connection, lamp, "schedule_missing")
        verified = Verdict(state="verified", drift=None, expected=(), troubles={})
        noted = await heard(connection, lamp, NOW, told, verified, [])
        assert noted == ({"clock_drift", "schedule_missing"}, set())
        assert await heard(connection, "urn:ngsi-ld:Streetlight:none", NOW, told, verified, []) is None
    finally:
        await connection.close()
