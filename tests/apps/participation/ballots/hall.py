"""An organiser, events with polls, and people with phones, at the functions of the app."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from rhinecloud.apps.participation.ballots import casting, closing, counting, own
from rhinecloud.apps.participation.ballots.casting import Receipt, Vote
from rhinecloud.apps.participation.ballots.choices import Choice
from rhinecloud.apps.participation.events import reading
from rhinecloud.apps.participation.events.model import Event, Poll, Rule
from rhinecloud.apps.participation.joining import codes, passes
from rhinecloud.city import City
from rhinecloud.people import OPEN


@dataclass
class Phone:
    """A phone of somebody: the secret is the phone's, the participant the person's."""

    participant: UUID = field(default_factory=uuid4)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    invitation: int | None = None

    @property
    def shown(self) -> passes.Pass:
        return passes.Pass(self.participant, self.secret, self.invitation)


class Hall:
    """Two workers of one city; what is written goes to either."""

    def __init__(self, cities: tuple[City, City], rows: asyncpg.Connection) -> None:
        self.city, self.other = cities
        self.rows = rows

    async def event(self, admission: str = "open", invitations: int = 0) -> Event:
        number = await self.rows.fetchval(
            "INSERT INTO event (code, title, admission, key, created_by) VALUES ($1, 'Auftakt', $2, $3, 'open') "
            "RETURNING number",
            codes.short_code(),
            admission,
            secrets.token_bytes(32),
        )
        await self.rows.executemany(
            "INSERT INTO invitation (event, number, kind) VALUES ($1, $2, 'club')",
            [(number, n) for n in range(1, invitations + 1)],
        )
        return await self.again(number)

    async def again(self, number: int) -> Event:
        event = await reading.by_number(self.city, number)
        assert event is not None
        return event

    async def poll(
        self,
        event: Event,
        kind: str = "single",
        *,
        secret: bool = False,
        results: str = "live",
        options: int = 3,
        opened: bool = True,
        **rule: Any,
    ) -> Poll:
        number = await self.rows.fetchval(
            "INSERT INTO poll (event, place, kind, title, secret, results, rule) "
            "VALUES ($1, 0, $2, 'Was nun?', $3, $4, $5) RETURNING number",
            event.number,
            kind,
            secret,
            results,
            msgspec.json.encode(Rule(**rule)).decode(),
        )
        if kind in ("single", "multiple", "groups"):
            await self.rows.executemany(
                "INSERT INTO option (poll, place, title) VALUES ($1, $2, $3)",
                [(number, place, f"Option {place}") for place in range(options)],
            )
        if opened:
            await closing.open_poll(self.city, OPEN, await self.now(event, number))
        return await self.now(event, number)

    async def now(self, event: Event, number: int) -> Poll:
        poll = (await self.again(event.number)).poll(number)
        assert poll is not None
        return poll

    async def cast(
        self,
        event: Event,
        poll: Poll,
        phone: Phone,
        choice: Choice,
        revision: int = 1,
        *,
        other: bool = False,
    ) -> Receipt:
        vote = Vote(
            event=event,
            poll=poll,
            participant=phone.participant,
            choice=choice,
            revision=revision,
            invitation=phone.invitation,
            ballot_key=passes.ballot_key(phone.secret, poll.number),
        )
        return await casting.cast(self.other if other else self.city, vote)

    async def close(self, poll: Poll) -> None:
        await closing.close_poll(self.city, OPEN, poll)

    async def tally(self, poll: Poll, *, whole: bool = True) -> counting.Tally:
        return await counting.tally(self.city, poll, whole=whole)

    async def own(self, poll: Poll, phone: Phone) -> own.Own | None:
        return await own.own(self.city, poll, phone.shown)
