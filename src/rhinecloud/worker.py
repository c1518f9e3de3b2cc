"""A worker process: one event loop with the broker, the MQTT gateway, the APIs and the pages.

Started by the supervisor, which hands it the listening socket and the addresses of the engines. It keeps nothing of
its own: killed at any moment, it loses nothing that was acknowledged.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import msgspec
import uvicorn
import uvloop
from starlette.responses import PlainTextResponse

from rhinecloud.api.management import ManagementApi, Services
from rhinecloud.api.ngsi_ld import NgsiLdApi
from rhinecloud.backups import Backups
from rhinecloud.backups.before import back_up_before_one_way
from rhinecloud.broker import Broker
from rhinecloud.broker import caretaker as caring
from rhinecloud.broker.caretaker import Caretaker
from rhinecloud.broker.contexts import WAKE, Contexts, preloaded
from rhinecloud.broker.outbound import Allowed
from rhinecloud.broker.subscriptions import Notifier
from rhinecloud.broker.tenants import Served, Tenants
from rhinecloud.broker.upkeep import keep
from rhinecloud.bus import Bus, BusUnavailable
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.board import BEAT, Board
from rhinecloud.engines.handover import WorkerHandover
from rhinecloud.files import Files
from rhinecloud.gateways import Gateways
from rhinecloud.hosting import AppApis, Apps, app_migrations, wanted
from rhinecloud.installation import Installation
from rhinecloud.jobs import Jobs
from rhinecloud.listening import BoundedProtocol
from rhinecloud.mail import Mail
from rhinecloud.observing import Exposition, Observed, set_up
from rhinecloud.people.feedback import Feedback
from rhinecloud.people.gate import Gate
from rhinecloud.people.house import house
from rhinecloud.people.identities import Identities
from rhinecloud.people.limits import Limits
from rhinecloud.people.owners import Owners
from rhinecloud.people.policy import WAKE as POLICY
from rhinecloud.people.policy import Policy
from rhinecloud.people.rights import Rights
from rhinecloud.people.service import People
from rhinecloud.people.tokens import Tokens
from rhinecloud.people.upkeep import Upkeep
from rhinecloud.settings import Settings
from rhinecloud.store import (
    Connections,
    Database,
    NotPossible,
    Registry,
    RoomDatabase,
    Rooms,
    TooNew,
    Unavailable,
    graph_migrations,
    migrations_in,
)
from rhinecloud.tasks import stop
from rhinecloud.tls import Tls
from rhinecloud.web import NotBuilt, WebApp, create_app
from rhinecloud.web.language import tongues

_log = logging.getLogger(__name__)
_RETRY = 0.5  # seconds
_GRACE = 3  # seconds for requests under way when the worker stops


class Application:
    """Gives each request to its part: the APIs by their paths, everything else to the pages."""

    def __init__(self, ngsi_ld: NgsiLdApi, management: ManagementApi, apps: AppApis, pages: Any) -> None:
        self._ngsi_ld = ngsi_ld
        self._management = management
        self._apps = apps
        self._pages = pages

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/ngsi-ld/v1/"):
            await self._ngsi_ld(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith("/api/v1/"):
            await self._management(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith("/api/"):
            await self._apps(scope, receive, send)
        elif scope["type"] == "http":
            await self._pages(scope, receive, send)


async def serve(handover: WorkerHandover) -> None:
    """Run until SIGTERM."""
    settings = handover.settings
    board = Board(handover.board_fd, settings.workers)
    beating = asyncio.create_task(_beat(board, handover.worker_index), name="beat")
    credentials: dict[str, Any] = handover.nats_credentials.options()
    bus = await Bus.connect(handover.nats_url, name=f"worker-{handover.worker_index}", **credentials)
    share = Share.of(settings)
    database = await _open(settings, handover.database_url, share)
    rooms = Rooms(handover.database_url)
    room_connections = Connections(handover.database_url, share.of_rooms)
    people_room = await rooms.prepare("room_people", migrations_in("rhinecloud.people"))
    people_database = RoomDatabase(room_connections, people_room)
    apps = Apps(rooms, room_connections, wanted(settings.apps))
    await apps.prepare()
    jobs = Jobs(database, settings.time_zone)
    backups = Backups(settings, database, handover.database_url, jobs)
    files = Files.of_settings(database, settings, jobs.compute)
    texts = tongues(settings.time_zone, apps.catalogues())
    mail = Mail.of_settings(database, settings, texts, apps.letters())
    broker = Broker(database, bus, temporal_page=settings.temporal_page)
    await broker.open()
    allowed = Allowed(settings.outbound_allow)
    preload = preloaded(settings.context_preload)

    def contexts_of(which: Database, wake: str) -> Contexts:
        return Contexts(
            which,
            preload=preload,
            allowed=allowed,
            wake=lambda: bus.wake(wake),
            address=settings.public_url,
            secure=settings.tls_cert is not None,
        )

    contexts = contexts_of(database, WAKE)
    await contexts.open()
    await bus.on_wake(WAKE, contexts.heard)

    async def serve_tenant(of_tenant: Database) -> Served:
        its_contexts = contexts_of(of_tenant, f"{WAKE}.{of_tenant.tenant}")
        await its_contexts.open()
        its_broker = Broker(of_tenant, bus, temporal_page=settings.temporal_page, cared_for=True)
        return Served(of_tenant, its_broker, its_contexts)

    tenants = Tenants(
        Served(database, broker, contexts),
        Registry(handover.database_url),
        Connections(handover.database_url, share.of_tenants),
        serve_tenant,
        creation=settings.tenant_creation,
    )
    await bus.listen(f"wake.{WAKE}.*", lambda message: tenants.heard(message.subject.rpartition(".")[2]))
    people = People(people_database, broker, mail, settings)
    rights = Rights(people, tenants, bus, files, jobs, house(), settings)
    apps.declare(rights.add)
    feedback = Feedback(people, jobs, settings)

    async def people_changed() -> None:
        await bus.wake("people")

    Upkeep(people, jobs, people_changed)
    await rights.repeat()  # before anything is served, told or sent: a restore may have brought somebody back
    policy = Policy(people_database, lambda: bus.wake(POLICY))
    tokens = Tokens(people_database.pool)
    owners = Owners(people_database.pool, tokens, policy)
    identities = Identities(people.sessions, tokens, policy.sight_of)
    await bus.on_wake("relay", broker.wake_relay)
    caretaker = Caretaker(
        tenants,
        bus,
        allowed,
        outbox_days=settings.outbox_retention_days,
        unmapped_days=settings.unmapped_retention_days,
        owners=owners,
    )
    await caretaker.open()
    await bus.on_wake(caring.WAKE, caretaker.wake)
    notifier = Notifier(broker.database, broker.feed, contexts, allowed, owners)
    notifier.open()
    await bus.on_wake("subscriptions", notifier.wake)

    def sights_changed() -> None:
        policy.heard()
        identities.forget()
        notifier.wake()

    await bus.on_wake(POLICY, sights_changed)
    await bus.on_wake("people", sights_changed)
    gateways = await _open_gateways(lambda: Gateways(settings, broker, bus, handover.door))
    upkeep = asyncio.create_task(
        keep(
            database,
            outbox_days=settings.outbox_retention_days,
            unmapped_days=settings.unmapped_retention_days,
        ),
        name="upkeep",
    )
    apps.connect(
        settings=settings,
        broker=broker,
        bus=bus,
        jobs=jobs,
        mail=mail,
        files=files,
        devices=gateways.devices,
        people=people_database,
        allowed=allowed,
    )
    files.open()
    mail.open()
    await jobs.open()  # whoever has jobs has registered them by now
    backups.open()
    city = Installation(
        settings,
        broker,
        bus,
        gateways,
        handover.mqtt_url,
        jobs,
        files,
        mail,
        people,
        policy,
        rights,
        feedback,
        backups,
        apps.health,
    )
    pages = _pages(city, apps)
    await apps.open()
    services = Services(broker, gateways.devices, gateways.profiles, gateways.unmapped, gateways.push)
    tls = None
    if settings.tls_cert and settings.tls_key:
        tls = Tls(settings.tls_cert, settings.tls_key, settings.tls_client_authority)
    if tls is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, tls.reload)
    apis = apps.apis()
    gate = Gate(
        Application(NgsiLdApi(tenants), ManagementApi(services), apis, pages),
        settings,
        identities,
        Limits(settings),
        people_changed,
        apis.judge,
        apps.knows,
    )
    observed = Observed(gate, access_log=settings.access_log)
    exposition = Exposition(board, handover.worker_index, observed.requests, city.counts, city.health)
    city.exposition = exposition
    config = uvicorn.Config(
        observed,
        http=BoundedProtocol,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        date_header=True,
        timeout_graceful_shutdown=_GRACE,
        ssl_context_factory=(lambda config, usual: tls.context) if tls is not None else None,
    )
    server = uvicorn.Server(config)
    # The server raises the signal that ended it once more, for whoever was there before: that shall not end us before
    # everything is closed.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    serving = asyncio.create_task(server.serve([socket.socket(fileno=handover.listen_fd)]), name="http")
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    # What lives from here on lives for ever or for a request: the collector need not look at the former again, and
    # a request leaves no circles worth looking for after every few hundred objects.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    handover.report_ready()
    posting = asyncio.create_task(_post(exposition), name="metrics")
    stopping = asyncio.create_task(_end_live_views(server, pages), name="stopping")
    try:
        await serving
    finally:
        await stop(stopping, upkeep, posting, beating)
        await backups.close()
        await mail.close()
        await files.close()
        await jobs.close()
        await gateways.close()
        await caretaker.close()
        await tenants.close()
        await apps.close()
        await people_database.close()
        await room_connections.close()
        await notifier.close()
        await contexts.close()
        await broker.close()
        await database.close()
        await bus.close()
        # Whatever is left: the event loop would cancel it once, and then wait for it for ever.
        await stop(*(asyncio.all_tasks() - {asyncio.current_task()}))


async def _beat(board: Board, worker: int) -> None:
    """Signs of life: a loop that does not turn gives none, and the supervisor ends the worker."""
    while True:
        board.beat(worker)
        await asyncio.sleep(BEAT)


async def _post(exposition: Exposition) -> None:
    """This worker's figures, for whichever worker is asked for those of all."""
    delay = 0.0
    while True:
        exposition.post(delay)
        due = time.monotonic() + BEAT
        await asyncio.sleep(BEAT)
        delay = max(time.monotonic() - due, 0.0)


async def _end_live_views(server: uvicorn.Server, pages: WebApp | PlainTextResponse) -> None:
    """A live view never ends by itself: end them when the server is asked to stop, so that it need not wait."""
    while not server.should_exit:
        await asyncio.sleep(0.1)
    if isinstance(pages, WebApp):
        pages.close()


def _pages(city: Installation, apps: Apps) -> WebApp | PlainTextResponse:
    """The pages; where their assets were never built, a sentence that says so: the APIs serve all the same."""
    try:
        return create_app(city, apps.pages)
    except NotBuilt as error:
        _log.warning("%s", error)
        return PlainTextResponse(f"{error}\n", 503)


class Share(msgspec.Struct, frozen=True):
    """This worker's part of the connections to PostgreSQL: of the default tenant, those of its queries, what all
    other tenants share, and what people and apps share. One is left for the registry of tenants."""

    of_city: int
    of_queries: int
    of_tenants: int
    of_rooms: int

    @classmethod
    def of(cls, settings: Settings) -> Share:
        """Offices and the queue's wake-up each keep a connection for themselves; the others are for requests."""
        mine = settings.database_connections // settings.workers - 1
        of_city = min(max(2 * mine // 3, 9), 14)
        of_queries = min(max(mine // 4, 2), 7)
        left = mine - of_city - of_queries
        of_rooms = min(max(left // 3, 4), 12)
        return cls(of_city, of_queries, min(max(left - of_rooms, 2), 16), of_rooms)


async def _open(settings: Settings, url: str, share: Share) -> Database:
    """Connect as soon as PostgreSQL answers: it may be recovering, which takes as long as it takes."""
    while True:
        try:
            people = {"room_people": migrations_in("rhinecloud.people")}
            apps = app_migrations(wanted(settings.apps))
            await back_up_before_one_way(settings, url, graph_migrations() | people | apps)
            return await Database.open(url, size=share.of_city, queries=share.of_queries)
        except (NotPossible, TooNew, EngineError) as error:
            raise SystemExit(f"The data cannot be served: {error}") from None
        except Unavailable as error:
            _log.warning("waiting for PostgreSQL: %s", error)
        except asyncpg.PostgresError as error:
            if not isinstance(error, asyncpg.CannotConnectNowError):
                raise
        await asyncio.sleep(_RETRY)


async def _open_gateways(make: Callable[[], Gateways]) -> Gateways:
    """Begin as soon as NATS and PostgreSQL answer."""
    while True:
        gateways = make()
        try:
            await gateways.open()
            return gateways
        except (BusUnavailable, *Unavailable) as error:
            _log.warning("the gateways wait: %s", error or type(error).__name__)
            await gateways.close()
        await asyncio.sleep(_RETRY)


def main() -> None:
    """Serve with what the supervisor handed over."""
    faulthandler.enable()  # who hangs is ended by SIGABRT, and tells where it stood
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is a certificate to read again
    handover = WorkerHandover.from_env()
    set_up(f"worker-{handover.worker_index}", handover.settings.log_level, handover.settings.log_format)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the group; the supervisor stops us in its order
    os.environ.pop("RHINECLOUD_WORKER", None)  # it names passwords; nothing started from here needs them
    uvloop.run(serve(handover))


if __name__ == "__main__":
    main()
