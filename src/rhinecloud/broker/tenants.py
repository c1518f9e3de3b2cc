"""The tenants of an installation, as a process serves them: the default one always, others while they are asked for.

(CIM 009 §4.14, §5.5.10)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from rhinecloud.model import BadRequestData, NonexistentTenant
from rhinecloud.store import BeingRemoved, Connections, Database, NotLetIn, Registry, Tenant, is_current
from rhinecloud.tasks import stop

from .broker import Broker
from .contexts import Contexts

_KEPT = 60.0  # seconds that a tenant nobody asks for stays open
_log = logging.getLogger(__name__)


class Served:
    """What there is of one tenant in this process."""

    def __init__(self, database: Database, broker: Broker, contexts: Contexts) -> None:
        self.database = database
        self.broker = broker
        self.contexts = contexts
        self.users = 0
        self.used_at = time.monotonic()

    @property
    def name(self) -> str:
        """The tenant's name."""
        return self.database.tenant

    async def close(self) -> None:
        """End it; the next who asks for the tenant opens it again."""
        await self.contexts.close()
        await self.broker.close()
        await self.database.close()


class Tenants:
    """`default` is there already. `serve` makes what another tenant needs, on its database. `creation`: whether a
    tenant is made by the first operation that creates something in it (§5.5.10)."""

    def __init__(
        self,
        default: Served,
        registry: Registry,
        connections: Connections,
        serve: Callable[[Database], Awaitable[Served]],
        *,
        creation: bool = False,
    ) -> None:
        self.default = default
        self.registry = registry
        self._connections = connections
        self._serve = serve
        self._creation = creation
        self._open: dict[str, Served] = {}
        self._opening: dict[str, asyncio.Task[Served]] = {}
        self._closing: asyncio.Task[None] | None = None

    @property
    def opened(self) -> list[str]:
        """Which are open now, beside the default one."""
        return sorted(self._open)

    async def close(self) -> None:
        """Close all but the default one."""
        await stop(self._closing, *self._opening.values())
        for served in [self._open.pop(name) for name in self.opened]:
            await served.close()
        await self._connections.close()

    def heard(self, name: str) -> None:
        """An @context of a tenant changed in some worker."""
        if name in self._open:
            self._open[name].contexts.heard()

    @asynccontextmanager
    async def use(self, name: str, *, creating: bool = False) -> AsyncIterator[Served]:
        """The tenant of this name, open as long as this lasts. `creating`: for an operation that may make it.

        Raises NonexistentTenant, also when it is removed meanwhile; BadRequestData where it should be made and that
        is no name for it.
        """
        if name == self.default.name:
            yield self.default
            return
        served = self._open.get(name) or await self._opened(name, creating)
        served.users += 1
        try:
            yield served
        except NotLetIn:
            if self._open.get(name) is served:
                del self._open[name]
                await served.close()
            raise _missing(name) from None
        finally:
            served.users -= 1
            served.used_at = time.monotonic()

    async def _opened(self, name: str, creating: bool) -> Served:
        tenant = await self._find(name, creating and self._creation)
        task = self._opening.get(name)
        if task is None:
            task = asyncio.create_task(self._begin(tenant), name=f"tenant-{name}")
            self._opening[name] = task
            task.add_done_callback(lambda done: self._opening.pop(name, None))
        return await asyncio.shield(task)

    async def _find(self, name: str, create: bool) -> Tenant:
        found = await self.registry.find(name)
        if found is not None:
            return found
        if not create:
            raise _missing(name)
        try:
            found = await self.registry.prepare(name)
        except ValueError:
            raise BadRequestData(
                "a tenant's name is a lower-case letter and at most 30 of these, digits and underscores",
                field="NGSILD-Tenant",
            ) from None
        except BeingRemoved:
            raise _missing(name) from None
        _log.info("tenant %s was made by the first operation that created something in it", name)
        return found

    async def _begin(self, tenant: Tenant) -> Served:
        database = await self.connect(tenant)
        served = await self._serve(database)
        self._open[tenant.name] = served
        if self._closing is None or self._closing.done():
            self._closing = asyncio.create_task(self._close_unused(), name="unused-tenants")
        return served

    async def connect(self, tenant: Tenant) -> Database:
        """A tenant's database, with all its migrations applied."""
        database = Database.sharing(self._connections, tenant)
        with contextlib.suppress(*NotLetIn, asyncpg.InsufficientPrivilegeError):
            async with database.pool.acquire() as connection:
                if await is_current(connection):
                    return database
        return Database.sharing(self._connections, await self.registry.prepare(tenant.name))

    async def _close_unused(self) -> None:
        while self._open:
            await asyncio.sleep(_KEPT / 4)
            long_ago = time.monotonic() - _KEPT
            for name, served in list(self._open.items()):
                if not served.users and served.used_at < long_ago:
                    del self._open[name]
                    await served.close()


def _missing(name: str) -> NonexistentTenant:
    return NonexistentTenant(f"there is no tenant {name!r:.80}")
