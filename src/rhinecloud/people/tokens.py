"""API tokens: with one a program acts for an organisation, with a part of what its maker may do, for a limited time.

A token never outgrows its maker: what it may is what it was given, of that only what its maker may still do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from rhinecloud.model.sight import EVERYTHING, Grant, Sight

from .actors import Actor
from .identities import SightOf
from .permissions import ACCOUNT, MANAGE_PEOPLE, MANAGE_TOKENS, PERMISSIONS, PUBLIC, SEE_INTERNAL
from .roles import permissions_of
from .secrets import digest, draw

PREFIX: Final = "rc_"
USUAL: Final = timedelta(days=90)
LONGEST: Final = timedelta(days=365)
LONGEST_NAME: Final = 80
_LONGEST_SECRET = 200  # characters of what somebody sends as one

# What people do themselves: a token that could make tokens or members would outlive its end.
_NEVER: Final = frozenset(one.name for one in (PUBLIC, ACCOUNT, MANAGE_TOKENS, MANAGE_PEOPLE))


async def forget_permissions(connection: asyncpg.Connection, prefix: str) -> None:
    """Take the permissions whose names begin so out of all tokens: what gave them a meaning is gone."""
    await connection.execute(
        "UPDATE token SET permissions = ARRAY(SELECT p FROM unnest(permissions) AS p WHERE NOT starts_with(p, $1)) "
        "WHERE EXISTS (SELECT FROM unnest(permissions) AS p WHERE starts_with(p, $1))",
        prefix,
    )


class NotGranted(Exception):
    """The token would be more than whoever makes it may give. `reason`: `beyond` (a permission that cannot be given),
    `organisation` (it is not one's own), `lasts` (too long), `name` (none, or too long)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Token(msgspec.Struct, frozen=True):
    """A token as people see it. `reads` is what it reads at most."""

    id: int
    name: str
    organisation: int | None
    organisation_name: str | None
    account: int | None
    account_name: str | None
    permissions: tuple[str, ...]
    reads: Grant
    created_at: datetime
    expires_at: datetime
    used_on: date | None


class Wanted(msgspec.Struct, frozen=True):
    """A token that is to be made."""

    name: str
    permissions: frozenset[str]
    organisation: int | None = None
    reads: Grant = Grant()
    lasts: timedelta = USUAL


def givable(actor: Actor) -> list[str]:
    """The permissions that an actor can give to a token, in the order of the registry."""
    return [one.name for one in PERMISSIONS if one.name not in _NEVER and actor.may(one)]


def check(wanted: Wanted, actor: Actor) -> None:
    """Raises NotGranted, in words, if the actor cannot give that."""
    beyond = wanted.permissions.difference(givable(actor))
    if beyond:
        raise NotGranted("beyond", f"permissions that cannot be given: {', '.join(sorted(beyond))}")
    own = wanted.organisation is None or wanted.organisation in actor.organisations
    if not own and not actor.may_everything:
        raise NotGranted("organisation", "an organisation that is not one's own")
    if not timedelta(0) < wanted.lasts <= LONGEST:
        raise NotGranted("lasts", f"a token lasts {LONGEST.days} days at most")
    if not wanted.name or len(wanted.name) > LONGEST_NAME or not wanted.name.isprintable():
        raise NotGranted("name", f"a token has a name of at most {LONGEST_NAME} characters")


def summary(wanted: Wanted) -> dict[str, Any]:
    """What the audit log keeps of a token that was made."""
    return {
        "name": wanted.name,
        "organisation": wanted.organisation,
        "permissions": sorted(wanted.permissions),
        "days": wanted.lasts.days,
    }


async def make(connection: asyncpg.Connection, wanted: Wanted, account: int | None) -> tuple[int, str]:
    """A new token that was checked: its number, and itself, which is told this once. Raises LookupError for an
    organisation that there is not."""
    secret = PREFIX + draw()
    try:
        number = await connection.fetchval(
            """
            INSERT INTO token (hash, name, organisation, account, permissions, types, scopes, attributes, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9) RETURNING id
            """,
            digest(secret),
            wanted.name,
            wanted.organisation,
            account,
            sorted(wanted.permissions),
            sorted(wanted.reads.types),
            sorted(wanted.reads.scopes),
            sorted(wanted.reads.attributes),
            wanted.lasts,
        )
    except asyncpg.ForeignKeyViolationError:
        raise LookupError("no such organisation") from None
    return int(number), secret


async def every(connection: asyncpg.Connection | asyncpg.Pool, account: int | None = None) -> list[Token]:
    """All tokens that are not over, the newest first; of one account alone if it is named."""
    records = await connection.fetch(
        f"{_SELECT} WHERE t.expires_at > now() AND ($1::bigint IS NULL OR t.account = $1) ORDER BY t.id DESC",
        account,
    )
    return [_token(record) for record in records]


async def revoke(
    connection: asyncpg.Connection | asyncpg.Pool, number: int, account: int | None = None
) -> Token | None:
    """End one, or one of an account's alone; what it was, None if there is none such."""
    record = await connection.fetchrow(
        f"{_SELECT} WHERE t.id = $1 AND ($2::bigint IS NULL OR t.account = $2)", number, account
    )
    if record is None or await connection.execute("DELETE FROM token WHERE id = $1", number) == "DELETE 0":
        return None
    return _token(record)


class Tokens:
    """What the gate asks. `pool` is the room's."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._noted: tuple[date, set[int]] = (date.min, set())

    async def find(self, secret: str, sight_of: SightOf) -> Actor | None:
        """Who has this token; None if it is none, was revoked or is over, or its maker was locked out."""
        if len(secret) > _LONGEST_SECRET:
            return None
        record = await self._pool.fetchrow(_FIND.format("t.hash"), digest(secret))
        actor = None if record is None else await _actor(record, sight_of)
        if actor is not None:
            await self._note(record["id"])
        return actor

    async def get(self, number: int, sight_of: SightOf) -> Actor | None:
        """Whom the token of a number stands for now; None as `find`."""
        record = await self._pool.fetchrow(_FIND.format("t.id"), number)
        return None if record is None else await _actor(record, sight_of)

    async def _note(self, number: int) -> None:
        """That it was used, once a day."""
        today = datetime.now(UTC).date()
        if self._noted[0] != today:
            self._noted = (today, set())
        if number not in self._noted[1]:
            self._noted[1].add(number)
            await self._pool.execute(
                "UPDATE token SET used_on = $2 WHERE id = $1 AND used_on IS DISTINCT FROM $2", number, today
            )


async def _actor(record: asyncpg.Record, sight_of: SightOf) -> Actor | None:
    given = frozenset(record["permissions"]) - _NEVER
    if record["account"] is not None:
        held, everything = permissions_of(record["roles"])
        # A maker who left the organisation no longer speaks for it.
        member = (
            record["organisation"] is None or everything or record["organisation"] in record["organisations"]
        )
        if not member:
            return None
        given = given if everything else given & held
    organisations = frozenset([record["organisation"]] if record["organisation"] is not None else [])
    sight = EVERYTHING if SEE_INTERNAL.name in given else await sight_of(organisations)
    return Actor(
        f"token:{record['id']}",
        "token",
        record["name"],
        given,
        narrowed(sight, _grant(record)),
        organisations,
    )


def narrowed(sight: Sight, to: Grant) -> Sight:
    """What is within a sight and within a grant, and never more than either."""
    if to == Grant():
        return sight
    if sight.everything:
        return Sight((to,))
    found = []
    for grant in sight.grants:
        parts = (
            _common(grant.types, to.types),
            _deeper(grant.scopes, to.scopes),
            _common(grant.attributes, to.attributes),
        )
        if None not in parts:
            types, scopes, attributes = parts
            found.append(Grant(types or frozenset(), scopes or frozenset(), attributes or frozenset()))
    return Sight(tuple(found))


def _common(one: frozenset[str], other: frozenset[str]) -> frozenset[str] | None:
    """Of both; empty means any, None nothing."""
    if not one or not other:
        return one or other
    return one & other or None


def _deeper(one: frozenset[str], other: frozenset[str]) -> frozenset[str] | None:
    """The scopes that are within both."""
    if not one or not other:
        return one or other
    within = {a for a in one if _beneath_any(a, other)} | {b for b in other if _beneath_any(b, one)}
    return frozenset(within) or None


def _beneath_any(scope: str, above: Collection[str]) -> bool:
    path = scope.strip("/").split("/")
    return any(path[: len(top)] == top for top in (one.strip("/").split("/") for one in above))


_SELECT = """
SELECT t.id, t.name, t.organisation, o.name AS organisation_name, t.account, a.name AS account_name, t.permissions,
       t.types, t.scopes, t.attributes, t.created_at, t.expires_at, t.used_on
FROM token t LEFT JOIN organisation o ON o.id = t.organisation LEFT JOIN account a ON a.id = t.account
"""
_FIND = """
SELECT t.id, t.name, t.organisation, t.account, t.permissions, t.types, t.scopes, t.attributes,
       ARRAY(SELECT m.role FROM membership m WHERE m.account = t.account) AS roles,
       ARRAY(SELECT m.organisation FROM membership m WHERE m.account = t.account) AS organisations
FROM token t LEFT JOIN account a ON a.id = t.account
WHERE {} = $1 AND t.expires_at > now() AND a.blocked_at IS NULL
"""


def _grant(record: asyncpg.Record) -> Grant:
    def names(column: str) -> frozenset[str]:
        found: Sequence[str] = record[column]
        return frozenset(found)

    return Grant(names("types"), names("scopes"), names("attributes"))


def _token(record: asyncpg.Record) -> Token:
    return Token(
        record["id"],
        record["name"],
        record["organisation"],
        record["organisation_name"],
        record["account"],
        record["account_name"],
        tuple(record["permissions"]),
        _grant(record),
        record["created_at"],
        record["expires_at"],
        record["used_on"],
    )
