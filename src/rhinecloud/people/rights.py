"""What follows from the register: a person's rights (Art. 15 to 18, 20 and 21 GDPR), and retention.

A request is a row; erasing and copying are jobs, so that they outlive whatever happens on the way. An erasure stands in
the ledger (people/ledger.py) before it begins, and is carried out again where a restore brought the person back.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import msgspec

from rhinecloud.broker.forgetting import forget_stream
from rhinecloud.broker.tenants import Tenants
from rhinecloud.bus import Bus, forget_messages
from rhinecloud.files import Files
from rhinecloud.files.files import File
from rhinecloud.jobs import Attempt, Jobs
from rhinecloud.model import NonexistentTenant
from rhinecloud.settings import Settings

from . import answering, arriving, copies, holdings, requests
from .answering import Addressee, Decision
from .copies import Held
from .holdings import Reach
from .ledger import Entry, trace, traces
from .ledger_copies import LedgerCopies, in_database, ledger_of
from .register import Activity, Declared, Entities, Holding, Person, PersonalData, Register, Table, Uploads
from .requests import Decided, Kind, Request, Waiting
from .secrets import digest, draw
from .service import People

_ERASE, _COPY, _FORGET, _RETAIN = "privacy.erase", "privacy.copy", "privacy.forget", "privacy.retention"
_VALID = timedelta(days=1)
_TOLD = 30.0  # seconds that the relay has to tell what it read before an erasure
_TOLD_AT_START = 3.0  # likewise, where others are hardly at work yet
_LOCK = 0x52696768  # "Righ": one repetition at a time over all workers
_NAMES = UUID("6f4f8f5e-39a1-4b7e-9d39-0f6f1b1f8a54")  # in which requests have names
_SYSTEM = "system"
_log = logging.getLogger(__name__)


class Task(msgspec.Struct, frozen=True):
    """What a job is told: never who, only which request."""

    request: int


class Rights:
    """Rights and retention over everything that is registered. Make it before the jobs are opened."""

    def __init__(
        self,
        people: People,
        tenants: Tenants,
        bus: Bus,
        files: Files,
        jobs: Jobs,
        register: Register,
        settings: Settings,
    ) -> None:
        self.register = register
        self.ledger = ledger_of(settings)
        self._copies = LedgerCopies(self.ledger, people.room.pool, jobs, settings)
        self._settings = settings
        self._people = people
        self._files = files
        self._jobs = jobs
        self._tenants = tenants
        self._bus = bus
        broker = tenants.default.broker
        self._pools = {"tenant": broker.database.pool, "room_people": people.room.pool}
        self._reach = Reach(self._pools, broker, files, settings)
        jobs.register(_ERASE, self._erase_job, Task, timeout=3_600)
        jobs.register(_COPY, self._copy_job, Task, timeout=3_600)
        jobs.register(_FORGET, self._forget_job, Task)
        jobs.register(_RETAIN, self._retain_job, timeout=3_600)
        jobs.schedule(_RETAIN, "40 3 * * *")
        people.on_departure(self._departed)

    def add(self, owner: str, schema: str, pool: asyncpg.Pool, data: PersonalData) -> None:
        """Register what an app declares, and where it is. Before `repeat`. Raises ValueError."""
        self.register.add(owner, schema, data)
        self._pools[schema] = pool

    # What there is -----------------------------------------------------------------------------------------------

    async def person(self, account: int) -> Person:
        """Somebody with an account, and the address that they proved to be theirs."""
        mail = await self._people.room.pool.fetchval("SELECT mail FROM account WHERE id = $1", account)
        return Person(account, (mail,) if mail else ())

    async def whole(self, person: Person) -> Person:
        """The same person with the account that an address of theirs belongs to, and the address that the account has.

        Raises ValueError where these are several accounts.
        """
        records = await self._people.room.pool.fetch(
            "SELECT id, mail FROM account WHERE id = $1 OR lower(mail) = ANY($2::text[])",
            person.account,
            person.values("mail"),
        )
        if len(records) > 1:
            raise ValueError(f"these are {len(records)} accounts")
        for record in records:
            mails = (*person.values("mail"), *([record["mail"].lower()] if record["mail"] else []))
            person = Person(record["id"], tuple(dict.fromkeys(mails)), person.devices)
        return person

    async def held(self, person: Person, limit: int = holdings.MOST) -> list[Held]:
        """All that is kept of a person, by what it is for (Art. 15 GDPR). Rows of another tenant than the default one
        name it (`tenant`)."""
        found = {
            id(holding): Held(one.owner, activity, holding, [])
            for one, activity, holding in self.register.holdings()
        }
        async with contextlib.aclosing(self._everywhere()) as reaches:
            async for reach in reaches:
                for one, _, holding in self._in(reach):
                    rows = found[id(holding)].rows
                    left = limit - len(rows)
                    more = await holdings.rows(reach, one.schema, holding, person, left) if left else []
                    rows += [{**row, "tenant": reach.other} for row in more] if reach.other else more
        return list(found.values())

    async def _everywhere(self) -> AsyncGenerator[Reach, None]:
        """The default tenant, with people, apps and files, then each of the others."""
        yield self._reach
        for tenant in await self._tenants.registry.every():
            if tenant.name == self._tenants.default.name:
                continue
            with contextlib.suppress(NonexistentTenant):  # it was removed meanwhile
                async with self._tenants.use(tenant.name) as served:
                    yield self._reach.of(served.broker)

    def _in(self, reach: Reach) -> Iterator[tuple[Declared, Activity, Holding]]:
        for one, activity, holding in self.register.holdings():
            if reach.has(one.schema, holding):
                if not reach.other and one.schema not in reach.pools:
                    raise LookupError(f"the schema {one.schema} of {one.owner} is not within reach")
                yield one, activity, holding

    # Requests ----------------------------------------------------------------------------------------------------

    async def open(
        self, kind: Kind, person: Person, actor: str, identity: str = ""
    ) -> tuple[int, str | None]:
        """Take a request; its number, and for a copy the secret of the link under which it can be fetched for a day.

        Raises LastAdministrator where an erasure would leave nobody who can manage the installation, ValueError for
        what several accounts have.
        """
        person = await self.whole(person)
        secret = draw() if kind == "export" else None
        erasing = kind == "erasure" and person.account is not None
        begin = self._people.keeping_administrators if erasing else self._people.transaction
        async with begin() as transaction:
            connection = transaction.connection
            request = await requests.add(connection, kind, person, actor, identity)
            if secret is not None:
                await connection.execute(
                    "INSERT INTO data_copy (request, hash, expires_at) VALUES ($1, $2, now() + $3)",
                    request,
                    digest(secret),
                    _VALID,
                )
            async with transaction.of_city() as city:
                if kind == "erasure":
                    await self._jobs.enqueue(city, _ERASE, Task(request), key=str(request))
                elif kind == "export":
                    await self._jobs.enqueue(city, _COPY, Task(request), key=str(request))
                    at = datetime.now(UTC) + _VALID
                    await self._jobs.enqueue(city, _FORGET, Task(request), at=at)
            await transaction.audit(
                actor, f"privacy.{kind}", f"request:{request}", {"identity": bool(identity)}
            )
        return request, secret

    async def ask(self, kind: Decided, person: Person, actor: str, words: str, identity: str = "") -> int:
        """Put a request for a restriction or an objection before whoever answers requests; its number. What is asked
        for is not done by itself: whether it must be is weighed by people (Art. 18(1), Art. 21(1) GDPR).

        Raises ValueError for what several accounts have.
        """
        person = await self.whole(person)
        async with self._people.transaction() as transaction:
            request = await requests.add(transaction.connection, kind, person, actor, identity, words)
            await transaction.audit(actor, f"privacy.{kind}", f"request:{request}", {})
        return request

    async def close(self, request: int, actor: str) -> bool:
        """A request is answered: who it was is forgotten. False if it was closed before."""
        async with self._people.transaction() as transaction:
            if not await requests.close(transaction.connection, request):
                return False
            await transaction.audit(actor, "privacy.close", f"request:{request}", {})
        return True

    async def addressee(self, request: Request) -> Addressee | None:
        """Where an answer to a request goes; None without an address."""
        return await answering.addressee(self._people, request)

    async def answer(self, request: int, decision: Decision, words: str, language: str, actor: str) -> bool:
        """Answer a restriction or an objection by letter and close it. See answering.answer."""
        return await answering.answer(self._people, self._settings, request, decision, words, language, actor)

    async def request(self, request: int) -> Request | None:
        """A request, or None."""
        return await requests.one(self._people.room.pool, request)

    async def requests(self, before: int | None, limit: int) -> list[Request]:
        """Requests, the newest first; those with a number below `before`."""
        return await requests.page(self._people.room.pool, before, limit)

    async def waiting(self) -> Waiting:
        """Requests that somebody has to answer."""
        return await requests.waiting(self._people.room.pool)

    # Correction --------------------------------------------------------------------------------------------------

    async def correct(self, person: Person, table: str, column: str, old: str, new: str, actor: str) -> int:
        """Put another text where a person's data are wrong (Art. 16 GDPR); how many rows. Raises LookupError for what
        may not be corrected in this way."""
        for one, _, holding in self.register.holdings():
            if isinstance(holding, Table) and holding.name == table:
                if not any(known.name == column and known.correctable for known in holding.columns):
                    break
                count = 0
                async with contextlib.aclosing(self._everywhere()) as reaches:
                    async for reach in reaches:
                        if reach.has(one.schema, holding):
                            pool = reach.pools[one.schema]
                            count += await holdings.correct(pool, holding, person, column, old, new)
                async with self._people.transaction() as transaction:
                    detail = {"table": table, "column": column, "rows": count}
                    await transaction.audit(actor, "privacy.correct", table, detail)
                return count
        raise LookupError(f"{table}.{column} is not to be corrected here")

    # Copies ------------------------------------------------------------------------------------------------------

    async def copy(self, secret: str) -> tuple[bool, File | None]:
        """Whether a link is valid, and the copy, once it is made."""
        record = await self._people.room.pool.fetchrow(
            "SELECT file FROM data_copy WHERE hash = $1 AND expires_at > now()", digest(secret)
        )
        if record is None:
            return False, None
        return True, await self._files.get(record["file"]) if record["file"] is not None else None

    def read(self, file: File) -> AsyncIterator[bytes]:
        """The content of a copy."""
        return self._files.read(file)

    async def _copy_job(self, task: Task, attempt: Attempt) -> None:
        request = await self.request(task.request)
        if request is None or request.closed_at is not None:
            return
        held = await self.held(request.person)
        uploaded = [
            file
            for one in held
            if isinstance(one.holding, Uploads)
            for file in await self._files.by(request.person.values("actor"), one.holding.app)
        ]
        with tempfile.TemporaryDirectory(prefix="rhinecloud-copy-") as folder:
            path = Path(folder) / "copy.zip"
            await copies.write(path, held, self._files, uploaded)
            name = f"meine-daten-{request.opened_at:%Y-%m-%d}.zip"
            upload = await self._files.adopt(name, "application/zip", path)
        async with self._people.transaction() as transaction:
            async with transaction.of_city() as city:
                file = await self._files.keep(
                    city, upload, app="privacy", subject=f"request:{request.id}", actor=_SYSTEM
                )
            left = await transaction.connection.fetchval(
                "UPDATE data_copy SET file = $2 WHERE request = $1 AND file IS NULL RETURNING request",
                request.id,
                file.id,
            )
            if left is None:  # erased meanwhile, or another attempt came to its end
                async with transaction.of_city() as city:
                    await self._files.remove(city, file.id, at_once=True)

    async def _forget_job(self, task: Task, attempt: Attempt) -> None:
        await self._drop_copies("request = $1", task.request)
        async with self._people.room.transaction() as connection:
            await requests.close(connection, task.request)

    async def _drop_copies(self, condition: str, *values: Any) -> None:
        async with self._people.transaction() as transaction:
            records = await transaction.connection.fetch(
                f"DELETE FROM data_copy WHERE {condition} RETURNING file", *values
            )
            async with transaction.of_city() as city:
                for record in records:
                    if record["file"] is not None:
                        await self._files.remove(city, record["file"], at_once=True)

    # Erasure -----------------------------------------------------------------------------------------------------

    async def _departed(self, transaction: Any, account: int) -> None:
        """Whoever deletes their account is erased everywhere, not only from the tables of accounts."""
        mail = await transaction.connection.fetchval("SELECT mail FROM account WHERE id = $1", account)
        person = Person(account, (mail,) if mail else ())
        actor = f"person:{account}"
        request = await requests.add(transaction.connection, "erasure", person, actor, "")
        async with transaction.of_city() as city:
            await self._jobs.enqueue(city, _ERASE, Task(request), key=str(request))

    async def _erase_job(self, task: Task, attempt: Attempt) -> None:
        request = await self.request(task.request)
        if request is None or request.closed_at is not None:
            return
        entry = Entry(
            uuid5(_NAMES, f"{request.id} {request.opened_at.isoformat()}"),
            datetime.now(UTC),
            traces(await self._key(), request.person),
        )
        if entry.id not in self.ledger.read():
            self.ledger.add([entry])
        await self._erase(entry, request.person, request.id)

    async def _erase(self, entry: Entry, person: Person, request: int | None) -> dict[str, int]:
        condition = "request IN (SELECT id FROM data_request WHERE account = $1 OR mails && $2::text[])"
        await self._drop_copies(condition, person.account, person.values("mail"))
        counts: dict[str, int] = {}
        # What is still on its way comes first: it would be kept, were it read meanwhile.
        if count := await self._forget_arriving(person):
            counts["transport"] = count
        async with contextlib.aclosing(self._everywhere()) as reaches:
            async for reach in reaches:
                for one, activity, holding in self._in(reach):
                    # The request itself comes last: until then a second attempt must know who it is about.
                    if isinstance(holding, Table) and holding.name == "data_request":
                        continue
                    if count := await holdings.erase(reach, one.schema, holding, person):
                        counts[activity.key] = counts.get(activity.key, 0) + count
                if self._graph_knows_people:
                    patience = _TOLD if request is not None else _TOLD_AT_START
                    await forget_stream(reach.broker.database, self._bus, patience)
        encoded = msgspec.json.encode(counts).decode()
        async with self._people.transaction() as transaction:
            connection = transaction.connection
            await connection.execute(
                "INSERT INTO erasure (id, at, traces, counts) VALUES ($1, $2, $3, $4::jsonb) ON CONFLICT DO NOTHING",
                entry.id,
                entry.at,
                list(entry.traces),
                encoded,
            )
            await requests.close_all(connection, person, request, encoded, _SYSTEM)
            async with transaction.of_city() as city:
                await self._copies.due(city)
            await transaction.audit(_SYSTEM, "privacy.erased", f"erasure:{entry.id}", {"counts": counts})
        return counts

    @property
    def _graph_knows_people(self) -> bool:
        return any(isinstance(holding, Entities) for _, _, holding in self.register.holdings())

    async def _forget_arriving(self, person: Person) -> int:
        """Devices sign in at the default tenant only."""
        topics = await self._reach.pools["tenant"].fetch(
            "SELECT unnest(publish) FROM device WHERE id = ANY($1::text[])", list(person.devices)
        )
        concerns = arriving.concerns(person, [record[0] for record in topics])
        return await forget_messages(self._bus, concerns) if concerns is not None else 0

    async def repeat(self) -> int:
        """Erase again whom a restored backup brought back; returns how many erasures were carried out. At the start,
        before anything is served, and of all workers one after the other."""
        pool = self._people.room.pool
        async with pool.acquire() as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            try:
                in_file = self.ledger.read()
                done = {entry.id: entry for entry in await in_database(pool)}
                self.ledger.add([entry for number, entry in done.items() if number not in in_file])
                missing = [entry for number, entry in in_file.items() if number not in done]
                if missing:
                    found = await self._who(missing)
                    for entry in missing:
                        await self._erase(entry, found.get(entry.id, Person()), None)
                    _log.warning("rights: %s erasures were carried out again after a restore", len(missing))
                return len(missing)
            finally:
                with contextlib.suppress(asyncpg.InterfaceError, asyncpg.PostgresConnectionError):
                    await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)

    async def _who(self, entries: Sequence[Entry]) -> dict[UUID, Person]:
        """Whom entries are about, as far as they are in the database: everybody in it is held against the traces."""
        key = await self._key()
        wanted: dict[bytes, list[UUID]] = {}
        for entry in entries:
            for one in entry.traces:
                wanted.setdefault(one, []).append(entry.id)
        found: dict[UUID, Person] = {}
        async with contextlib.aclosing(self._everywhere()) as reaches:
            async for reach in reaches:
                for declared, _, holding in self._in(reach):
                    async for by, value in holdings.known(reach, declared.schema, holding):
                        for number in wanted.get(trace(key, by, value), ()):
                            found[number] = _and(found.get(number, Person()), by, value)
        for number, person in found.items():
            if person.account is not None:  # an address that the account had then
                for mail in (await self.person(person.account)).mails:
                    found[number] = _and(found[number], "mail", mail.lower())
        return found

    async def _key(self) -> bytes:
        return bytes(await self._people.room.pool.fetchval("SELECT key FROM erasure_key"))

    # Retention ---------------------------------------------------------------------------------------------------

    async def retain(self) -> dict[str, int]:
        """Let go what is older than was declared; how many rows of which table, which is what the audit log has."""
        counts: dict[str, int] = {}
        async with contextlib.aclosing(self._everywhere()) as reaches:
            async for reach in reaches:
                for one, _, holding in self._in(reach):
                    if isinstance(holding, Table) and (
                        count := await holdings.expire(reach, one.schema, holding)
                    ):
                        schema = f"{one.schema}_{reach.other}" if reach.other else one.schema
                        counts[f"{schema}.{holding.name}"] = count
        if counts:
            async with self._people.transaction() as transaction:
                await transaction.audit(_SYSTEM, "privacy.retention", "register", {"deleted": counts})
        return counts

    async def _retain_job(self, payload: None, attempt: Attempt) -> None:
        await self.retain()


def _and(person: Person, by: str, value: Any) -> Person:
    if by == "account":
        return msgspec.structs.replace(person, account=int(value))
    if by == "mail":
        return msgspec.structs.replace(person, mails=tuple(dict.fromkeys((*person.mails, str(value)))))
    return msgspec.structs.replace(person, devices=tuple(dict.fromkeys((*person.devices, str(value)))))
