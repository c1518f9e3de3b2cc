"""Whose session or token it is, found once and known for some seconds.

What changes who may do what (a sign-out, a token revoked, a role taken) is told by `forget`, here at once and on other
workers by a wake-up; the seconds bound what a lost wake-up costs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec

from rhinecloud.model.sight import EVERYTHING, NOTHING, Sight

from .actors import Actor
from .permissions import SEE_INTERNAL
from .roles import permissions_of
from .secrets import digest
from .sessions import Session, Sessions

KNOWN_FOR: Final = 5.0  # seconds
_MOST = 20_000  # identities that are known at a time


class SightOf(Protocol):
    """What the read policy gives to who does not see everything (policy.Policy.sight_of)."""

    async def __call__(
        self, organisations: frozenset[int], roles: frozenset[str] = frozenset(), *, signed_in: bool = True
    ) -> Sight:
        """The sight of who acts for these organisations with these roles."""
        ...


class Identity(msgspec.Struct, frozen=True):
    """Who asks; for somebody who signed in with a browser with the session."""

    actor: Actor
    session: Session | None = None


class Tokens(Protocol):
    """What the tokens of programs are asked."""

    async def find(self, secret: str, sight_of: SightOf) -> Actor | None:
        """Who has this token; None if it is none, was revoked or is over."""
        ...


async def nothing_published(
    organisations: frozenset[int], roles: frozenset[str] = frozenset(), *, signed_in: bool = True
) -> Sight:
    """The sight where there is no read policy."""
    return NOTHING


class Identities:
    """Who is who, for one worker."""

    def __init__(self, sessions: Sessions, tokens: Tokens, sight_of: SightOf = nothing_published) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._sight_of = sight_of
        self._known: dict[bytes, tuple[float, Identity | None]] = {}
        self._epoch = 0
        self._forgotten = asyncio.Event()

    async def of_session(self, secret: str) -> Identity | None:
        """Who signed in with this cookie."""
        return await self._find(b"s" + digest(secret), lambda: self._session(secret))

    async def of_token(self, secret: str) -> Identity | None:
        """Who has this token."""
        return await self._find(b"t" + digest(secret), lambda: self._token(secret))

    async def anybody(self) -> Identity:
        """Who says nothing: sees what is published."""
        found = await self._find(b"", self._anybody)
        assert found is not None
        return found

    def forget(self) -> None:
        """Something changed: look at the tables again for whoever asks next."""
        self._known.clear()
        self._epoch += 1
        self._forgotten.set()
        self._forgotten = asyncio.Event()

    async def changed(self) -> None:
        """Wait until what is known may have changed; at most as long as it would be known."""
        try:
            async with asyncio.timeout(KNOWN_FOR):
                await self._forgotten.wait()
        except TimeoutError:
            pass

    async def _find(self, key: bytes, look: Callable[[], Awaitable[Identity | None]]) -> Identity | None:
        known = self._known.get(key)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        epoch = self._epoch
        found = await look()
        # What was read before a change must not be known after it. Who is nobody is not kept: secrets that somebody
        # guesses would push out those who are here.
        if epoch == self._epoch and found is not None:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = (time.monotonic() + KNOWN_FOR, found)
        return found

    async def _session(self, secret: str) -> Identity | None:
        session = await self._sessions.find(secret)
        if session is None:
            return None
        held, everything = permissions_of(one.role for one in session.memberships)
        organisations = frozenset(one.organisation for one in session.memberships)
        roles = frozenset(one.role for one in session.memberships)
        internal = everything or SEE_INTERNAL.name in held
        actor = Actor(
            f"person:{session.account}",
            "person",
            session.name,
            held,
            EVERYTHING if internal else await self._sight_of(organisations, roles),
            organisations,
            everything,
        )
        return Identity(actor, session)

    async def _token(self, secret: str) -> Identity | None:
        actor = await self._tokens.find(secret, self._sight_of)
        return Identity(actor) if actor is not None else None

    async def _anybody(self) -> Identity:
        return Identity(
            Actor("anonymous", "anonymous", sight=await self._sight_of(frozenset(), signed_in=False))
        )
