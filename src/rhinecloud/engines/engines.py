"""The engines of an installation as one thing: embedded ones with their processes, or the city's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rhinecloud.engines.account import EngineError
from rhinecloud.engines.child import Child, Say
from rhinecloud.engines.folder import DataFolder
from rhinecloud.engines.handover import DoorKeys, NatsCredentials
from rhinecloud.engines.nats import Nats
from rhinecloud.engines.postgresql import PostgreSQL
from rhinecloud.nkeys import KeyPair
from rhinecloud.settings import Settings

_LOG_CHECK = 5.0  # seconds: a device that insists on what it may not is a line each time
STOP_PATIENCE = 120.0  # seconds for a shutdown checkpoint on a slow disk


class Engines:
    """Start, watch and stop what is embedded. Use from the main thread (children die with that thread).

    >>> with Engines(settings) as engines:  # doctest: +SKIP
    ...     connect(engines.database_url)
    """

    def __init__(
        self,
        settings: Settings,
        say: Say = print,
        programs: Path | None = None,
        *,
        hold_mqtt: bool = False,
    ) -> None:
        """`hold_mqtt`: let no device in before a worker has made the consumer of what devices publish."""
        self.settings = settings
        self._hold_mqtt = hold_mqtt
        self.programs = programs
        self.say = say
        self.folder: DataFolder | None = None
        self.postgresql: PostgreSQL | None = None
        self.nats: Nats | None = None
        self._log_check = 0.0

    @property
    def children(self) -> list[Child]:
        """The embedded engines, in the order of starting."""
        return [child for child in (self.postgresql, self.nats) if child is not None]

    @property
    def database_url(self) -> str:
        """Address for asyncpg and libpq."""
        if self.settings.database_url is not None:
            return self.settings.database_url
        assert self.postgresql is not None, "not started"
        return self.postgresql.url

    @property
    def nats_url(self) -> str:
        """Address for `nats.connect`, without credentials when embedded."""
        if self.settings.nats_url is not None:
            return self.settings.nats_url
        assert self.nats is not None, "not started"
        return self.nats.url

    @property
    def nats_credentials(self) -> NatsCredentials:
        """How to sign in at `nats_url`."""
        if self.settings.nats_url is not None:
            file = self.settings.nats_credentials
            return NatsCredentials(file=str(file) if file else None)
        assert self.nats is not None, "not started"
        return self.nats.credentials

    @property
    def door_keys(self) -> DoorKeys | None:
        """What a worker needs to answer for devices; None if the settings name no issuer. Raises EngineError."""
        if self.settings.nats_url is not None:
            return _own_door_keys(self.settings)
        assert self.nats is not None, "not started"
        return self.nats.door_keys

    @property
    def mqtt_url(self) -> str | None:
        """mqtt://host:port of the embedded side, or what the settings say of the city's own NATS."""
        return self.nats.mqtt_url if self.nats is not None else self.settings.mqtt_url

    @property
    def nats_monitor_url(self) -> str | None:
        """HTTP address of the embedded server's monitoring."""
        return self.nats.monitor_url if self.nats is not None else None

    def start(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Start and wait until both answer, however long a recovery takes. Raises EngineError."""
        embed_postgresql = self.settings.database_url is None
        embed_nats = self.settings.nats_url is None
        if not embed_postgresql and not embed_nats:
            return
        self.folder = DataFolder(self.settings.data, self.programs)
        self.folder.open()
        try:
            if embed_postgresql:
                self.postgresql = PostgreSQL(self.folder, self.say)
            if embed_nats:
                self.nats = Nats(self.folder, self.settings, self.say, hold_mqtt=self._hold_mqtt)
            for child in self.children:
                child.start()
            while not self.ready and not cancelled():
                self.poll()
                time.sleep(0.01)
        except BaseException:
            self.stop()
            raise

    @property
    def ready(self) -> bool:
        """Whether all embedded engines answer."""
        return all(child.is_ready for child in self.children)

    @property
    def devices_may_come(self) -> bool:
        """Whether the embedded MQTT side is open."""
        return self.nats is None or (self.nats.is_ready and self.nats.mqtt_is_open)

    def poll(self) -> None:
        """Notice what died and start it again; call it a few times a second."""
        for child in self.children:
            child.poll()
        now = time.monotonic()
        if now - self._log_check > _LOG_CHECK:
            self._log_check = now
            for engine in (self.postgresql, self.nats):
                if engine is not None:
                    engine.log.rotate()

    def stop(self) -> None:
        """Clean stop; nothing is left running."""
        for child in reversed(self.children):
            child.request_stop()
        for child in reversed(self.children):
            child.wait_stopped(STOP_PATIENCE)
        if self.folder is not None:
            self.folder.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _own_door_keys(settings: Settings) -> DoorKeys | None:
    """What the settings say of the call-out of a city's own NATS."""
    if settings.nats_auth_issuer is None:
        return None
    try:
        seed = settings.nats_auth_issuer.read_text().strip()
        KeyPair.from_seed(seed)
    except (OSError, ValueError) as error:
        raise EngineError(f"nats_auth_issuer={settings.nats_auth_issuer}: {error}") from error
    return DoorKeys(issuer=seed, account=settings.nats_auth_account, system_url=settings.nats_system_url)


__all__ = ["EngineError", "Engines"]
