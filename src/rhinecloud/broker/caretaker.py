"""What is done behind the scenes for all tenants but the default one: of all workers one is elected to do it.

The default tenant has a relay, a notifier and an upkeep that are always at work. The others are looked after when
somebody says that there is something to do, and in rounds in case nobody could say so: an idle tenant costs a look a
round and holds no connection. One that has subscriptions is matched as long as its caretaker lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import asyncpg

from rhinecloud.model import NonexistentTenant
from rhinecloud.store import Database, NotLetIn, Tenant, Unavailable, subscriptions
from rhinecloud.tasks import stop

from .broker import Bus
from .feed import Feed
from .office import hold
from .outbound import Allowed
from .relay import Teller, caretaker_of
from .subscriptions import Deposed, Nobody, OfOtherTenants, Owners, Reign
from .tenants import Served, Tenants
from .upkeep import once

WAKE = "tenants"  # the name under which who looks after all tenants is woken for a round
_AGAIN = 1.0  # seconds between attempts to be elected, and after a failure
_ROUND = 300.0  # seconds between looks at every tenant, if nobody asks for one
_UPKEEP = 1_800.0  # seconds between rounds of upkeep of one tenant
_LOOK = 60.0  # seconds after which a tenant's subscriptions and position are compared even if nobody said anything
_AT_ONCE = 4  # tenants that are looked at at the same time
_PORTIONS = 20  # steps of telling for one until others have their turn
_log = logging.getLogger(__name__)


class Listening(Bus, Protocol):
    """The bus, as far as the caretaker needs it."""

    async def listen(self, subject: str, callback: Callable[[Any], None]) -> Any:
        """Call back with each message."""
        ...


class Caretaker:
    """Takes part in the election; the elected one looks after all tenants but the default one."""

    def __init__(
        self,
        tenants: Tenants,
        bus: Listening,
        allowed: Allowed,
        *,
        outbox_days: int,
        unmapped_days: int,
        owners: Owners | None = None,
    ) -> None:
        """`owners` are those of subscriptions; without them only what was subscribed where nobody signs in is told."""
        self._owners = OfOtherTenants(owners or Nobody())
        self._tenants = tenants
        self._bus = bus
        self._allowed = allowed
        self._days = {"outbox_days": outbox_days, "unmapped_days": unmapped_days}
        self._round = asyncio.Event()
        self._everyone = True
        self._cares: dict[str, _Care] = {}
        self._lanes = asyncio.Semaphore(_AT_ONCE)
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin. Whoever is elected makes a round: this worker may stand for one that died without a word."""
        for office in ("relay", "subscriptions"):
            await self._bus.listen(f"wake.{caretaker_of(office, '*')}", self._woken)
        self._task = asyncio.create_task(
            hold(self._tenants.default.database, "tenants", self._serve, again=_AGAIN), name="caretaker"
        )
        await self._bus.wake(WAKE)

    async def close(self) -> None:
        """Stop; another worker is elected as soon as the connection has gone."""
        await stop(self._task)

    def wake(self) -> None:
        """Every tenant is to be looked at."""
        self._everyone = True
        self._round.set()

    def _woken(self, message: Any) -> None:
        care = self._cares.get(message.subject.rpartition(".")[2])
        if care is not None:
            care.look(subscriptions_changed=".subscriptions." in message.subject)
        else:
            self._round.set()  # it is new; or another worker is elected

    async def _serve(self, connection: asyncpg.Connection) -> None:
        self._everyone = True

        def lost(_: Any) -> None:
            self._round.set()

        connection.add_termination_listener(lost)
        try:
            while True:
                self._round.clear()
                await connection.execute("SELECT 1")  # to be still elected
                everyone, self._everyone = self._everyone, False
                await self._go_round(everyone)
                try:
                    async with asyncio.timeout(_ROUND):
                        await self._round.wait()
                except TimeoutError:
                    self._everyone = True
        finally:
            with contextlib.suppress(asyncpg.InterfaceError):  # it has ended
                connection.remove_termination_listener(lost)
            cares, self._cares = self._cares, {}
            await asyncio.shield(asyncio.gather(*(care.close() for care in cares.values())))

    async def _go_round(self, everyone: bool) -> None:
        """Look at all tenants, or at those that are new."""
        default = self._tenants.default.name
        tenants = {one.name: one for one in await self._tenants.registry.every() if one.name != default}
        for name, care in list(self._cares.items()):
            if care.tenant != tenants.get(name):
                await self._cares.pop(name).close()
        for name, tenant in tenants.items():
            new = name not in self._cares
            if new:
                self._cares[name] = _Care(
                    tenant, self._tenants, self._bus, self._allowed, self._lanes, self._days, self._owners
                )
            if new or everyone:
                self._cares[name].look(subscriptions_changed=True)


class _Care:
    """For one tenant."""

    def __init__(
        self,
        tenant: Tenant,
        tenants: Tenants,
        bus: Listening,
        allowed: Allowed,
        lanes: asyncio.Semaphore,
        days: dict[str, int],
        owners: Owners,
    ) -> None:
        self._owners = owners
        self.tenant = tenant
        self._tenants = tenants
        self._bus = bus
        self._allowed = allowed
        self._lanes = lanes
        self._days = days
        self._todo = False
        self._database: Database | None = None
        self._teller: Teller | None = None
        # Not all at once after each election.
        self._keep_at = time.monotonic() + random.random() * _UPKEEP
        self._subscriptions = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._notifying: asyncio.Task[None] | None = None

    def look(self, *, subscriptions_changed: bool) -> None:
        """There may be something to do."""
        self._todo = True
        if subscriptions_changed:
            self._subscriptions.set()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name=f"care-{self.tenant.name}")

    async def close(self) -> None:
        """Leave it to another."""
        await stop(self._looking, self._notifying)

    async def _look(self) -> None:
        while self._todo:
            self._todo = False
            try:
                async with self._lanes:
                    await self._care()
            except NotLetIn as error:  # it has just been removed: the next round will notice
                _log.info("tenant %s: %s", self.tenant.name, error)
                return
            except Unavailable as error:
                _log.warning("tenant %s: %s; tried again", self.tenant.name, error or type(error).__name__)
                await self._later()
            except Exception:
                _log.exception("tenant %s: tried again", self.tenant.name)
                await self._later()

    async def _later(self) -> None:
        self._todo = True
        self._teller = None
        await asyncio.sleep(_AGAIN)

    async def _care(self) -> None:
        if self._database is None:
            self._database = await self._tenants.connect(self.tenant)
        async with self._database.pool.acquire() as connection:
            if self._teller is None:
                teller = Teller(self._database, self._bus)
                await teller.begin(connection)
                self._teller = teller
            for _ in range(_PORTIONS):
                pause = await self._teller.step(connection)
                if pause is None:
                    break
                await asyncio.sleep(pause)
            else:  # others have their turn
                self._todo = True
            if self._notifying is None and self._subscriptions.is_set():
                self._subscriptions.clear()
                if await subscriptions.are_there(connection):
                    self._notifying = asyncio.create_task(self._notify(), name=f"notifier-{self.tenant.name}")
            if time.monotonic() > self._keep_at:
                await once(connection, datetime.now(UTC), **self._days)
                self._keep_at = time.monotonic() + _UPKEEP

    async def _notify(self) -> None:
        """Match and tell the subscribers, for ever: see subscriptions.Notifier."""
        while not await self._reign():
            await asyncio.sleep(_AGAIN)

    async def _reign(self) -> bool:
        """Whether there is no such tenant any more."""
        try:
            async with self._tenants.use(self.tenant.name) as served:
                await self._serve(served)
        except NonexistentTenant:
            return True
        except (Deposed, *Unavailable) as error:
            _log.warning("notifier of %s: %r; begins again", self.tenant.name, error)
        except Exception:
            _log.exception("notifier of %s: begins again", self.tenant.name)
        return False

    async def _serve(self, served: Served) -> None:
        feed = Feed(served.database, self._bus, look=_LOOK)
        await feed.open()
        reign = Reign(
            served.database,
            feed,
            served.contexts,
            self._allowed,
            served.database.pool.acquire,
            self._subscriptions,
            look=_LOOK,
            named=True,
            owners=self._owners,
        )
        try:
            await reign.serve()
        finally:
            await asyncio.shield(reign.close())
            await feed.close()
