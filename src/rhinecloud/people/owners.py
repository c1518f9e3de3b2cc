"""Who the owners of subscriptions are by now, and what they may read (broker.subscriptions.Owners)."""

from __future__ import annotations

import asyncpg

from rhinecloud.model.sight import EVERYTHING, Sight

from .permissions import SEE_INTERNAL
from .policy import Policy
from .roles import permissions_of
from .tokens import Tokens


class Owners:
    """`pool` is the room's. An account that is blocked or deleted, and a token that is over, are not there."""

    def __init__(self, pool: asyncpg.Pool, tokens: Tokens, policy: Policy) -> None:
        self._pool = pool
        self._tokens = tokens
        self._policy = policy

    @property
    def generation(self) -> int:
        """That of the policy, which hears of people too."""
        return self._policy.generation

    async def sight_of(self, owner: str) -> Sight | None:
        """What an owner may read now; None for one that is not there any more. What was subscribed while nobody
        signed in is its operators'."""
        kind, _, number = owner.partition(":")
        if owner == "open":
            return EVERYTHING
        if owner == "anonymous":
            return await self._policy.sight_of(frozenset(), signed_in=False)
        if kind == "person" and number.isdigit():
            return await self._of_person(int(number))
        if kind == "token" and number.isdigit():
            actor = await self._tokens.get(int(number), self._policy.sight_of)
            return None if actor is None else actor.sight
        return None

    async def _of_person(self, account: int) -> Sight | None:
        record = await self._pool.fetchrow(_ROLES, account)
        if record is None:
            return None
        held, everything = permissions_of(record["roles"])
        if everything or SEE_INTERNAL.name in held:
            return EVERYTHING
        return await self._policy.sight_of(frozenset(record["organisations"]), frozenset(record["roles"]))


_ROLES = """
SELECT ARRAY(SELECT m.role FROM membership m WHERE m.account = a.id) AS roles,
       ARRAY(SELECT m.organisation FROM membership m WHERE m.account = a.id) AS organisations
FROM account a WHERE a.id = $1 AND a.blocked_at IS NULL
"""
