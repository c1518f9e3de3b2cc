"""The raw limit of PostgreSQL: the same documents in a plain table, one statement a request, by asyncpg.

Its database stands in the very server that serves the product, so binaries, settings and durability are the same.
"""

from __future__ import annotations

import asyncio
import math
import time
from itertools import islice
from typing import Any

import asyncpg

from . import sql_rows
from .counting import PATIENCE, Counter, Supply
from .documents import GROUP, PAGE, RADIUS, TYPE, Parts, batches, encode, parts, position
from .jobs import Load, SqlJob, Workload

# The table of the state is like the product's (fillfactor and indexes too), the document as it was sent.
SCHEMA = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE entity (
    id text COLLATE "C" PRIMARY KEY, types text[] NOT NULL, document jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), modified_at timestamptz NOT NULL DEFAULT now(),
    control_group integer GENERATED ALWAYS AS ((document->'controlGroup'->>'value')::integer) STORED
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX ON entity USING gin (types);
CREATE INDEX ON entity (control_group, id);
CREATE TABLE place (entity_id text COLLATE "C" PRIMARY KEY, area box NOT NULL);
CREATE INDEX ON place USING gist (area);
CREATE TABLE series (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entity_id text COLLATE "C" NOT NULL, attribute text NOT NULL,
    UNIQUE (entity_id, attribute)
);
CREATE TABLE history (
    series bigint NOT NULL, at timestamptz NOT NULL, arrived timestamptz NOT NULL DEFAULT now(), value float8,
    instance jsonb
);
CREATE INDEX ON history (series, at);
CREATE TABLE outbox (id bigserial PRIMARY KEY, at timestamptz DEFAULT now(), change bytea NOT NULL);
"""

STATEMENTS: dict[Workload, str] = {
    "create": "INSERT INTO entity (id, types, document) VALUES ($1, ARRAY[$2], $3::jsonb) RETURNING 1",
    "update": "UPDATE entity SET document = document || $2::jsonb, modified_at = now() WHERE id = $1 RETURNING 1",
    "upsert": (
        "INSERT INTO entity (id, types, document) VALUES ($1, ARRAY[$2], $3::jsonb) ON CONFLICT (id) "
        "DO UPDATE SET types = excluded.types, document = excluded.document, modified_at = now() RETURNING 1"
    ),
    "get": "SELECT id, types, document, created_at, modified_at FROM entity WHERE id = $1",
    "page": (
        "SELECT id, types, document, created_at, modified_at FROM entity WHERE types && ARRAY[$1::text] "
        f"ORDER BY id LIMIT {PAGE} OFFSET $2"
    ),
    "q": (
        "SELECT id, types, document, created_at, modified_at FROM entity WHERE types && ARRAY[$1::text] "
        f"AND control_group = $2 ORDER BY id LIMIT {PAGE}"
    ),
    "geo": (
        "SELECT e.id, e.types, e.document, e.created_at, e.modified_at FROM place p "
        "JOIN entity e ON e.id = p.entity_id WHERE e.types && ARRAY[$1::text] "
        "AND p.area && box(point($2, $3), point($4, $5)) "
        # On a sphere; the product computes on the ellipsoid.
        "AND 12742018 * asin(sqrt(sin(radians((@@ p.area)[1] - $7) / 2) ^ 2 + cos(radians($7)) "
        "* cos(radians((@@ p.area)[1])) * sin(radians((@@ p.area)[0] - $6) / 2) ^ 2)) <= $8 "
        f"ORDER BY e.id LIMIT {PAGE}"
    ),
    "batch": (
        "INSERT INTO entity (id, types, document) SELECT id, ARRAY[$2], document "
        "FROM unnest($1::text[], $3::jsonb[]) AS new (id, document) ORDER BY id ON CONFLICT (id) "
        "DO UPDATE SET types = excluded.types, document = excluded.document, modified_at = now() RETURNING 1"
    ),
}
STATEMENTS["measured"] = STATEMENTS["batch"]

_AHEAD: dict[Workload, int] = {
    "create": 9_000, "update": 9_000, "upsert": 9_000, "get": 18_000,
    "page": 3_000, "q": 6_000, "geo": 3_000, "batch": 30, "measured": 60,
}  # fmt: skip


async def prepare(url: str, entities: int) -> None:
    """Make the tables and write every lamp post."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SCHEMA)
        for batch in batches(entities):
            ids = [document["id"] for document in batch]
            await connection.execute(STATEMENTS["batch"], ids, TYPE, [encode(d).decode() for d in batch])
        places = [position(n, entities) for n in range(entities)]
        await connection.execute(
            """
            INSERT INTO place SELECT id, box(point(lon, lat), point(lon, lat)) FROM unnest($1::text[], $2::float8[],
            $3::float8[]) AS new (id, lon, lat)
            """,
            [document["id"] for batch in batches(entities) for document in batch],
            [lon for lon, _ in places],
            [lat for _, lat in places],
        )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def parameters(workload: Workload, about: Parts) -> tuple[Any, ...]:
    """The parameters of the workload's statement."""
    match workload:
        case "create" | "upsert":
            return about.id, TYPE, encode(about.documents[0]).decode()
        case "update":
            return about.id, encode(about.documents[0]).decode()
        case "get":
            return (about.id,)
        case "page":
            return TYPE, about.offset
        case "q":
            return TYPE, about.group
        case "geo":
            lon, lat = about.centre
            high = RADIUS / 110_500
            wide = high / math.cos(math.radians(lat)) * 1.01
            return TYPE, lon - wide, lat - high, lon + wide, lat + high, lon, lat, float(RADIUS)
        case "batch" | "measured":
            ids = [document["id"] for document in about.documents]
            return ids, TYPE, [encode(document).decode() for document in about.documents]


_ROWS: dict[Workload, int | None] = {"page": PAGE, "q": GROUP, "geo": None, "batch": None, "measured": None}


class Connections:
    """Connections kept from one job to the next: opening 64 takes longer than a round."""

    def __init__(self) -> None:
        self._kept: dict[str, list[asyncpg.Connection]] = {}

    async def of(self, url: str, number: int) -> list[asyncpg.Connection]:
        """So many connections."""
        kept = self._kept.setdefault(url, [])
        while len(kept) < number:
            kept.append(await asyncpg.connect(url))
        return kept[:number]

    async def close(self) -> None:
        """Close all."""
        for kept in self._kept.values():
            for connection in kept:
                await connection.close()
        self._kept.clear()


async def run_sql(job: SqlJob, connections: Connections) -> Load:
    """Make the load and wait for the last answers."""
    a_second = _AHEAD[job.workload] // (2 if job.rows else 1)  # they take longer to make, and to answer
    ahead = max(4, int(a_second * (job.seconds + job.warm_up)))
    about = islice(parts(job.workload, job.seed, job.entities), ahead)
    if job.rows:
        given = [sql_rows.parameters(job.workload, one, job.entities) for one in about]
        statement = sql_rows.STATEMENTS[job.workload]
    else:
        given = [parameters(job.workload, one) for one in about]
        statement = STATEMENTS[job.workload]
    source = Supply(given, again=job.workload != "create")
    opened = await connections.of(job.url, job.connections)
    prepared = [await connection.prepare(statement) for connection in opened]
    rows = _ROWS.get(job.workload, 1)
    counter = Counter(job.warm_up, job.seconds)
    tasks = [asyncio.create_task(_loop(one, source, rows, counter)) for one in prepared]
    _, waiting = await asyncio.wait(tasks, timeout=job.warm_up + job.seconds + PATIENCE)
    for task in waiting:
        task.cancel()
        counter.fail(f"no answer within {PATIENCE:.0f} s")
    return counter.load(exhausted=source.exhausted)


async def _loop(prepared: Any, source: Supply[tuple[Any, ...]], rows: int | None, counter: Counter) -> None:
    while True:
        sent = time.perf_counter()
        values = source.next() if sent < counter.end else None
        if values is None:
            return
        try:
            found = await prepared.fetch(*values)
        except (asyncpg.PostgresError, OSError) as error:
            counter.fail(repr(error))
            if prepared._connection.is_closed():
                return
            continue
        if rows is not None and len(found) != rows:
            counter.fail(f"{len(found)} rows instead of {rows}")
        else:
            counter.count(sent, time.perf_counter())
