"""The broker of one tenant: the one door to its graph."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import asyncpg
import msgspec

from rhinecloud.model import CORE, Entity, NgsiLdError, ResourceNotFound, parse_entity
from rhinecloud.model.linked import Join
from rhinecloud.model.projection import Projection
from rhinecloud.model.sight import Sight
from rhinecloud.store import (
    Database,
    Joint,
    RoomDatabase,
    discovery,
    entities,
    history,
    intake,
    queries,
    rankings,
    temporal_selection,
)
from rhinecloud.store.discovery import AttributeInfo, TypeInfo
from rhinecloud.store.entities import StoredEntity, rfc3339, to_entity
from rhinecloud.store.rankings import Rankings

from . import joining, measured, temporal
from .feed import Feed, OnGap, Subscriber
from .gathering import Gathering
from .measured import Numbers
from .operations import Applied, Change, Operation, Verdict
from .relay import READER, Publisher, Relay, caretaker_of
from .seeing import seen_change
from .subscriptions import Subscriptions
from .temporal import Statistics, TemporalPage, Wanted
from .writer import SeriesNumbers, Writer, write

FOREVER_AGO = datetime.min.replace(tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)


class Bus(Publisher, Subscriber, Protocol):
    """What the broker needs of the bus."""

    async def wake(self, name: str) -> None:
        """Wake who waits under this name in other processes; may be lost."""
        ...


class Page(msgspec.Struct, frozen=True):
    """A part of a query's answer; `count` is that of the whole answer where it was asked for."""

    entities: list[Entity]
    count: int | None


class Series(msgspec.Struct, frozen=True):
    """Values of one attribute over time, oldest first: numbers, or instances where a value is more than a number."""

    times: list[str]
    values: list[Any]
    unit: str | None


class Transaction:
    """Writes that commit together: an app's own rows (`connection`), the graph, the changes to be told, the audit.

    `connection` is the room's where the transaction is of a room, else the tenant's; `of_city` is the tenant's always.
    """

    def __init__(self, connection: asyncpg.Connection, joint: Joint | None = None) -> None:
        self.connection = connection
        self._joint = joint
        self.told = False
        self.afterwards: list[Callable[[], Awaitable[None]]] = []  # called when it has committed; may be lost
        self._known = SeriesNumbers()

    async def begin(self) -> None:
        """Own a transaction id, before a change id is drawn: see store.outbox."""
        await self.connection.execute("SELECT pg_current_xact_id()")

    async def apply(self, operations: Sequence[Operation]) -> list[Verdict]:
        """Write to the graph. Verdicts are returned, not raised: raise to roll the whole transaction back."""
        if not operations:
            return []
        async with self.of_city() as connection:
            verdicts, told, series = await write(connection, operations, self._known)
        self._known.add(series)
        self.told = self.told or told
        return verdicts

    async def upsert(self, *documents: dict[str, Any]) -> None:
        """Make entities as these documents say, whatever was there. Raises the NgsiLdError of the first that cannot be.

        Types and attributes are terms of the core context, or IRIs.
        """
        operations = [Operation.of("upsert", parse_entity(document, CORE)) for document in documents]
        for verdict in await self.apply(operations):
            if isinstance(verdict, NgsiLdError):
                raise verdict

    async def delete(self, *ids: str) -> None:
        """Delete entities; what is not there stays so."""
        await self.apply([Operation("delete", entity_id) for entity_id in ids])

    @asynccontextmanager
    async def of_city(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection as the tenant's, for what else commits with this: jobs, mail, files."""
        if self._joint is None:
            yield self.connection
            return
        async with self._joint.of_city() as connection:
            yield connection

    async def audit(
        self, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
    ) -> None:
        """Write an audit line."""
        async with self.of_city() as connection:
            await intake.audit(connection, actor, action, subject, detail or {})


class Broker:
    """Provide, consume and watch the graph of one tenant (CIM 009 §5.6, §5.7).

    Whoever reads says for whom: `sight` is what they may read, and what it leaves out is as if it were not there.
    `sight.EVERYTHING` is for what the program itself does. It has no default, so that nobody can forget it.
    """

    def __init__(
        self, database: Database, bus: Bus, *, temporal_page: int = 1_000, cared_for: bool = False
    ) -> None:
        """`temporal_page`: about so many instances stand in one temporal answer. `cared_for`: the caretaker of all such
        tenants tells its changes and its subscribers (broker.caretaker)."""
        self.database = database
        self._temporal_page = temporal_page
        self._bus = bus
        self._relay = Relay(database, bus) if not cared_for else None
        self._wake_name = caretaker_of("relay", database.tenant) if cared_for else "relay"
        subscriptions = caretaker_of("subscriptions", database.tenant) if cared_for else "subscriptions"
        self.feed = Feed(database, bus)
        self.subscriptions = Subscriptions(database, lambda: bus.wake(subscriptions))
        self._writer = Writer(database, self._told)
        self._rankings = Rankings(database.pool)
        self._reader: Gathering[str, StoredEntity | None] = Gathering(
            self._read, lanes=3, most_at_once=500, most_waiting=20_000, crowded=50
        )
        self._waking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to follow the changes."""
        await self.feed.open()

    async def close(self) -> None:
        """Stop writing, then telling."""
        await self._writer.close()
        await self._reader.close()
        await self._rankings.close()
        if self._relay is not None:
            await self._relay.close()
        await self.feed.close()

    def wake_relay(self) -> None:
        """Changes were committed, here or in another worker."""
        if self._relay is not None:
            self._relay.wake()

    def _told(self) -> None:
        if self._relay is not None and self._relay.elected:
            self._relay.wake()
        elif self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._bus.wake(self._wake_name))

    # Provide --------------------------------------------------------------------------------------------------

    async def apply(self, operations: Sequence[Operation]) -> list[Verdict]:
        """Apply operations in order in one transaction; a verdict for each, after the commit.

        Raises Overloaded, or one of store.Unavailable: then it is not known to have happened.
        """
        return await self._writer.apply(operations)

    async def do(self, operation: Operation) -> Applied:
        """Apply one operation. Raises its NgsiLdError."""
        (verdict,) = await self._writer.apply((operation,))
        if isinstance(verdict, NgsiLdError):
            raise verdict
        return verdict

    async def purge(
        self,
        query: queries.Query,
        attributes: frozenset[str] | None = None,
        *,
        keep: bool = False,
        sight: Sight,
    ) -> int:
        """Delete all entities that match (CIM 009 §5.6.21), or only these attributes of theirs, or with `keep` all
        others; returns how many entities it changed.

        It goes on in portions, each a transaction of its own: what raises has left those before it done.
        """
        changed = 0
        async for ids in queries.every(self.database.queries, query, sight=sight):
            operations = [
                Operation("delete", entity_id, only=query.types)
                if attributes is None
                else Operation("reduce", entity_id, names=attributes, keep=keep, only=query.types)
                for entity_id in ids
            ]
            verdicts = await self.apply(operations)
            changed += sum(isinstance(verdict, Applied) and bool(verdict.updated) for verdict in verdicts)
        return changed

    @asynccontextmanager
    async def transaction(self, room: RoomDatabase | None = None) -> AsyncIterator[Transaction]:
        """A transaction of the caller's: rows of a room or app, graph writes, changes and audit lines commit together.

        Without a room the rows are those of the tenant's own schema.
        """
        if room is None:
            async with self.database.transaction() as connection:
                transaction = Transaction(connection)
                await transaction.begin()
                yield transaction
        else:
            async with room.joint() as joint:
                transaction = Transaction(joint.connection, joint)
                await transaction.begin()
                yield transaction
        if transaction.told:
            self._told()
        for call in dict.fromkeys(transaction.afterwards):
            await call()

    async def keep(self, messages: Sequence[intake.UnmappedMessage]) -> None:
        """Keep messages that could not be mapped, whole and with the reason; each delivery once."""
        await intake.keep_unmapped(self.database.pool, messages)

    # Consume --------------------------------------------------------------------------------------------------

    async def retrieve(self, entity_id: str, *, sight: Sight) -> Entity:
        """An entity (CIM 009 §5.7.1). Raises ResourceNotFound."""
        stored = await self._reader.submit(entity_id)
        entity = None if stored is None else sight.of(to_entity(stored))
        if entity is None:
            raise ResourceNotFound(f"there is no entity {entity_id}")
        return entity

    async def query(self, query: queries.Query, *, sight: Sight) -> Page:
        """Entities that match (CIM 009 §5.7.2), in the order of their ids."""
        found, count = await queries.run(self.database.queries, query, self._rankings, sight=sight)
        return Page([entity for stored in found if (entity := sight.of(to_entity(stored)))], count)

    async def linked(
        self, linking: Sequence[Entity], projection: Projection, join: Join, *, sight: Sight
    ) -> dict[str, Entity | None]:
        """The entities that Relationships of these lead to, with these (CIM 009 §4.5.23): see joining.linked."""
        return await joining.linked(self.database, linking, projection, join, sight)

    async def evolution(self, entity_id: str, wanted: Wanted, *, sight: Sight) -> TemporalPage:
        """The temporal evolution of an entity (CIM 009 §5.7.3). Raises ResourceNotFound."""
        return await temporal.retrieve(self.database.queries, entity_id, wanted, self._temporal_page, sight)

    async def evolutions(self, query: queries.Query, wanted: Wanted, *, sight: Sight) -> TemporalPage:
        """The temporal evolutions of the entities that match (CIM 009 §5.7.4)."""
        return await temporal.query(self.database.queries, query, wanted, self._temporal_page, sight)

    async def statistics(self, query: queries.Query, wanted: Wanted, *, sight: Sight) -> Statistics:
        """How many numbers there are, their sum, the smallest and the largest, of each series of all entities that
        ids and types of a query select, however many: see temporal.statistics."""
        return await temporal.statistics(self.database.queries, query, wanted, sight)

    def numbers(
        self, query: queries.Query, since: Mapping[str, datetime], until: datetime, *, sight: Sight
    ) -> AsyncIterator[list[Numbers]]:
        """What all entities that ids and types of a query select measured of these attributes (IRIs), each from its
        `since` to before `until`, in portions: see measured.numbers."""
        return measured.numbers(self.database.queries, query, since, until, sight)

    async def history(
        self,
        entity_id: str,
        attribute: str,
        since: datetime = FOREVER_AGO,
        until: datetime = FOREVER,
        limit: int = 1_000,
        dataset: str = "",
        *,
        sight: Sight,
    ) -> Series:
        """The newest `limit` values of an attribute's instance with since <= time < until, oldest first; where it was
        deleted there is no value."""
        async with self.database.pool.acquire() as connection:
            if not sight.everything:
                candidate = await temporal_selection.find(connection, entity_id, sight)
                if candidate is None or not candidate.shows(attribute, sight):
                    return Series([], [], None)
            series = {
                number: key
                for number, key in (await history.find_series(connection, entity_id, attribute)).items()
                if key.dataset == dataset
            }
            found = await history.read(connection, list(series), since, until, limit) if series else []
        units = [key.unit for _, key in sorted(series.items()) if key.unit]
        values = [
            (rfc3339(v.at), v.value if v.instance is None else msgspec.json.decode(v.instance)) for v in found
        ]
        told = [v for v in values if not (isinstance(v[1], dict) and "deletedAt" in v[1])]
        return Series([at for at, _ in told], [value for _, value in told], units[-1] if units else None)

    async def types(self, *, sight: Sight) -> list[tuple[str, int]]:
        """Entity types with the number of their entities, most first."""
        return await discovery.types(self.database.pool, sight)

    async def attributes_of_types(self, *, sight: Sight) -> list[tuple[str, list[str]]]:
        """Entity types with the attributes that their entities have, in the order of the types' names."""
        return await discovery.attributes_of_types(self.database.pool, sight)

    async def types_of_attributes(self, *, sight: Sight) -> list[tuple[str, list[str]]]:
        """Attributes with the types of the entities that have them, in the order of the attributes' names."""
        return await discovery.types_of_attributes(self.database.pool, sight)

    async def type_info(self, iri: str, *, sight: Sight) -> TypeInfo | None:
        """What is known of a type (CIM 009 §5.7.7); None if no entity is of it."""
        return await discovery.type_info(self.database.pool, iri, sight)

    async def attribute_info(self, iri: str, *, sight: Sight) -> AttributeInfo | None:
        """What is known of an attribute (CIM 009 §5.7.10); None if no entity has it."""
        return await discovery.attribute_info(self.database.pool, iri, sight)

    async def points(
        self,
        types: Sequence[str],
        attributes: Sequence[str],
        geometry: str = queries.LOCATION,
        *,
        sight: Sight,
    ) -> list[tuple[str, tuple[str, ...], float, float, list[Any]]]:
        """(id, types, lon, lat, values) of every entity of these types that has a position, for maps.

        `values` are those of the default instances of `attributes` (None where missing), lon and lat the centre of
        the geometry's bounds in degrees.
        """
        return await queries.points(self.database.queries, types, attributes, geometry, sight=sight)

    def values(
        self, types: Sequence[str], attributes: Sequence[str], *, sight: Sight
    ) -> AsyncIterator[list[tuple[str, list[Any]]]]:
        """(id, values) of every entity of these types (IRIs), in the order of their ids and in portions: however many
        there are, memory stays flat. `values` are those of the default instances of `attributes`, None where missing.
        """
        return queries.values(self.database.queries, types, attributes, sight=sight)

    def watch(
        self,
        name: str | None = None,
        types: Sequence[str] = (),
        *,
        sight: Sight,
        begun: asyncio.Event | None = None,
        gap: OnGap | None = None,
    ) -> AsyncIterator[list[Change]]:
        """Changes as they are committed: see Feed.watch. What comes into sight is told as created, what goes out of
        sight as deleted."""
        changes = self.feed.watch(name, types, begun=begun, gap=gap)
        return changes if sight.everything else _seen(changes, sight)

    async def health(self) -> dict[str, Any]:
        """Figures of this process and of the tenant's way from commit to bus."""
        pool = self.database.pool
        record = await pool.fetchrow(
            """
            SELECT coalesce((SELECT change_id FROM position WHERE reader = $1), 0) AS told,
                   (SELECT last_value FROM change_id) AS drawn,
                   (SELECT extract(epoch FROM now() - min(at)) FROM outbox
                     WHERE id > coalesce((SELECT change_id FROM position WHERE reader = $1), 0)) AS lag,
                   (SELECT count(*) FROM unmapped) AS unmapped,
                   (SELECT count(*) FROM subscription) AS subscriptions,
                   (SELECT count(*) FROM subscription_state WHERE failing) AS failing,
                   (SELECT count(*) FROM (SELECT 1 FROM notification LIMIT 100000) AS counted) AS due,
                   greatest((SELECT reltuples::bigint FROM pg_class WHERE oid = 'entity'::regclass),
                            (SELECT count(*) FROM (SELECT 1 FROM entity LIMIT 10000) AS counted)) AS entities,
                   pg_database_size(current_database()) AS bytes,
                   current_setting('server_version') AS version
            """,
            READER,
        )
        return {
            "postgresql": {"version": record["version"], "database_bytes": record["bytes"]},
            "graph": {"entities_estimate": record["entities"], "unmapped": record["unmapped"]},
            "relay": {
                "elected_here": self._relay is not None and self._relay.elected,
                "told": record["told"],
                "newest": record["drawn"],
                "lag_seconds": float(record["lag"] or 0),
            },
            "subscriptions": {
                "count": record["subscriptions"],
                "failing": record["failing"],
                "waiting": record["due"],
            },
            "rankings": [
                {"path": ranking.path, "ready": ranking.ready, "asked": rfc3339(ranking.asked_at)}
                for ranking in await rankings.listed(pool)
            ],
            "writer": self.counts(),
        }

    def counts(self) -> dict[str, Any]:
        """Figures of this process's own writing, at no cost."""
        return {"committed": self._writer.committed, "waiting": self._writer.waiting}

    async def _read(self, ids: list[str]) -> list[StoredEntity | None | Exception]:
        found = await entities.read(self.database.pool, set(ids))
        return [found.get(entity_id) for entity_id in ids]


async def _seen(lists: AsyncGenerator[list[Change], None], sight: Sight) -> AsyncIterator[list[Change]]:
    async with aclosing(lists):
        async for changes in lists:
            if found := [seen for change in changes if (seen := seen_change(change, sight))]:
                yield found
