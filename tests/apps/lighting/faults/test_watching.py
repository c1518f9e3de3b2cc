"""The watch on real engines: from what lamps say to faults, to the graph and to the house's alarms."""

from __future__ import annotations

import os
import signal
from typing import Any

import asyncpg
import httpx
import msgspec
import psutil
import pytest

from rhinecloud.apps.lighting import app
from rhinecloud.hosting import IN_EVERY_APP
from rhinecloud.people.declared import assert_declared
from tests.conftest import Serve, Server

from .city import LAMP, Lamps, until

OPEN = "SELECT * FROM app_lighting.fault WHERE ended_at IS NULL ORDER BY scope, subject, kind"
BURNS: dict[str, Any] = {"illuminanceLevel": 1.0, "powerConsumption": 58.0, "powerState": "on"}
RESTS: dict[str, Any] = {"illuminanceLevel": 0.0, "powerConsumption": 0.2, "powerState": "off"}


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Server:
    return module_serve("--workers=2")


async def faults(rows: asyncpg.Connection) -> list[tuple[str, str, str]]:
    return [(one["scope"], one["subject"].rpartition(":")[2], one["kind"]) for one in await rows.fetch(OPEN)]


async def test_a_day_burner_is_found_told_and_over(lamps: Lamps, rows: asyncpg.Connection) -> None:
    await lamps.put_up("A1", "A2")
    await lamps.say("A1", "A2", **RESTS)
    await lamps.say("A1", **BURNS)

    async def found() -> bool:
        return await faults(rows) == [("lamp", "A1", "day_burner")]

    await until(found)
    (fault,) = await rows.fetch(OPEN)
    seen = msgspec.json.decode(fault["evidence"])["seen"]
    assert (seen["power"], seen["level"]) == (58.0, 100.0) and seen["sun"] > 3
    assert fault["name"] == "Römerstraße A1" and fault["since"] < fault["found_at"]

    async def alarm() -> Any:
        return await rows.fetchval(
            "SELECT count(*) FROM tenant_city.device_alarm "
            "WHERE kind = 'lighting.day_burner' AND acknowledged_at IS NULL"
        )

    await until(alarm)
    assert await lamps.status("A1") == "defectiveLamp" and await lamps.status("A2") == ""
    # A lamp that says it is well while it is not is not believed.
    await lamps.say("A1", **BURNS, status="ok")

    async def contradicted() -> bool:
        return await lamps.status("A1") == "defectiveLamp"

    await until(contradicted)
    page = (await lamps.http.get(f"/lighting/faults/{fault['number']}")).text
    assert "Brennt am Tag" in page and "Römerstraße A1" in page and "Leistung: 58 W" in page

    await lamps.say("A1", **RESTS)

    async def over() -> bool:
        return await faults(rows) == [] and await lamps.status("A1") == "ok" and not await alarm()

    await until(over)
    assert "Brennt am Tag" in (await lamps.http.get("/lighting/faults?over=1")).text


async def test_nonsense_disturbs_nobody_else(lamps: Lamps, rows: asyncpg.Connection) -> None:
    await lamps.put_up("B1", "B2", "B3")
    await lamps.say("B1", illuminanceLevel=1e9, powerConsumption="viel", temperature=-4000)
    await lamps.say("B1", illuminanceLevel=[1, 2], powerConsumption=True, powerState={"on": 1})
    await lamps.say("B2", **BURNS)

    async def found() -> bool:
        return set(await faults(rows)) >= {("lamp", "B1", "nonsense"), ("lamp", "B2", "day_burner")}

    await until(found)
    assert {one for one in await faults(rows) if one[1].startswith("B")} == {
        ("lamp", "B1", "nonsense"),
        ("lamp", "B2", "day_burner"),
    }
    await lamps.say("B1", "B2", **RESTS)

    async def over() -> bool:
        return await faults(rows) == []

    await until(over)


async def test_a_feeder_that_is_dark_is_one_fault_and_its_lamps_are_faults_again_when_it_is_back(
    lamps: Lamps, rows: asyncpg.Connection
) -> None:
    names = [f"C{number}" for number in range(6)]
    feeder = {"id": "urn:ngsi-ld:StreetlightFeeder:F1", "type": "StreetlightFeeder", "name": "Abgang 1"}
    await lamps.upsert(feeder)
    await lamps.put_up(*names, feederID="urn:ngsi-ld:StreetlightFeeder:F1")
    await lamps.say(*names, **RESTS)
    await lamps.say(*names, **RESTS, lampFailure=True)

    async def one() -> bool:
        return await faults(rows) == [("feeder", "F1", "supply")]

    await until(one)
    (fault,) = await rows.fetch(OPEN)
    assert sorted(fault["lamps"]) == [LAMP + name for name in names] and fault["name"] == "Abgang 1"
    assert await lamps.status("C0") == "defectiveLamp"
    await lamps.say(*names[2:], times=3, **BURNS, lampFailure=False)

    async def two() -> bool:
        found = await faults(rows)
        return [one for one in found if one[2] == "dark"] == [
            ("lamp", "C0", "dark"),
            ("lamp", "C1", "dark"),
        ] and not [one for one in found if one[2] == "supply"]

    await until(two)
    await lamps.say(*names, times=3, **BURNS, lampFailure=False)
    await lamps.say(*names, times=3, **RESTS, lampFailure=False)

    async def none() -> bool:
        return await faults(rows) == []

    await until(none)


async def test_it_goes_on_after_its_workers_are_killed(serve: Serve) -> None:
    server = serve("--workers=2")
    rows = await asyncpg.connect(server.database_url)
    lamps = Lamps(server.base_url)
    await lamps.thresholds()
    await lamps.put_up("D1", "D2", "D3")
    await lamps.say("D1", "D2", "D3", **RESTS)
    await lamps.say("D1", **BURNS)

    async def first() -> bool:
        return await faults(rows) == [("lamp", "D1", "day_burner")]

    await until(first)
    for child in psutil.Process(server.process.pid).children():
        if "rhinecloud.worker" in " ".join(child.cmdline()):
            os.kill(child.pid, signal.SIGKILL)

    async def again() -> bool:
        try:
            await lamps.say("D2", times=1, **BURNS)
            await lamps.say("D1", times=1, **RESTS)
        except (httpx.TransportError, AssertionError) as error:  # it comes back
            print(error)
            return False
        found = await faults(rows)
        return ("lamp", "D2", "day_burner") in found and ("lamp", "D1", "day_burner") not in found

    await until(again)
    assert await rows.fetchval("SELECT count(*) FROM app_lighting.fault") == 2
    await lamps.http.aclose()
    await rows.close()


async def test_every_column_is_declared(rows: asyncpg.Connection) -> None:
    await assert_declared(rows, [app.personal_data, IN_EVERY_APP], "app_lighting")
