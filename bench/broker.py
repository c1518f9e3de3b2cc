"""`python -m bench broker`: the broker's operations against the raw limits of the same machine, side by side."""

from __future__ import annotations

import asyncio
import http.client
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from statistics import median
from typing import Any

import asyncpg
import msgspec
import nats

from . import connect, documents, incoming, outgoing, sql_load, sql_rows, temporal
from .figures import Comparison, Result, Starts, Taken, Viewing, compared
from .installation import Installation, Memory, installation
from .jobs import CloseJob, HttpJob, Job, Load, MqttJob, NatsJob, OneByOneJob, SqlJob, Workload
from .load_process import LoadProcess

RAW_DATABASE = "bench_raw"
RAW_STREAM = "BENCH_RAW"
_COMMIT_PATIENCE = 60.0  # seconds for what was acknowledged over MQTT to be committed

COMPARISONS = (
    *("get", "page", "q", "geo", "update", "create", "upsert"),
    *("mqtt", "mqtt5", "qos0", "webhook", "browser", "viewers", "connect", "temporal", "batch"),
)
_DELIVERIES = "SELECT count(*) FROM tenant_city.delivery"

Say = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured. Seconds are those of one job; a round is one job of each side.

    Once the run has taken `hurry` seconds (a slow or busy machine) two rounds must do.
    """

    entities: int = 50_000
    connections: int = 64
    query_connections: int = 8
    batch_connections: int = 2
    rounds: int = 5
    few_rounds: int = 3
    seconds: float = 2.0
    few_seconds: float = 1.5
    batch_seconds: float = 2.5
    warm_up: float = 0.3
    warm_starts: int = 3
    one_by_one: int = 100
    settle: float = 3.0
    hurry: float = 140.0
    offered: float = 10_000.0  # messages a second of QoS 0
    told: float = 500.0  # changes a second of which a subscriber hears
    told_seconds: float = 4.0
    events: int = 20
    viewers: int = 5_000
    devices: int = 5_000
    viewed_seconds: float = 10.0
    meters: int = 10_000  # series with a year of values, compacted
    meter_values: int = 5_004  # of each


QUICK = Plan(
    entities=400,
    connections=4,
    query_connections=2,
    batch_connections=1,
    rounds=1,
    few_rounds=1,
    seconds=0.2,
    few_seconds=0.2,
    batch_seconds=0.5,
    warm_up=0.05,
    warm_starts=1,
    one_by_one=3,
    settle=0.0,
    offered=200.0,
    told=20.0,
    told_seconds=0.5,
    events=2,
    viewers=20,
    devices=20,
    viewed_seconds=2.0,
    meters=20,
    meter_values=240,
)


class Bench:
    """One run on one installation."""

    def __init__(self, installed: Installation, plan: Plan) -> None:
        self.installed = installed
        self.plan = plan
        self._load = LoadProcess()
        self._seed = 0
        self._begun = time.monotonic()
        self.viewing: Viewing | None = None

    def close(self) -> None:
        """End the load generator."""
        self._load.close()

    # Start, memory, documents ---------------------------------------------------------------------------------

    def starts(self) -> Starts:
        """Once with an empty folder, then with what that start has left. The server runs afterwards."""
        cold = self.installed.start()
        warm = []
        for _ in range(self.plan.warm_starts):
            self.installed.stop()
            warm.append(self.installed.start())
        return Starts(cold=cold, warm=median(warm), warm_all=warm)

    def memory(self) -> Memory:
        """After some seconds of silence, without the connections of the load generator."""
        self._load.run(CloseJob())
        time.sleep(self.plan.settle)
        return self.installed.memory()

    def load(self) -> float:
        """Write all entities by batch creation, two requests at a time; entities a second."""
        begun = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            for future in [
                pool.submit(self._create, batch) for batch in documents.batches(self.plan.entities)
            ]:
                future.result()
        return self.plan.entities / (time.perf_counter() - begun)

    def _create(self, batch: list[dict[str, Any]]) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.installed.port, timeout=120)) as connection:
            connection.request(
                "POST",
                "/ngsi-ld/v1/entityOperations/create",
                documents.encode(batch),
                {"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            told = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"the entities cannot be loaded: {answer.status} {told[:500]!r}")

    async def prepare_raw(self) -> None:
        """Make the raw database with the same documents, and have PostgreSQL analyse both."""
        connection = await asyncpg.connect(self.installed.url)
        await connection.execute(f"CREATE DATABASE {RAW_DATABASE}")
        await sql_load.prepare(self.installed.database(RAW_DATABASE), self.plan.entities)
        await connection.execute("ANALYZE tenant_city.entity, tenant_city.place")
        await connection.close()

    # HTTP against SQL -----------------------------------------------------------------------------------------

    def operation(
        self, name: str, workload: Workload, connections: int, *, rounds: int, seconds: float
    ) -> Comparison:
        """An operation of the API against one statement of straight SQL: for the state alone, and, where it writes,
        for every row."""
        plan = self.plan
        common: dict[str, Any] = {
            "workload": workload,
            "connections": connections,
            "seconds": seconds,
            "warm_up": plan.warm_up,
            "entities": plan.entities,
        }
        url = self.installed.database(RAW_DATABASE)
        sides: list[Callable[[], Taken]] = [
            lambda: self.take(HttpJob(port=self.installed.port, seed=self.next_seed(), **common)),
            lambda: self.take(SqlJob(url=url, seed=self.next_seed(), **common)),
        ]
        if workload in sql_rows.STATEMENTS:
            sides.append(lambda: self.take(SqlJob(url=url, seed=self.next_seed(), rows=True, **common)))
        product, raw, *rows = self.in_turns(rounds, sides)
        batch = workload == "batch"
        return compared(
            name,
            "entities/s" if batch else "requests/s",
            connections,
            product,
            raw,
            "SQL",
            rows=rows[0] if rows else (),
            factor=min(documents.BATCH, plan.entities) if batch else 1,
        )

    # MQTT against NATS ----------------------------------------------------------------------------------------

    def messages(self, attributes: int = 1) -> list[Comparison]:
        """What is acknowledged to devices and what is committed, each against the acknowledgements of JetStream.

        With five attributes what is committed is also compared with as many rows in straight SQL.
        """
        plan = self.plan
        common: dict[str, Any] = {
            "connections": plan.connections,
            "seconds": plan.few_seconds,
            "entities": plan.entities,
            "attributes": attributes,
        }
        committed: list[Taken] = []
        with self.raw_stream() as there:
            port, user, password = there
            sides: list[Callable[[], Taken]] = [
                lambda: self._publish(
                    MqttJob(port=self.installed.mqtt_port, seed=self.next_seed(), **common), committed
                ),
                lambda: self.take(
                    NatsJob(
                        port=port,
                        user=user,
                        password=password,
                        stream=RAW_STREAM,
                        seed=self.next_seed(),
                        **common,
                    )
                ),
            ]
            if attributes > 1:
                sides.append(self.raw_rows)
            acknowledged, raw, *rows = self.in_turns(plan.few_rounds, sides)
        unit, limit = "messages/s", "JetStream publish"
        many = plan.connections
        kept = compared(
            f"MQTT QoS 1 → committed{' (5)' if attributes > 1 else ''}",
            unit,
            many,
            committed,
            raw,
            limit,
            rows=rows[0] if rows else (),
            rows_factor=self.at_once if rows else None,
            latencies=False,
        )
        if attributes > 1:
            return [kept]
        return [compared("MQTT QoS 1 → acknowledged", unit, many, acknowledged, raw, limit), kept]

    @contextmanager
    def raw_stream(self) -> Iterator[tuple[int, str, str]]:
        """A stream on disk beside the product's; port, user and password of the server."""
        port, user, password = self.installed.nats()
        asyncio.run(_raw_stream(port, user, password, there=True))
        try:
            yield port, user, password
        finally:
            asyncio.run(_raw_stream(port, user, password, there=False))

    @property
    def raw_url(self) -> str:
        """Address of the database of the raw limits."""
        return self.installed.database(RAW_DATABASE)

    @property
    def raw_stream_name(self) -> str:
        """Name of the stream of `raw_stream`, whose subjects begin with it."""
        return RAW_STREAM

    @property
    def at_once(self) -> int:
        """Messages that the raw limit writes in one statement."""
        return min(documents.MESSAGES, self.plan.entities)

    def raw_rows(self) -> Taken:
        """What straight SQL writes of messages with five attributes, on as many connections as the gateway uses."""
        return self.take(
            SqlJob(
                url=self.installed.database(RAW_DATABASE),
                workload="measured",
                connections=2,
                seconds=self.plan.few_seconds,
                warm_up=self.plan.warm_up,
                seed=self.next_seed(),
                entities=self.plan.entities,
                rows=True,
            )
        )

    def _publish(self, job: MqttJob, committed: list[Taken]) -> Taken:
        """The load until the last acknowledgement; until everything acknowledged is committed, in `committed`."""
        before = asyncio.run(self._deliveries())
        taken = self.take(job)
        committed.append(asyncio.run(self._until_committed(before, taken)))
        return taken

    async def _deliveries(self) -> int:
        connection = await asyncpg.connect(self.installed.url)
        number = int(await connection.fetchval(_DELIVERIES))
        await connection.close()
        return number

    async def _until_committed(self, before: int, taken: Taken) -> Taken:
        """What is not committed after a minute is an error."""
        load = taken.load
        connection = await asyncpg.connect(self.installed.url)
        committed = 0
        while time.time() - load.ended < _COMMIT_PATIENCE:
            committed = int(await connection.fetchval(_DELIVERIES)) - before
            if committed >= load.done:
                break
            await asyncio.sleep(0.02)
        ended = time.time()
        await connection.close()
        missing = max(0, load.done - committed)
        return Taken(
            Load(
                done=load.done - missing,
                errors=load.errors + missing,
                seconds=ended - load.begun,
                generator_cpu=load.generator_cpu,
                complaint=load.complaint or (f"{missing} messages were not committed" if missing else ""),
            ),
            taken.before,
            self.installed.costs(),
        )

    def one_by_one(self) -> Load:
        """A single device that waits for the commit each time."""
        return self._load.run(
            OneByOneJob(
                port=self.installed.mqtt_port,
                url=self.installed.url,
                number=self.plan.one_by_one,
                seed=self.next_seed(),
                entities=self.plan.entities,
            )
        )

    # Rounds ---------------------------------------------------------------------------------------------------

    def in_turns(self, rounds: int, sides: Sequence[Callable[[], Taken]]) -> list[list[Taken]]:
        """Rounds of all sides; who begins changes, so that what drifts favours none."""
        taken: list[list[Taken]] = [[] for _ in sides]
        for number in range(rounds):
            if number >= 2 and time.monotonic() - self._begun > self.plan.hurry:
                break
            for place in range(len(sides)):
                index = (place + number) % len(sides)
                taken[index].append(sides[index]())
        return taken

    def take(self, job: Job) -> Taken:
        """One load, and what it cost."""
        before = self.installed.costs()
        load = self._load.run(job)
        return Taken(load, before, self.installed.costs())

    def next_seed(self) -> int:
        """For requests that no other job makes."""
        self._seed += 1
        return self._seed


async def _raw_stream(port: int, user: str, password: str, *, there: bool) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}", user=user, password=password)
    if there:
        await client.jetstream().add_stream(name=RAW_STREAM, subjects=[f"{RAW_STREAM}.>"])
    else:
        await client.jetstream().delete_stream(RAW_STREAM)
    await client.close()


def run(plan: Plan, say: Say, only: frozenset[str] = frozenset()) -> Result:
    """Measure on a fresh installation; `only` names what to compare, everything if empty."""
    begun = time.monotonic()
    load_average = os.getloadavg()[0]
    with installation() as installed, _bench(installed, plan) as bench:
        starts = bench.starts()
        say(f"start: cold {starts.cold:.2f} s, warm {starts.warm:.2f} s")
        idle = bench.memory()
        say(f"memory idle: {idle.total:.0f} MB")
        loading = bench.load()
        asyncio.run(bench.prepare_raw())
        say(f"{plan.entities:,} entities loaded, {loading:,.0f} a second")
        comparisons: list[Comparison] = []
        for name, measure in _measurements(bench, plan):
            if not only or name in only:
                made = measure()
                comparisons += made
                for one in made:
                    say(f"{one.name}: {one.product.rate:,.0f} {one.unit}, ratio {one.ratio:.2f}")
        alone = bench.one_by_one() if not only or "mqtt" in only else Load()
        loaded = bench.memory()
        say(f"memory after load: {loaded.total:.0f} MB")
    return Result(
        machine={
            "cores": len(os.sched_getaffinity(0)),
            "python": sys.version.split()[0],
            "load_average_before": load_average,
        },
        plan=msgspec.structs.asdict(plan),
        starts=starts,
        memory_idle=idle,
        memory_loaded=loaded,
        loading=loading,
        comparisons=comparisons,
        viewing=bench.viewing,
        one_by_one={"p50": alone.p50 * 1e3, "p99": alone.p99 * 1e3, "done": alone.done},
        errors=alone.errors + sum(one.errors for one in comparisons),
        seconds=time.monotonic() - begun,
    )


def _measurements(bench: Bench, plan: Plan) -> Sequence[tuple[str, Callable[[], list[Comparison]]]]:
    """In this order: what writes many rows comes last, so that it burdens nothing else."""
    many, some, two = plan.connections, plan.query_connections, plan.batch_connections
    often: dict[str, Any] = {"rounds": plan.rounds, "seconds": plan.seconds}
    seldom: dict[str, Any] = {"rounds": plan.few_rounds, "seconds": plan.few_seconds}
    slow: dict[str, Any] = {"rounds": plan.few_rounds, "seconds": plan.batch_seconds}

    def measure(*arguments: Any, **options: Any) -> Callable[[], list[Comparison]]:
        return lambda: [bench.operation(*arguments, **options)]

    return (
        ("get", measure("get by id", "get", many, **often)),
        ("page", measure("type page of 20", "page", some, **seldom)),
        ("q", measure(f"q, 20 of {plan.entities:,}", "q", some, **seldom)),
        ("geo", measure("geo 500 m, page of 20", "geo", some, **seldom)),
        ("update", measure("single durable update", "update", many, **often)),
        ("create", measure("single create", "create", many, **seldom)),
        ("upsert", measure("single upsert", "upsert", many, **seldom)),
        ("mqtt", bench.messages),
        ("mqtt5", lambda: bench.messages(5)),
        ("qos0", lambda: [incoming.without_acknowledgement(bench)]),
        ("webhook", lambda: [outgoing.webhook(bench)]),
        ("browser", lambda: [outgoing.browser(bench)]),
        ("viewers", lambda: [outgoing.viewers(bench)]),
        ("connect", lambda: [connect.devices_come_back(bench)]),
        ("temporal", lambda: temporal.aggregates(bench)),
        ("batch", measure("batch upsert of 1,000", "batch", two, **slow)),
    )


@contextmanager
def _bench(installed: Installation, plan: Plan) -> Iterator[Bench]:
    bench = Bench(installed, plan)
    try:
        yield bench
    finally:
        bench.close()
