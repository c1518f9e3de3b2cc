"""How a job is run: PgQueuer takes it from the queue, this decides what an end of it means."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from datetime import timedelta

import asyncpg
from pgqueuer.core.buffers import JobStatusLogBuffer
from pgqueuer.core.executors import AbstractEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Context, HealthCheckEvent, Job
from pgqueuer.queries import Queries

from . import records
from .work import Attempt, GiveUp, Kind, Later, due_of

_log = logging.getLogger(__name__)
_PROBES = 4


class Execution:
    """The jobs that run in this process. A job in which `crashes` workers ended is not begun again."""

    def __init__(self, pool: asyncpg.Pool, crashes: int) -> None:
        self.pool = pool
        self.crashes = crashes
        self.running = 0
        self.interrupting = False
        self.interrupted: list[int] = []
        self.failed: set[int] = set()  # for good, by our decision

    def manager(self, kinds: Mapping[str, Kind]) -> QueueManager:
        """The library's worker, with these kinds of jobs."""
        manager = _Manager(Queries.from_asyncpg_pool(self.pool))
        manager.execution = self
        for kind in kinds.values():
            manager.register_executor(kind.name, _Executor.of(kind, self))
        return manager

    def interrupt(self) -> None:
        """From here on a cancellation means that the worker ends: the job is queued again, nothing failed."""
        self.interrupting = True


class _Manager(QueueManager):
    execution: Execution

    async def listener_healthy(self, timeout: timedelta = timedelta(seconds=10)) -> HealthCheckEvent:
        """The library asks whether it hears of new jobs before it listens for them: once is not enough to tell."""
        for _ in range(_PROBES - 1):
            with contextlib.suppress(FailingListenerError):
                return await super().listener_healthy(timeout / _PROBES)
        return await super().listener_healthy(timeout / _PROBES)

    async def log_failure(
        self, job: Job, executor: AbstractEntrypointExecutor, exc: Exception, jbuff: JobStatusLogBuffer
    ) -> None:
        """The library calls a job failed also when it could not write down that it is to be tried again."""
        if job.id in self.execution.failed:
            self.execution.failed.discard(job.id)
            await super().log_failure(job, executor, exc, jbuff)
        else:
            _log.warning(
                "%s %s: begun again later, for it could not be put off: %s", job.entrypoint, job.id, exc
            )


class _Executor(AbstractEntrypointExecutor):
    kind: Kind
    execution: Execution

    @classmethod
    def of(cls, kind: Kind, execution: Execution) -> _Executor:
        async def never(job: Job) -> None:
            raise AssertionError("the executor calls the handler itself")

        made = cls(EntrypointExecutorParameters(kind.at_once, never, on_failure="hold"))
        made.kind = kind
        made.execution = execution
        return made

    async def execute(self, job: Job, context: Context) -> None:
        number = job.attempts + 1
        attempt = Attempt(job.id, self.kind.name, number, number >= self.kind.attempts, due_of(job.headers))
        self.execution.running += 1
        try:
            await self._attempt(job, attempt)
        except (asyncio.CancelledError, Exception) as error:
            end = self._end(job, attempt, error)
            if end is error:
                raise
            raise end from error
        finally:
            self.execution.running -= 1

    async def _attempt(self, job: Job, attempt: Attempt) -> None:
        crashes = await records.starts(self.execution.pool, job.id) - 1
        if crashes >= self.execution.crashes:
            raise GiveUp(f"{crashes} times the worker ended, or was cut off, while it ran this job")
        payload = self.kind.read(job.payload)
        timeout = asyncio.timeout(self.kind.timeout)
        try:
            async with timeout:
                await self.kind.handler(payload, attempt)
        except TimeoutError:
            if timeout.expired():
                raise TimeoutError(f"not done within {self.kind.timeout:g} s") from None
            raise

    def _end(self, job: Job, attempt: Attempt, error: BaseException) -> Exception:
        """What to tell the library: a retry, or that it failed for good.

        It would take a cancellation for the wish to drop the job: it must never see one.
        """
        if isinstance(error, asyncio.CancelledError):
            if self.execution.interrupting:
                self.execution.interrupted.append(job.id)
                return RetryRequested(timedelta(0), "the worker was stopped")
            error = RuntimeError("something that the job waited for was cancelled")
        assert isinstance(error, Exception)
        if isinstance(error, GiveUp) or attempt.last:
            self.execution.failed.add(job.id)
            return error
        pause = error.seconds if isinstance(error, Later) else self.kind.pause_after(attempt.number)
        return RetryRequested(timedelta(seconds=pause), _reason(error))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Later) else f"{type(error).__name__}: {error}"
