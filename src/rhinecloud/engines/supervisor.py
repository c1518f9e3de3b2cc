"""One process holds a serving installation together: engines, the listening socket, workers, companions."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from types import FrameType

from rhinecloud.certificates import Expiry, Folder
from rhinecloud.engines.account import EngineError, spawn
from rhinecloud.engines.board import Board
from rhinecloud.engines.certificate import Certificate
from rhinecloud.engines.child import Child, Say
from rhinecloud.engines.engines import Engines
from rhinecloud.engines.handover import VARIABLE, WorkerHandover
from rhinecloud.engines.renewing import Renewing
from rhinecloud.engines.systemd import Systemd
from rhinecloud.settings import Settings

WORKER_PATIENCE = 15.0  # seconds in which a worker finishes what it has begun
BACKLOG = 1024
_LAST_WORDS = 2.0  # seconds in which a worker that hangs may say where
_OWN_PAUSE = (
    5.0  # seconds without a look of our own (a machine that slept, a stopped group) that prove nothing
)


class Worker(Child):
    """One `python -m rhinecloud.worker`; one whose event loop stands still for `patience` seconds is ended."""

    def __init__(
        self,
        index: int,
        handover: Callable[[int, int], WorkerHandover],
        say: Say,
        board: Board,
        patience: float,
    ) -> None:
        super().__init__(say)
        self.name = f"Worker {index}"
        self._index = index
        self._handover = handover
        self._pipe: int | None = None
        self._board = board
        self._patience = patience
        self._looked = self._since = time.monotonic()
        self._ended_at: float | None = None

    def poll(self) -> None:
        """As every child's; also ends a worker that hangs."""
        super().poll()
        now = time.monotonic()
        if not self.is_ready or now - self._looked > _OWN_PAUSE:
            self._since = now
        self._looked = now
        if not self.is_ready or not self._patience:
            self._ended_at = None
        elif self._ended_at is not None:
            if now - self._ended_at > _LAST_WORDS:
                self.send(signal.SIGKILL)
        elif now - max(self._since, self._board.last_beat(self._index)) > self._patience:
            self._ended_at = now
            self.say(f"{self.name} gives no sign of life for {self._patience:.0f} s and is ended.")
            self.send(signal.SIGABRT)  # it tells where it stands, if it can

    def launch(self) -> subprocess.Popen[bytes]:
        self._close_pipe()
        self._board.clear(self._index)
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._pipe = reading
        try:
            handover = self._handover(writing, self._index)
            return spawn(
                [sys.executable, "-m", "rhinecloud.worker"],
                # Nobody could supervise an orphan; kill -9 of a worker loses nothing that was acknowledged.
                at_parents_end=signal.SIGKILL,
                environ={**os.environ, **handover.to_env()},
                pass_fds=(handover.listen_fd, handover.board_fd, writing),
            )
        finally:
            os.close(writing)

    def answers(self) -> bool:
        if self._pipe is None:
            return True
        try:
            answered = bool(os.read(self._pipe, 64))
        except BlockingIOError:
            return False
        if answered:
            self._close_pipe()
        return answered

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


class Companion(Child):
    """A process beside the workers, for example the demo's simulated city; running is being ready."""

    def __init__(self, name: str, command: Sequence[str], say: Say) -> None:
        super().__init__(say)
        self.name = name
        self._command = command
        self._ever_ready = True  # a companion that fails is told and tried again; the city goes on

    def _became_ready(self, now: float) -> None:
        self.is_ready = True

    def launch(self) -> subprocess.Popen[bytes]:
        environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
        return spawn(self._command, at_parents_end=signal.SIGKILL, environ=environ)

    def answers(self) -> bool:
        return True


def listen(host: str, port: int, flag: str = "--port") -> socket.socket:
    """The socket that all workers share. EngineError says why it cannot be had, and names the flag of the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise EngineError(f"Cannot listen on {host}:{port}: {reason}. Choose another with {flag}.") from None
    listener.setblocking(False)
    return listener


class Supervisor:
    """`run` starts everything, keeps it alive, and returns after a clean stop.

    SIGTERM and SIGINT stop (a second one at once), SIGHUP reads the certificate again, SIGUSR1 restarts the workers.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        say: Say,
        on_ready: Callable[[Supervisor], None],
        companion: Callable[[Supervisor], Companion | None] | None = None,
    ) -> None:
        self.certificates = Folder(settings.data) if settings.acme_names else None
        self.settings = settings
        self.say = say
        self.engines = Engines(settings, say, hold_mqtt=True)
        self.workers: list[Worker] = []
        self.companion: Companion | None = None
        self.renewing: Renewing | None = None
        self._make_companion = companion
        self._on_ready = on_ready
        self._stop_requests = 0
        self._last_request = 0.0
        self._reload = False
        self._restart = False
        self._listener: socket.socket | None = None
        self._board = Board.make(settings.workers)
        self._systemd = Systemd()
        self._certificate: Certificate
        self._told_of_expiry: date | None = None

    @property
    def url(self) -> str:
        """Where this machine reaches the pages, with the real port."""
        assert self._listener is not None
        host, port = self._listener.getsockname()[0], self._port
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        scheme = "https" if self.settings.tls_cert else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def _port(self) -> int:
        assert self._listener is not None
        port: int = self._listener.getsockname()[1]
        return port

    def run(self) -> int:
        """Serve until asked to stop; 0 after a clean stop. Raises EngineError when the start fails."""
        with (
            self._signals() as wake,
            listen(self.settings.host, self.settings.port) as self._listener,
            self._certified(),
        ):
            try:
                self.engines.start(cancelled=lambda: self._stop_requests > 0)
                self._start_workers()
                self._watch(wake)
            finally:
                self._stop()
        return 0

    @contextlib.contextmanager
    def _certified(self) -> Iterator[None]:
        """A certificate is there before anybody listens with it, and kept good while the city is served."""
        if self.certificates is None:
            self._certificate = Certificate(self.settings.tls_cert, self.settings.tls_key)
            yield
            return
        self.certificates.prepare(self.settings.acme_names)
        self._certificate = Certificate(self.settings.tls_cert, self.settings.tls_key)
        https = self.settings.public_url or f"https://{self.settings.acme_names[0]}:{self._port}"
        with listen(self.settings.host, self.settings.acme_port, "--acme-port") as listener:
            self.renewing = Renewing(self.settings, listener, https, self.say)
            self.renewing.start()
            yield

    @contextlib.contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        """Signals are noted, and wake the loop through a socket; so does the end of any child."""
        reading, writing = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)

        def note(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGHUP:
                self._reload = True
            elif number == signal.SIGUSR1:
                self._restart = True
            elif number != signal.SIGCHLD:
                # `timeout`, a terminal's process group and the like send the same wish twice at once.
                now = time.monotonic()
                if now - self._last_request > 1:
                    self._stop_requests += 1
                self._last_request = now

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
        before = [signal.signal(number, note) for number in numbers]
        wake_before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(wake_before)
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
            reading.close()
            writing.close()

    def _handover(self, ready_fd: int, index: int) -> WorkerHandover:
        assert self._listener is not None
        return WorkerHandover(
            settings=self.settings,
            database_url=self.engines.database_url,
            nats_url=self.engines.nats_url,
            nats_credentials=self.engines.nats_credentials,
            nats_monitor_url=self.engines.nats_monitor_url,
            mqtt_url=self.engines.mqtt_url,
            door=self.engines.door_keys,
            listen_fd=self._listener.fileno(),
            board_fd=self._board.fd,
            ready_fd=ready_fd,
            worker_index=index,
        )

    def _start_workers(self) -> None:
        if self._stop_requests:
            return
        patience = self.settings.watchdog_seconds
        self.workers = [
            Worker(index, self._handover, self.say, self._board, patience)
            for index in range(self.settings.workers)
        ]
        for worker in self.workers:
            worker.start()

    def _watch(self, wake: socket.socket) -> None:
        announced = False
        while not self._stop_requests:
            self.engines.poll()
            for worker in self.workers:
                worker.poll()
            for other in (self.companion, self.renewing):
                if other is not None:
                    other.poll()
            ready = self.engines.devices_may_come and all(worker.is_ready for worker in self.workers)
            if not announced and ready:
                announced = True
                self._on_ready(self)
                self._systemd.tell("READY=1", f"STATUS=Serving {self.settings.public_url or self.url}")
                if self._make_companion is not None:
                    self.companion = self._make_companion(self)
                    if self.companion is not None:
                        self.companion.start()
            self._look_at_certificate()
            if self._restart:
                self._restart = False
                self.say("Restarting the workers.")
                for worker in self.workers:
                    worker.send(signal.SIGTERM)
            self._systemd.alive()
            settled = announced and self.engines.ready and all(worker.is_ready for worker in self.workers)
            select.select([wake], [], [], 1.0 if settled else 0.02)
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)

    def _look_at_certificate(self) -> None:
        """Who is connected by HTTPS stays connected; new connections are shown the new one."""
        asked, self._reload = self._reload, False
        if asked and self.renewing is not None:
            self.renewing.send(signal.SIGHUP)
        try:
            renewed = self._certificate.was_renewed(at_once=asked)
        except EngineError as error:
            self.say(f"{error} The former one stays.")
            return
        if renewed or (asked and self._certificate.is_given):
            for worker in self.workers:
                worker.send(signal.SIGHUP)
            self.say("HTTPS shows the renewed certificate." if renewed else "The certificate is the same.")
            self._told_of_expiry = None
        self._tell_of_expiry()

    def _tell_of_expiry(self) -> None:
        """Once a day, as long as somebody has to do something about it."""
        now = datetime.now(UTC)
        if self.settings.tls_cert is None or self._told_of_expiry == now.date():
            return
        self._told_of_expiry = now.date()
        with contextlib.suppress(OSError, ValueError):
            expiry = Expiry.of_file(self.settings.tls_cert)
            if expiry.urgency(now) != "good":
                self.say(expiry.sentence(now))

    def _stop(self) -> None:
        """Companion, workers, engines: in this order, so that each finds what it needs until its end."""
        self._systemd.tell("STOPPING=1")
        beside: list[Child] = [child for child in (self.companion, self.renewing) if child is not None]
        groups: list[list[Child]] = [beside, list(self.workers)]
        for children in groups:
            for child in children:
                child.request_stop()
            deadline = time.monotonic() + WORKER_PATIENCE
            while self._stop_requests < 2 and time.monotonic() < deadline and any(map(_runs, children)):
                time.sleep(0.01)
            for child in children:
                child.wait_stopped(0.1)
        self.engines.stop()


def _runs(child: Child) -> bool:
    return child.process is not None and child.process.poll() is None
