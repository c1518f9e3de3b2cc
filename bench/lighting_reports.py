"""What 50,000 lamps cost that report every five minutes, 1 % of them at fault: a served city, from MQTT to the faults.

Reports come evenly, each with four attributes, QoS 1 over a few connections as from gateways, for as long as all lamps
need to report once. Lamps at fault are too hot, by day and by night; so that one round of reports finds them, this
fault needs its two reports only, not five minutes besides. Counted is what the processes of the installation use, with
telling, history, faults and whatever else a city does meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import aiomqtt
import asyncpg
import httpx
import msgspec

from rhinecloud.apps.lighting.control.sun import nights

from .installation import Costs, Installation, installation

_EVERY: Final = 300.0  # seconds between the reports of a lamp
_CONNECTIONS: Final = 8
_WATTS: Final = 60.0
_LON, _LAT = 6.76, 51.43
_PATIENCE: Final = 300.0
_OPEN: Final = (
    "SELECT count(DISTINCT subject) FROM app_lighting.fault WHERE ended_at IS NULL AND scope = 'lamp'"
)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`share`: processor seconds of all processes for one second, by part. `faults`: lamps that have one at the end;
    `late`: seconds after the last report at which the last value was in the graph."""

    lamps: int
    reports: int
    seconds: float
    share: dict[str, float]
    broken: int
    faults: int
    late: float
    load: float


def run(lamps: int, say: Callable[[str], None]) -> Result:
    """Measure."""
    with installation() as city:
        city.start()
        return asyncio.run(_measure(city, lamps, _EVERY if lamps > 5_000 else 10.0, say))


def table(result: Result) -> str:
    """For reading, beside what the project aims at."""
    parts = ", ".join(f"{name} {share:.1%}" for name, share in result.share.items() if name != "total")
    return "\n".join(
        (
            f"{result.lamps:,} lamps, {result.reports:,} reports in {result.seconds:.0f} s "
            f"({result.reports / result.seconds:.0f}/s), {result.broken} lamps at fault",
            f"one core    {result.share['total']:6.1%}   aim < 20 %   ({parts})",
            f"faults      {result.faults} lamps found at fault; the last report was there after {result.late:.1f} s",
            f"machine     load {result.load:.1f} on {os.cpu_count()} cores",
        )
    )


async def _measure(city: Installation, lamps: int, every: float, say: Callable[[str], None]) -> Result:
    ids = [f"bench-{number:05}" for number in range(lamps)]
    broken = frozenset(ids[::100])
    dark = _is_dark(time.time())
    base = f"http://127.0.0.1:{city.port}"
    async with httpx.AsyncClient(
        base_url=base, headers={"Sec-Fetch-Site": "same-origin"}, timeout=120
    ) as http:
        say(f"Putting up {lamps:,} lamps …")
        for start in range(0, lamps, 500):
            some = [_lamp(number, ids[number]) for number in range(start, min(start + 500, lamps))]
            (await http.post("/ngsi-ld/v1/entityOperations/upsert", json=some)).raise_for_status()
        await _at_once(http)
        say("Each reports once, as fast as it goes …")
        await _reports(city, ids, broken, dark, 0.0)
        await _heard(http, ids[-1], await _said(city, ids[-1], False, dark))
        say(f"Each reports once more, within {every:.0f} s …")
        before, begun = city.costs(), time.monotonic()
        await _reports(city, ids, broken, dark, every)
        last = await _said(city, ids[-1], False, dark)
        sent = time.monotonic()
        await _heard(http, ids[-1], last)
        late, seconds = time.monotonic() - sent, time.monotonic() - begun
        used = _share(before, city.costs(), seconds)
        load = os.getloadavg()[0]
        found = await _found(city.url)
    return Result(
        lamps=lamps,
        reports=lamps + 1,
        seconds=seconds,
        share=used,
        broken=len(broken),
        faults=found,
        late=late,
        load=load,
    )


def _is_dark(at: float) -> bool:
    yesterday = datetime.fromtimestamp(at, UTC).date() - timedelta(1)
    set_, rise = nights([_LON], [_LAT], date(yesterday.year, yesterday.month, yesterday.day), 2)
    return any(float(a) < at < float(b) for a, b in zip(set_[0], rise[0], strict=True))


def _lamp(number: int, name: str) -> dict[str, Any]:
    place = [_LON + number % 250 * 0.0003, _LAT + number // 250 * 0.0003]
    return {
        "id": f"urn:ngsi-ld:Streetlight:{name}",
        "type": "Streetlight",
        "location": {"type": "Point", "coordinates": place},
        "powerRating": _WATTS,
    }


async def _at_once(http: httpx.AsyncClient) -> None:
    """Over-temperature is a fault after its reports, without the minutes that it has to last."""
    form = (await http.get("/lighting/faults/thresholds")).text
    form = form[form.index("<form", form.index("<main")) :]
    given = {
        name: value
        for name, value in re.findall(r'<input[^>]*\bname="([^"]+)"[^>]*\bvalue="([^"]*)"', form)
        if name != "on_demand"
    }
    given |= dict(
        re.findall(r'<select[^>]*\bname="([^"]+)".*?<option value="([^"]*)" selected', form, re.DOTALL)
    )
    answer = await http.post("/lighting/faults/thresholds", data=given | {"temperature-begin_minutes": "0"})
    if answer.status_code != 303:
        raise RuntimeError(f"the thresholds were refused with {answer.status_code}")


def _report(lit: bool, broken: bool = False) -> str:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {
        "illuminanceLevel": float(lit),
        "powerState": "on" if lit else "off",
        "powerConsumption": _WATTS if lit else 0.3,
        "temperature": 95.0 if broken else 31.5,
        "observedAt": at,
    }
    return json.dumps(said)


async def _said(city: Installation, name: str, broken: bool, dark: bool) -> str:
    """Let one lamp report; the instant that it named."""
    text = _report(dark, broken)
    async with aiomqtt.Client("127.0.0.1", city.mqtt_port) as client:
        await client.publish(f"json/Streetlight/{name}", text, qos=1)
    return str(json.loads(text)["observedAt"])


async def _reports(
    city: Installation, ids: list[str], broken: frozenset[str], dark: bool, seconds: float
) -> None:
    begun = time.monotonic()

    async def gateway(own: int) -> None:
        async with aiomqtt.Client("127.0.0.1", city.mqtt_port, timeout=60) as client:
            for number in range(own, len(ids), _CONNECTIONS):
                wait = begun + seconds * number / len(ids) - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                name = ids[number]
                await client.publish(f"json/Streetlight/{name}", _report(dark, name in broken), qos=1)

    await asyncio.gather(*(gateway(number) for number in range(_CONNECTIONS)))


async def _heard(http: httpx.AsyncClient, name: str, at: str) -> None:
    """Wait until the graph has what a lamp said at that instant."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        answered = await http.get(f"/ngsi-ld/v1/entities/urn:ngsi-ld:Streetlight:{name}")
        told = answered.json().get("powerConsumption", {}).get("observedAt", "")
        if told and datetime.fromisoformat(told) >= datetime.fromisoformat(at):
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{name} was not heard")


async def _found(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(_OPEN))
    finally:
        await connection.close()


def _share(before: Costs, after: Costs, seconds: float) -> dict[str, float]:
    parts = {
        name: (getattr(after, name) - getattr(before, name)) / seconds for name in Costs.__struct_fields__
    }
    return {"total": sum(parts.values()), **parts}
