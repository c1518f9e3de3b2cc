"""Everything that one worker serves, under one handle: what the pages are given. Apps are given a City."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

from rhinecloud.backups import Backups
from rhinecloud.broker import Broker, Transaction
from rhinecloud.bus import Bus
from rhinecloud.certificates.health import health as certificate_health
from rhinecloud.clock import Clock
from rhinecloud.files import Files
from rhinecloud.gateways import Gateways
from rhinecloud.jobs import Jobs
from rhinecloud.mail import Mail
from rhinecloud.observing import Exposition
from rhinecloud.people.feedback import Feedback
from rhinecloud.people.policy import Policy
from rhinecloud.people.rights import Rights
from rhinecloud.people.service import People
from rhinecloud.settings import Settings


class Installation:
    """`broker` (read, write and watch the graph), `bus`, `jobs`, `mail`, `files`, `settings`,
    `clock`, `transaction()`; `people` (accounts, organisations, sign-in), `policy` (what is
    published to whom), `rights` (what is kept of
    people), `feedback`; `devices` (registry,
    credentials, commands, alarms), `profiles`, `unmapped`."""

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        bus: Bus,
        gateways: Gateways,
        mqtt_url: str | None,
        jobs: Jobs,
        files: Files,
        mail: Mail,
        people: People,
        policy: Policy,
        rights: Rights,
        feedback: Feedback,
        backups: Backups,
        apps: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self.settings = settings
        self.broker = broker
        self.bus = bus
        self.jobs = jobs
        self.files = files
        self.mail = mail
        self.people = people
        self.policy = policy
        self.rights = rights
        self.feedback = feedback
        self.clock = Clock(ZoneInfo(settings.time_zone))
        self.devices = gateways.devices
        self.profiles = gateways.profiles
        self.unmapped = gateways.unmapped
        self._gateways = gateways
        self._backups = backups
        self._apps = apps
        self.mqtt_url = mqtt_url
        self.exposition: Exposition | None = None
        self._started = time.monotonic()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Rows of the city (through `connection`), writes to the graph, the changes to be told and audit lines:
        committed together when the block ends, rolled back together when it raises."""
        async with self.broker.transaction() as transaction:
            yield transaction

    def counts(self) -> dict[str, Any]:
        """Figures of this process alone, at no cost; never raises."""
        return {"writer": self.broker.counts(), "nats": self.bus.health(), **self._gateways.counts()}

    async def metrics(self) -> str:
        """What Prometheus reads: figures of all workers of this machine, and of the installation."""
        assert self.exposition is not None, "the worker has not begun to serve"
        return await self.exposition.text()

    async def backups(self) -> dict[str, Any]:
        """Figures of the backups; `every` is None where none are made."""
        return await self._backups.health()

    async def health(self) -> dict[str, Any]:
        """Figures of the engines, of the way from device to graph to bus, and of this process.

        Raises one of broker.Unavailable while PostgreSQL is away.
        """
        gateways = await self._gateways.health()
        return {
            **await self.broker.health(),
            "nats": self.bus.health(),
            **gateways,
            "mqtt": {"url": self.mqtt_url, **gateways["mqtt"]},
            "jobs": await self.jobs.health(),
            "files": await self.files.health(),
            "mail": await self.mail.health(),
            "backups": await self._backups.health(),
            "apps": self._apps(),
            **certificate_health(self.settings),
            "worker": {"uptime_seconds": round(time.monotonic() - self._started, 1)},
        }
