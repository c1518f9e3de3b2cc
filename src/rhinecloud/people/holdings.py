"""What a declaration means, carried out: finding a person's data in a holding, erasing them, letting the old go.

Names and expressions of SQL come from declarations, which are code; only values come from people, and are parameters.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from rhinecloud.broker import Broker
from rhinecloud.broker.forgetting import forget_told
from rhinecloud.broker.operations import Operation
from rhinecloud.files import Files
from rhinecloud.settings import Settings
from rhinecloud.store import outbox, personal

from .register import Anonymise, By, Custom, Entities, Holding, Keep, Passing, Person, Table, Uploads

TENANT = "tenant"
MOST = 10_000  # rows of one holding in an answer
_PORTION = 500
_ADDRESS = r"[^\s\"'<>(),:;\\]+@[^\s\"'<>(),:;\\]+\.[^\s\"'<>(),:;\\]+"


class Reach(msgspec.Struct, frozen=True):
    """Where data lie: the pool of each schema that is declared (`tenant`, `room_people`, `app_…`), graph, files.
    `other` is the name of a tenant beside the default one, of which there is the schema `tenant` and the graph."""

    pools: Mapping[str, asyncpg.Pool]
    broker: Broker
    files: Files
    settings: Settings
    other: str = ""

    def has(self, schema: str, holding: Holding) -> bool:
        """Whether this holding is there. Files, people and apps belong to the installation, not to a tenant."""
        if not self.other:
            return True
        return isinstance(holding, Entities) or (schema == TENANT and not isinstance(holding, Uploads))

    def of(self, broker: Broker) -> Reach:
        """The same for another tenant, which is this broker's."""
        database = broker.database
        return msgspec.structs.replace(
            self, pools={TENANT: database.pool}, broker=broker, other=database.tenant
        )


Row = dict[str, Any]


async def rows(reach: Reach, schema: str, holding: Holding, person: Person, limit: int = MOST) -> list[Row]:
    """What a holding has of a person, as plain values by the names of columns or attributes; at most `limit` rows."""
    pool = _pool(reach, schema, holding)
    if isinstance(holding, Table):
        where, values = condition(holding, person)
        shown = ", ".join(f'"{column.name}"' for column in holding.columns if column.shown) or "1 AS found"
        if not where:
            return []
        records = await pool.fetch(
            f'SELECT {shown} FROM "{holding.name}" WHERE {where} LIMIT {limit}', *values
        )
        return [{name: plain(value) for name, value in record.items()} for record in records]
    if isinstance(holding, Entities):
        return await _of_entities(pool, holding, person, limit)
    if isinstance(holding, Uploads):
        found = await reach.files.by(person.values("actor"), holding.app)
        return [
            {"id": str(file.id), "name": file.name, "type": file.type, "size": file.size, "app": file.app,
             "created_at": plain(file.created_at)}
            for file in found[:limit]
        ]  # fmt: skip
    if isinstance(holding, Custom):
        return [dict(row) for row in await holding.access(pool, person)][:limit]
    return []


async def erase(reach: Reach, schema: str, holding: Holding, person: Person) -> int:
    """Erase what a holding has of a person, as it declares; returns how many rows, entities or files that was about.

    A second time there is nothing left to do.
    """
    pool = _pool(reach, schema, holding)
    if isinstance(holding, Table):
        where, values = condition(holding, person)
        if not where or isinstance(holding.erasure, Keep):
            return 0
        if isinstance(holding.erasure, Anonymise):
            to = ", ".join(f'"{name}" = {sql}' for name, sql in holding.erasure.to.items())
            return _count(await pool.execute(f'UPDATE "{holding.name}" SET {to} WHERE {where}', *values))
        return _count(await pool.execute(f'DELETE FROM "{holding.name}" WHERE {where}', *values))
    if isinstance(holding, Entities):
        ids = await _ids(pool, holding, person)
        told = await _told_ids(pool, holding, person)
        for start in range(0, len(ids), _PORTION):
            await reach.broker.apply(list(_forgetting(holding, ids[start : start + _PORTION])))
        names = None if holding.whole else frozenset(holding.attributes)
        await forget_told(reach.broker.database, dict.fromkeys([*ids, *told], names))
        return len(ids)
    if isinstance(holding, Uploads):
        found = await reach.files.by(person.values("actor"), holding.app)
        async with pool.acquire() as connection, connection.transaction():
            for file in found:
                await reach.files.remove(connection, file.id, at_once=True)
        return len(found)
    if isinstance(holding, Custom):
        return await holding.erase(pool, person)
    assert isinstance(holding, Passing)
    return 0


async def correct(pool: asyncpg.Pool, table: Table, person: Person, column: str, old: str, new: str) -> int:
    """Put `new` in the place of `old` where a table has it of a person; returns how many rows."""
    where, values = condition(table, person)
    if not where:
        return 0
    return _count(
        await pool.execute(
            f'UPDATE "{table.name}" SET "{column}" = ${len(values) + 1} '
            f'WHERE ({where}) AND "{column}" = ${len(values) + 2}',
            *values,
            new,
            old,
        )
    )


async def expire(reach: Reach, schema: str, holding: Holding) -> int:
    """Let go what is older than a table's retention, unless its room does so itself; returns how many rows."""
    if not isinstance(holding, Table) or holding.retention.by or not holding.retention.since:
        return 0
    rule = holding.retention
    days = float(getattr(reach.settings, rule.setting)) if rule.setting else rule.days
    return _count(
        await reach.pools[schema].execute(
            f"DELETE FROM \"{holding.name}\" WHERE ({rule.since}) < now() - $1 * interval '1 day'", days
        )
    )


async def known(reach: Reach, schema: str, holding: Holding) -> AsyncIterator[tuple[By, Any]]:
    """All by whom a holding's data could be found: what to compare with the traces of those who were erased. An account
    is a number, also where it is named `person:17`."""
    pool = _pool(reach, schema, holding)
    found: list[tuple[By, Any]] = []
    if isinstance(holding, Table):
        for by, sql in holding.found.items():
            found += [
                (by, record[0])
                for record in await pool.fetch(
                    f'SELECT DISTINCT {sql} FROM "{holding.name}" WHERE {sql} IS NOT NULL'
                )
            ]
        for text in holding.mentions:
            found += [
                ("mail", record[0])
                for record in await pool.fetch(
                    f'SELECT DISTINCT lower(m[1]) FROM "{holding.name}", '
                    f"regexp_matches({text}, $1, 'g') AS m",
                    f"({_ADDRESS})",
                )
            ]
    elif isinstance(holding, Entities):
        for by, attribute in holding.found.items():
            found += [(by, value) for value in await personal.named(pool, holding.type, attribute)]
    elif isinstance(holding, Uploads):
        found += [("actor", actor) for actor in await reach.files.uploaders()]
    for by, value in found:
        if by != "actor":
            yield by, value
        elif str(value).startswith("person:") and str(value)[7:].isdigit():
            yield "account", int(str(value)[7:])


def _pool(reach: Reach, schema: str, holding: Holding) -> asyncpg.Pool:
    """The graph and the files are the city's, whoever declares what is in them."""
    return reach.pools[TENANT if isinstance(holding, (Entities, Uploads)) else schema]


def plain(value: Any) -> Any:
    """A value of PostgreSQL as JSON has it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value)


def condition(table: Table, person: Person) -> tuple[str, list[Any]]:
    """Which rows are a person's: SQL (empty for none) and its values."""
    conditions: list[str] = []
    values: list[Any] = []
    for by, sql in table.found.items():
        if wanted := person.values(by):
            values.append(wanted)
            kind = "bigint" if by == "account" else "text"
            conditions.append(f"({sql}) = ANY(${len(values)}::{kind}[])")
    if table.mentions and (mails := person.values("mail")):
        values.append(mails)
        conditions += [
            f"EXISTS (SELECT FROM unnest(${len(values)}::text[]) AS m (mail) WHERE position(mail IN lower({text})) > 0)"
            for text in table.mentions
        ]
    return " OR ".join(conditions), values


async def _ids(pool: asyncpg.Pool, holding: Entities, person: Person) -> list[str]:
    found: dict[str, None] = {}
    for by, attribute in holding.found.items():
        if wanted := person.values(by):
            named = await personal.naming(pool, holding.type, attribute, [str(one) for one in wanted])
            found |= dict.fromkeys(named)
    return list(found)


async def _told_ids(pool: asyncpg.Pool, holding: Entities, person: Person) -> dict[str, None]:
    """Those that changes name: what an attempt that died has erased from the graph is to be found there still."""
    found: dict[str, None] = {}
    for by, attribute in holding.found.items():
        if wanted := person.values(by):
            found |= await outbox.naming(pool, holding.type, attribute, [str(one) for one in wanted])
    return found


async def _of_entities(pool: asyncpg.Pool, holding: Entities, person: Person, limit: int) -> list[Row]:
    ids = await _ids(pool, holding, person)
    now = await personal.entities(pool, ids[:limit])
    past = await personal.history(pool, ids, list(holding.attributes), limit)
    listed: list[Row] = []
    for entity_id in ids[:limit]:
        attributes = msgspec.json.decode(now[entity_id]) if entity_id in now else {}
        listed.append(
            {
                "id": entity_id,
                **{name: attributes[name] for name in holding.attributes if name in attributes},
                "history": [
                    {"attribute": record["attribute"], "at": plain(record["at"]), "value": record["text"]}
                    for record in past
                    if record["entity_id"] == entity_id
                ],
            }
        )
    return listed


def _forgetting(holding: Entities, ids: Sequence[str]) -> list[Operation]:
    if holding.whole:
        return [Operation("delete_evolution", entity_id) for entity_id in ids]
    return [
        Operation("delete_evolution_attribute", entity_id, attribute=attribute, all_instances=True)
        for entity_id in ids
        for attribute in holding.attributes
    ]


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
