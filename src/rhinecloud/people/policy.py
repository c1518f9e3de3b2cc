"""The read policy: what is published to whom.

A publication lets an audience (anybody, everybody signed in, an organisation, a role) read entities of some types and
scopes, or some attributes of theirs. What somebody sees is the union of what is published to them; who may see what is
internal sees everything. Nothing else can be read: without a publication nothing is.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import asyncpg
import msgspec

from rhinecloud.broker import Transaction
from rhinecloud.model.sight import Grant, Sight
from rhinecloud.store import RoomDatabase

from .roles import ROLES

ANYONE: Final = "anyone"
SIGNED_IN: Final = "signed-in"
WAKE: Final = "policy"  # under this name workers tell each other that something was published or withdrawn
_KNOWN_FOR = 5.0  # seconds; what a lost wake-up costs
_NUMBERED = re.compile(r"organisation:[1-9][0-9]{0,17}")


class Publication(msgspec.Struct, frozen=True):
    """What is published to whom, by whom (as the audit log names them) and until when."""

    id: int
    audience: str
    grant: Grant
    made_by: str
    since: datetime
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is in force. One of the future began, too: the clock was put back since."""
        return self.until is None or now < self.until


class NotPublishable(ValueError):
    """What was to be published cannot be, in words."""


def check(audience: str, grant: Grant, until: datetime | None) -> None:
    """Raises NotPublishable for an audience that there is not, an end that has passed, and for everything to anyone."""
    kind, _, name = audience.partition(":")
    known = audience in (ANYONE, SIGNED_IN) or (kind == "role" and name in ROLES)
    if not known and _NUMBERED.fullmatch(audience) is None:
        raise NotPublishable(f"there is no audience {audience!r:.80}")
    if until is not None and until <= datetime.now(UTC):
        raise NotPublishable("the end has passed already")
    if not grant.types and not grant.scopes:
        raise NotPublishable("a publication names types or scopes: whoever sees everything has a role for it")
    for name in (*grant.types, *grant.scopes, *grant.attributes):
        if not name or not name.isprintable() or len(name) > 2_000:
            raise NotPublishable(f"not a name: {name!r:.80}")


class Policy:
    """The publications of an installation, as one worker knows them. `room` is that of people; `wake` tells all workers
    of a change, this one too."""

    def __init__(self, room: RoomDatabase, wake: Callable[[], Awaitable[None]]) -> None:
        self._room = room
        self._wake = wake
        self._publications: tuple[Publication, ...] = ()
        self._until = float("-inf")
        self.generation = 0

    def heard(self) -> None:
        """Something was published or withdrawn, or somebody is somebody else now."""
        self.generation += 1
        self._until = float("-inf")

    async def publications(self) -> tuple[Publication, ...]:
        """What is in force, the newest first."""
        if time.monotonic() >= self._until:
            generation = self.generation
            found = tuple([_read(record) for record in await self._room.pool.fetch(_IN_FORCE)])
            if generation != self.generation:  # what was read before a change is not known after it
                return found
            if found != self._publications:
                self._publications = found
                self.generation += 1
            self._until = time.monotonic() + _KNOWN_FOR
        now = datetime.now(UTC)
        return tuple(one for one in self._publications if one.holds(now))

    async def sight_of(
        self, organisations: frozenset[int], roles: frozenset[str] = frozenset(), *, signed_in: bool = True
    ) -> Sight:
        """What somebody may read who acts for these organisations and has these roles, and does not see everything."""
        audiences = {ANYONE}
        if signed_in:
            audiences |= {SIGNED_IN, *(f"organisation:{number}" for number in organisations)}
            audiences |= {f"role:{name}" for name in roles}
        found = {one.grant for one in await self.publications() if one.audience in audiences}
        return Sight(tuple(sorted(found, key=_order)))

    async def publish(
        self,
        transaction: Transaction,
        actor: str,
        audience: str,
        grant: Grant,
        until: datetime | None = None,
    ) -> int:
        """Publish in a transaction of the room, with its audit line; the publication's number. Whoever commits calls
        `told` then. Raises NotPublishable."""
        check(audience, grant, until)
        number = await transaction.connection.fetchval(
            """
            INSERT INTO publication (audience, types, scopes, attributes, made_by, until)
            VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
            """,
            audience,
            sorted(grant.types),
            sorted(grant.scopes),
            sorted(grant.attributes),
            actor,
            until,
        )
        await transaction.audit(actor, "publication.publish", str(number), _detail(audience, grant, until))
        return int(number)

    async def withdraw(self, transaction: Transaction, actor: str, number: int) -> bool:
        """End a publication now, likewise; false if there is none in force."""
        record = await transaction.connection.fetchrow(
            f"""
            UPDATE publication SET until = now(), withdrawn_by = $2
            WHERE id = $1 AND {_HOLDS} RETURNING {_COLUMNS}
            """,
            number,
            actor,
        )
        if record is None:
            return False
        ended = _read(record)
        detail = _detail(ended.audience, ended.grant, None)
        await transaction.audit(actor, "publication.withdraw", str(number), detail)
        return True

    async def told(self) -> None:
        """Let all workers know of what was committed."""
        self.heard()
        await self._wake()


_COLUMNS = "id, audience, types, scopes, attributes, made_by, since, until"
# Withdrawn is withdrawn, also when the clock is put back to before it was.
_HOLDS = "withdrawn_by IS NULL AND (until IS NULL OR until > now())"
_IN_FORCE = f"SELECT {_COLUMNS} FROM publication WHERE {_HOLDS} ORDER BY id DESC"


def _read(record: asyncpg.Record) -> Publication:
    number, audience, types, scopes, attributes, made_by, since, until = record
    grant = Grant(frozenset(types), frozenset(scopes), frozenset(attributes))
    return Publication(number, audience, grant, made_by, since, until)


def _order(grant: Grant) -> tuple[list[str], list[str], list[str]]:
    return sorted(grant.types), sorted(grant.scopes), sorted(grant.attributes)


def _detail(audience: str, grant: Grant, until: datetime | None) -> dict[str, object]:
    detail: dict[str, object] = {"audience": audience, "types": sorted(grant.types)}
    if grant.scopes:
        detail["scopes"] = sorted(grant.scopes)
    if grant.attributes:
        detail["attributes"] = sorted(grant.attributes)
    if until is not None:
        detail["until"] = until.isoformat()
    return detail


__all__ = ["ANYONE", "SIGNED_IN", "WAKE", "NotPublishable", "Policy", "Publication", "check"]
