"""What clients were acknowledged, to be compared with what is kept and with who was told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import asyncpg
import httpx
import msgspec

from rhinecloud.broker.feed import read_change

N = "https://uri.etsi.org/ngsi-ld/default-context/n"
HISTORY = """
SELECT s.entity_id, h.value::bigint FROM history h JOIN series s ON s.id = h.series WHERE s.entity_id LIKE $1
UNION ALL SELECT s.entity_id, v::bigint FROM chunk c JOIN series s ON s.id = c.series, unnest(c.values) AS v
WHERE s.entity_id LIKE $1
"""


@dataclass
class Ledger:
    """(entity id, number), each number once; `prefix` begins the local ids of its entities."""

    prefix: str
    tried: set[tuple[str, int]] = field(default_factory=set)
    acknowledged: set[tuple[str, int]] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))

    @property
    def like(self) -> str:
        """A pattern of its entities' ids, for SQL."""
        return f"urn:ngsi-ld:Chaos:{self.prefix}.%"

    def entry(self, name: str) -> tuple[str, int]:
        """The next number for an entity, noted as tried."""
        entry = (f"urn:ngsi-ld:Chaos:{self.prefix}.{name}", next(self.numbers))
        self.tried.add(entry)
        return entry


def now() -> str:
    """With microseconds: the order of an entity's values is that of their times."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def write_http(base_url: Callable[[], str], ledger: Ledger, over: asyncio.Event, name: str) -> None:
    """One entity after the other; one whose write failed is left alone, for that write may still happen."""
    generation = 0
    async with httpx.AsyncClient(timeout=20) as client:
        while not over.is_set():
            generation += 1
            while not over.is_set():
                entry = ledger.entry(f"{name}-{generation}")
                body = [{"id": entry[0], "type": "Chaos", "n": {"value": entry[1], "observedAt": now()}}]
                url = f"{base_url().rstrip('/')}/ngsi-ld/v1/entityOperations/upsert?options=update"
                try:
                    answer = await client.post(url, json=body)
                except httpx.HTTPError as error:
                    ledger.refused.append(type(error).__name__)
                    break
                if answer.status_code not in (201, 204):
                    ledger.refused.append(f"{answer.status_code} {answer.text}")
                    break
                ledger.acknowledged.add(entry)
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.1)


async def publish_mqtt(host: str, port: int, ledger: Ledger, over: asyncio.Event, name: str) -> None:
    """QoS 1; what was not acknowledged is not published again, so that each number comes once."""
    while not over.is_set():
        with contextlib.suppress(aiomqtt.MqttError, OSError, TimeoutError):
            identifier = f"{ledger.prefix}-{name}-{next(ledger.numbers)}"
            async with aiomqtt.Client(host, port, identifier=identifier, timeout=3) as client:
                while not over.is_set():
                    entry = ledger.entry(name)
                    local = entry[0].rpartition(":")[2]
                    payload = json.dumps({"n": entry[1], "observedAt": now()})
                    await client.publish(f"json/Chaos/{local}", payload, qos=1, timeout=3)
                    ledger.acknowledged.add(entry)
                    await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)


async def query(url: str, statement: str, *parameters: Any) -> list[Any]:
    """Rows of the tenant's schema, over a connection of their own."""
    connection = await asyncpg.connect(
        url, server_settings={"search_path": "tenant_city", "timezone": "UTC"}, timeout=10
    )
    try:
        return [tuple(record) for record in await connection.fetch(statement, *parameters, timeout=20)]
    finally:
        await connection.close()


async def changes(url: str, ledger: Ledger) -> set[tuple[str, int]]:
    """What became current, as the outbox has it: of two measurements that two workers take at once, the later one may
    come first, and the older one then goes to history only."""
    found = set()
    for number, raw in await query(url, "SELECT id, change FROM outbox ORDER BY id"):
        change = read_change(number, "", raw)
        if change.entity_id.startswith(ledger.like.rstrip("%")) and change.entity is not None:
            found.add((change.entity_id, int(change.entity.attributes[N][0]["value"])))
    return found


async def settled(
    url: str, ledger: Ledger, told: Callable[[], set[tuple[str, int]]], seconds: float = 75
) -> None:
    """Wait until all that was acknowledged is kept and all that changed the current state was told; what was delivered
    to somebody who went away comes again after half a minute. AssertionError names what is missing."""
    lost: set[tuple[str, int]] = set()
    untold: set[tuple[str, int]] = {("nothing is known yet", 0)}
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            lost = ledger.acknowledged - set(await query(url, HISTORY, ledger.like))
            untold = await changes(url, ledger) - told()
            if not lost and not untold:
                return
        await asyncio.sleep(0.2)
    assert not lost, f"{len(lost)} acknowledged values are lost: {sorted(lost)[:5]}"
    assert not untold, f"{len(untold)} changes were told to nobody: {sorted(untold)[:5]}"


async def compare(url: str, ledger: Ledger) -> None:
    """Each value once, none that nobody wrote, and the newest is the current one."""
    kept = Counter(await query(url, HISTORY, ledger.like))
    assert {entry: times for entry, times in kept.items() if times > 1} == {}, "counted twice"
    assert kept.keys() <= ledger.tried, "written by nobody"
    current = {
        entity_id: msgspec.json.decode(text)[N][0]["value"]
        for entity_id, text in await query(
            url, "SELECT id, attributes::text FROM entity WHERE id LIKE $1", ledger.like
        )
    }
    newest: dict[str, int] = {}
    for entity_id, number in kept:
        newest[entity_id] = max(number, newest.get(entity_id, 0))
    assert current == newest
