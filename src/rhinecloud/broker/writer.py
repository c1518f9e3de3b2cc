"""The one door: gathers operations, commits each gathering in one transaction, answers after the commit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import asyncpg

from rhinecloud.model import BadRequestData, NgsiLdError, ResourceNotFound
from rhinecloud.store import Database, commit, entities, evolution, history, intake
from rhinecloud.store.history import SeriesKey

from .corrections import correct
from .gathering import Gathering
from .operations import CORRECTING, EVOLVING, Applied, Operation, Verdict
from .planning import Plan

_BEGIN = "BEGIN; SELECT pg_current_xact_id()"  # the id is owned before a change id is drawn: see store.outbox
_SERIES_KNOWN = 1_000_000  # some 80 bytes each
_ATTEMPTS = 5
_CROWDED = 16  # operations that wait before a second transaction runs beside the first
_REFUSED = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)  # of a value's form, or of its size


_Kind = tuple[str, str, str, bool]  # what a series is besides its entity


class SeriesNumbers:
    """The numbers of the series of the entities last written, so that a measurement does not look them up.

    By entity, then by kind: there are few kinds, and each is one object for all entities.
    """

    def __init__(self, most: int = _SERIES_KNOWN) -> None:
        self._most = most
        self._known: OrderedDict[str, dict[_Kind, int]] = OrderedDict()
        self._kinds: dict[_Kind, _Kind] = {}
        self._number = 0

    def get(self, key: SeriesKey) -> int | None:
        """The number of a series if it is known."""
        known = self._known.get(key.entity_id)
        return None if known is None else known.get((key.attribute, key.dataset, key.unit, key.observed))

    def add(self, found: dict[SeriesKey, int]) -> None:
        """Know these as well; what was found longest ago is forgotten."""
        for key, number in found.items():
            kind = (key.attribute, key.dataset, key.unit, key.observed)
            known = self._known.setdefault(key.entity_id, {})
            self._number += kind not in known
            known[self._kinds.setdefault(kind, kind)] = number
        while self._number > self._most:
            self._number -= len(self._known.popitem(last=False)[1])
        if len(self._kinds) > self._most:
            self._kinds.clear()


class Writer:
    """Applies operations to the graph of one tenant.

    `told` is called after each commit that left changes in the outbox.
    """

    def __init__(
        self, database: Database, told: Callable[[], None], *, lanes: int = 2, most_waiting: int = 20_000
    ) -> None:
        self._database = database
        self._told = told
        self._series = SeriesNumbers()
        self._gathering: Gathering[Sequence[Operation], list[Verdict]] = Gathering(
            self._flush,
            lanes=lanes,
            most_at_once=2_000,
            most_waiting=most_waiting,
            crowded=_CROWDED,
            weigh=len,
        )
        self.committed = 0

    @property
    def waiting(self) -> int:
        """Operations that wait for their statement."""
        return self._gathering.waiting

    async def apply(self, operations: Sequence[Operation]) -> list[Verdict]:
        """Apply operations in order, all in one transaction; a verdict for each, after the commit.

        Raises Overloaded, or one of store.Unavailable: then it is not known to have happened.
        """
        if not operations:
            return []
        return await self._gathering.submit(operations)

    async def close(self) -> None:
        """Stop; what still waits is not acknowledged."""
        await self._gathering.close()

    async def _flush(self, units: list[Sequence[Operation]]) -> list[list[Verdict] | Exception]:
        return [result for part in _apart(units) for result in await self._flush_part(part)]

    async def _flush_part(self, units: list[Sequence[Operation]]) -> list[list[Verdict] | Exception]:
        try:
            return list(await self._commit(units))
        except _REFUSED as error:
            # PostgreSQL refused a value that the model let through. One operation is to blame: it is found by giving
            # each unit, then each of its operations, a transaction of its own, and the others are not punished.
            if len(units) > 1:
                return [result for unit in units for result in await self._flush_part([unit])]
            (unit,) = units
            if len(unit) == 1:
                return [[BadRequestData(f"a value cannot be stored: {error}")]]
            return [[verdict for operation in unit for verdict in await self._alone(operation)]]

    async def _alone(self, operation: Operation) -> list[Verdict]:
        (result,) = await self._flush_part([(operation,)])
        if isinstance(result, Exception):
            raise result
        return result

    async def _commit(self, units: list[Sequence[Operation]]) -> list[list[Verdict]]:
        for attempt in range(_ATTEMPTS):
            async with self._database.pool.acquire() as connection:
                await connection.execute(_BEGIN)
                try:
                    verdicts, told, series = await write(
                        connection, [operation for unit in units for operation in unit], self._series
                    )
                    await connection.execute("COMMIT")
                except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
                    # Another worker made the same entity between our lock and our insert: now it can be locked.
                    await connection.execute("ROLLBACK")
                    if attempt == _ATTEMPTS - 1:
                        raise
                    continue
                except BaseException:
                    if not connection.is_closed():
                        await connection.execute("ROLLBACK")
                    raise
            break
        self._series.add(series)
        self.committed += len(verdicts)
        if told:
            self._told()
        answers, start = [], 0
        for unit in units:
            answers.append(verdicts[start : start + len(unit)])
            start += len(unit)
        return answers


def _apart(units: list[Sequence[Operation]]) -> list[list[Sequence[Operation]]]:
    """Units in parts, one transaction each, so that a delivery that came twice meets what it did the first time."""
    parts: list[list[Sequence[Operation]]] = [[]]
    seen: set[str] = set()
    for unit in units:
        deliveries = {operation.delivery for operation in unit if operation.delivery is not None}
        if not seen.isdisjoint(deliveries):
            parts.append([])
            seen = set()
        seen |= deliveries
        parts[-1].append(unit)
    return parts


async def write(
    connection: asyncpg.Connection, operations: Sequence[Operation], known: SeriesNumbers
) -> tuple[list[Verdict], bool, dict[SeriesKey, int]]:
    """Apply operations inside the caller's transaction, which must own a transaction id.

    Returns the verdicts, whether there are changes to be told, and the series numbers found: they may be kept once
    the transaction has committed.
    """
    deliveries = {operation.delivery for operation in operations if operation.delivery is not None}
    fresh = await intake.remember(connection, sorted(deliveries)) if deliveries else set()
    verdicts: list[Verdict] = []
    told = False
    found: dict[SeriesKey, int] = {}
    runs = _runs(operations)
    if len(runs) > 1:  # in the order of all ids, lest two transactions wait for each other
        await entities.lock(connection, {operation.entity_id for operation in operations})
    for run in runs:
        plan = await _plan(connection, run)
        for operation in run:
            if operation.delivery is not None and operation.delivery not in fresh:
                verdicts.append(Applied(duplicate=True))
            elif operation.kind in CORRECTING:
                verdicts.append(await _correct(connection, plan, operation))
            else:
                verdicts.append(plan.apply(operation))
        found.update(await _carry_out(connection, plan, known, found))
        told = told or bool(plan.changes)
    applied = {
        operation.delivery
        for operation, verdict in zip(operations, verdicts, strict=True)
        if isinstance(verdict, Applied)
    }
    failed = sorted(deliveries - applied)
    if failed:  # nothing of them was applied: they may come again
        await intake.disown(connection, failed)
    return verdicts, told, found


def _runs(operations: Sequence[Operation]) -> list[Sequence[Operation]]:
    """The operations in runs that can be planned at once: what touches history sees in the tables what came before."""
    if not any(operation.kind in EVOLVING for operation in operations):
        return [operations]
    runs: list[list[Operation]] = []
    last = None
    for operation in operations:
        sort = operation.kind if operation.kind in EVOLVING else "ordinary"
        if sort == last and sort not in CORRECTING:
            runs[-1].append(operation)
        else:
            runs.append([operation])
        last = sort
    return [*runs]


async def _plan(connection: asyncpg.Connection, operations: Sequence[Operation]) -> Plan:
    locked = await entities.lock(connection, {operation.entity_id for operation in operations})
    if operations[0].kind not in EVOLVING:
        return Plan(locked, datetime.now(UTC))
    unknown = {operation.entity_id for operation in operations if operation.entity_id not in locked}
    absent = {
        (operation.entity_id, name)
        for operation in operations
        if operation.kind == "evolve" and operation.entity_id in locked
        for name in operation.attributes
    }
    return Plan(
        locked,
        datetime.now(UTC),
        await entities.remains(connection, unknown),
        await evolution.ends(connection, absent),
    )


async def _correct(connection: asyncpg.Connection, plan: Plan, operation: Operation) -> Verdict:
    if not plan.knows(operation.entity_id):
        return ResourceNotFound(f"there is no temporal evolution of {operation.entity_id}")
    try:
        return plan.apply(await correct(connection, operation, plan.now.at))
    except NgsiLdError as error:
        return error


async def _carry_out(
    connection: asyncpg.Connection, plan: Plan, known: SeriesNumbers, new: Mapping[SeriesKey, int]
) -> dict[SeriesKey, int]:
    """Write what was planned; returns the numbers of series that were neither known nor new before."""
    await entities.insert(connection, plan.inserts())
    whole, attributes = plan.updates()
    await entities.update(connection, whole)
    await entities.delete(connection, plan.deletes())
    await entities.erase(connection, plan.erased)
    if plan.replaced:
        await evolution.forget(connection, plan.replaced)
    forget, places = plan.places()
    if forget or places:
        await entities.replace_places(connection, forget, places)
    numbers = [known.get(row.key) or new.get(row.key) for row in plan.history]
    missing = {row.key for row, number in zip(plan.history, numbers, strict=True) if number is None}
    found = await history.series_ids(connection, missing) if missing else {}
    await commit.write(
        connection,
        entities=attributes,
        history=[
            (found[row.key] if number is None else number, row.at, row.value, row.instance)
            for row, number in zip(plan.history, numbers, strict=True)
        ],
        changes=plan.changes,
    )
    return found
