"""Writing votes: many in one transaction, each once, whatever comes twice, late or from two phones.

Votes of a poll hold its lock shared and closing holds it alone (`lock`), so that a vote is before closing or after it,
and never beside it. PostgreSQL's locks of this kind are fair: closing waits for those before it, however many come.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from rhinecloud.app import Text

from ..events.model import Event, Poll
from .choices import Choice, kept

Reason = Literal["closed", "used", "revoked", "unknown", "busy", "many"]
NEWEST: Final = 1_000_000  # revisions count changes; one that held a time would tell when somebody voted

_TEXTS: Final[dict[Reason, Text]] = {
    "closed": ("Diese Abstimmung ist nicht offen.", "This vote is not open."),
    "used": (
        "Mit dieser Einladung wurde schon abgestimmt. Jede Person hat eine Stimme.",
        "This invitation has voted already. Each person has one vote.",
    ),
    "revoked": ("Diese Einladung wurde zurückgezogen.", "This invitation was withdrawn."),
    "unknown": ("Diese Einladung gibt es nicht.", "There is no such invitation."),
    "busy": (
        "Gerade kommen sehr viele Stimmen. Bitte gleich noch einmal senden.",
        "Very many votes are coming. Please send again in a moment.",
    ),
    "many": ("Mehr Fragen kann eine Person nicht stellen.", "One person can ask no more questions."),
}


class Refused(Exception):
    """A vote that was not taken. `retry_after`: seconds until it may be sent again, 0 where that would not help."""

    def __init__(self, reason: Reason, retry_after: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = _TEXTS[reason]
        self.retry_after = retry_after


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody chose. `revision` counts changes on the phone; 0 is newer than what is there. `kind` (of
    organisation) counts where there is no invitation. `ballot_key`: what only the phone can compute, for secret polls.
    `on_paper`: entered by the helper `actor`."""

    event: Event
    poll: Poll
    participant: UUID
    choice: Choice
    revision: int = 0
    invitation: int | None = None
    kind: str = "person"
    ballot_key: bytes | None = None
    on_paper: bool = False
    actor: str | None = None


class Receipt(msgspec.Struct, frozen=True):
    """What counts now; `changed` is false where this vote was there already, or a newer one."""

    revision: int
    changed: bool
    choice: Choice


Verdict = Receipt | Refused
_LOCKS: Final = 0x566F7465  # "Vote": the first half of the advisory locks' keys


async def lock(connection: asyncpg.Connection, polls: Iterable[int], *, alone: bool = False) -> None:
    """Hold polls until the transaction ends, shared with others who write votes or alone."""
    how = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    await connection.execute(
        f"SELECT {how}($1, (poll % 2147483647)::integer) FROM unnest($2::bigint[]) AS poll",
        _LOCKS,
        sorted(set(polls)),
    )


async def try_lock(connection: asyncpg.Connection, poll: int) -> bool:
    """Hold a poll alone if nobody holds it now."""
    found: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock($1, ($2::bigint % 2147483647)::integer)", _LOCKS, poll
    )
    return found


def hashed(ballot_key: bytes) -> bytes:
    """What is kept of the key that lives on a phone."""
    return hashlib.sha256(ballot_key).digest()


async def write(connection: asyncpg.Connection, votes: Sequence[Vote]) -> list[Verdict]:
    """Take votes in a transaction of the caller's; a verdict for each, which counts once it commits. Nobody may be
    there twice for one poll."""
    verdicts: list[Verdict | None] = [None] * len(votes)
    polls = {vote.poll.number: vote.poll for vote in votes}
    await lock(connection, polls)
    open_ = {row[0] for row in await connection.fetch(_OPEN, sorted(polls))}
    for n, vote in enumerate(votes):
        if vote.poll.number not in open_:
            verdicts[n] = Refused("closed")
        elif vote.poll.state != "open":
            # Opened a moment ago: what is known of it here may be older than its last change before that.
            verdicts[n] = Refused("busy", 1)
    at = [n for n, verdict in enumerate(verdicts) if verdict is None]
    refused = await enter(connection, [votes[n] for n in at])
    for n, reason in zip(at, refused, strict=True):
        if reason is not None:
            verdicts[n] = Refused(reason)
    for number, poll in sorted(polls.items()):
        some = [n for n in at if votes[n].poll.number == number and verdicts[n] is None]
        if some:
            take = _secret if poll.secret else _named
            taken = await take(connection, poll, [votes[n] for n in some])
            for n, verdict in zip(some, taken, strict=True):
                verdicts[n] = verdict
    return [verdict for verdict in verdicts if verdict is not None]


_OPEN: Final = """
SELECT p.number FROM poll p JOIN event e ON e.number = p.event
WHERE p.number = ANY($1::bigint[]) AND p.state = 'open' AND e.state <> 'over'
"""


class Entering(msgspec.Struct, frozen=True):
    """Somebody who takes part, with a vote or otherwise."""

    event: Event
    participant: UUID
    invitation: int | None
    kind: str = "person"
    on_paper: bool = False


_ENTER: Final = """
WITH given AS (
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::integer[], $4::text[], $5::boolean[])
        AS one (event, id, invitation, kind, on_paper)
), judged AS (
    SELECT g.event, g.id, g.invitation, coalesce(i.kind, g.kind) AS kind, g.on_paper,
           CASE WHEN i.revoked THEN 'revoked'
                WHEN i.number IS NULL AND (g.invitation IS NOT NULL OR e.admission <> 'open') THEN 'unknown'
           END AS reason
    FROM given g JOIN event e ON e.number = g.event
    LEFT JOIN invitation i ON i.event = g.event AND i.number = g.invitation
), entered AS (
    INSERT INTO participant (event, id, invitation, kind, on_paper)
    SELECT event, id, invitation, kind, on_paper FROM judged WHERE reason IS NULL ORDER BY event, id
    ON CONFLICT DO NOTHING
)
SELECT event, id, reason FROM judged WHERE reason IS NOT NULL
"""


async def enter(connection: asyncpg.Connection, some: Sequence[Vote | Entering]) -> list[Reason | None]:
    """See that there is a row for each who takes part; the reason for each who may not."""
    people = {(one.event.number, one.participant): one for one in reversed(some)}
    rows = await connection.fetch(
        _ENTER,
        [event for event, _ in people],
        [participant for _, participant in people],
        [one.invitation for one in people.values()],
        [one.kind for one in people.values()],
        [one.on_paper for one in people.values()],
    )
    reasons: dict[tuple[int, UUID], Reason] = {(row["event"], row["id"]): row["reason"] for row in rows}
    return [reasons.get((one.event.number, one.participant)) for one in some]


# A paper vote replaces only what came on paper: a helper cannot overwrite what somebody voted themselves.
_NAMED: Final = """
INSERT INTO vote AS v (poll, event, participant, revision, choice, arrival)
SELECT $1, g.event, g.participant, greatest(g.revision, 1), g.choice::jsonb, g.arrival
FROM unnest($2::bigint[], $3::uuid[], $4::integer[], $5::text[], $6::bigint[])
    AS g (event, participant, revision, choice, arrival)
ORDER BY g.participant
ON CONFLICT (poll, participant) DO UPDATE
SET choice = excluded.choice,
    revision = CASE WHEN $7::uuid[] @> ARRAY[v.participant] THEN v.revision + 1 ELSE excluded.revision END
WHERE (v.revision < excluded.revision OR ($7 @> ARRAY[v.participant] AND v.choice <> excluded.choice))
  AND NOT ($8::uuid[] @> ARRAY[v.participant] AND NOT EXISTS (
      SELECT FROM participant p WHERE p.event = v.event AND p.id = v.participant AND p.on_paper))
RETURNING participant
"""
_NOW: Final = """
SELECT v.participant, v.revision, v.choice, p.on_paper
FROM vote v JOIN participant p ON p.event = v.event AND p.id = v.participant
WHERE v.poll = $1 AND v.participant = ANY($2::uuid[])
"""


async def _named(connection: asyncpg.Connection, poll: Poll, votes: Sequence[Vote]) -> list[Verdict]:
    people = [vote.participant for vote in votes]
    arrivals: list[int | None] = [None] * len(votes)
    if poll.kind == "groups" and poll.rule.by == "arrival":
        drawn = await connection.fetch(
            "SELECT nextval('vote_arrival') FROM generate_series(1, $1)", len(votes)
        )
        arrivals = [row[0] for row in drawn]
    written = await connection.fetch(
        _NAMED,
        poll.number,
        [vote.event.number for vote in votes],
        people,
        [vote.revision for vote in votes],
        [_json(vote.choice) for vote in votes],
        arrivals,
        [vote.participant for vote in votes if vote.revision == 0],
        [vote.participant for vote in votes if vote.on_paper],
    )
    changed = {row["participant"] for row in written}
    now = {row["participant"]: row for row in await connection.fetch(_NOW, poll.number, people)}
    return [
        Refused("used")
        if vote.on_paper and not now[vote.participant]["on_paper"]
        else _receipt(now[vote.participant], vote.participant in changed)
        for vote in votes
    ]


_HAVE_VOTED: Final = """
INSERT INTO voted (poll, participant)
SELECT $1, participant FROM unnest($2::uuid[]) AS participant ORDER BY participant
ON CONFLICT DO NOTHING RETURNING participant
"""
_NEW: Final = """
INSERT INTO ballot (poll, key, revision, choice)
SELECT $1, g.key, greatest(g.revision, 1), g.choice::jsonb
FROM unnest($2::bytea[], $3::integer[], $4::text[]) AS g (key, revision, choice)
ON CONFLICT DO NOTHING RETURNING key
"""
_CHANGE: Final = """
UPDATE ballot b
SET choice = g.choice::jsonb, revision = CASE WHEN g.revision = 0 THEN b.revision + 1 ELSE g.revision END
FROM unnest($2::bytea[], $3::integer[], $4::text[]) AS g (key, revision, choice)
WHERE b.poll = $1 AND b.key = g.key
  AND (b.revision < g.revision OR (g.revision = 0 AND b.choice <> g.choice::jsonb))
RETURNING b.key
"""
_NOW_SECRET: Final = "SELECT key, revision, choice FROM ballot WHERE poll = $1 AND key = ANY($2::bytea[])"


async def _secret(connection: asyncpg.Connection, poll: Poll, votes: Sequence[Vote]) -> list[Verdict]:
    # What came on paper has no phone: its key is drawn and kept by nobody, and it cannot be changed.
    keys = [hashed(vote.ballot_key or secrets.token_bytes(32)) for vote in votes]
    rows = await connection.fetch(_HAVE_VOTED, poll.number, [vote.participant for vote in votes])
    first = {row["participant"] for row in rows}
    changed: set[bytes] = set()
    for statement, is_first in ((_NEW, True), (_CHANGE, False)):
        some = [(key, v) for key, v in zip(keys, votes, strict=True) if (v.participant in first) == is_first]
        if some:
            written = await connection.fetch(
                statement,
                poll.number,
                [key for key, _ in some],
                [vote.revision for _, vote in some],
                [_json(vote.choice) for _, vote in some],
            )
            changed.update(row["key"] for row in written)
    now = {row["key"]: row for row in await connection.fetch(_NOW_SECRET, poll.number, keys)}
    # Somebody has voted, and not by this key: by another phone, or on paper.
    return [_receipt(now[key], key in changed) if key in now else Refused("used") for key in keys]


def _receipt(row: asyncpg.Record, changed: bool) -> Receipt:
    return Receipt(row["revision"], changed, kept(row["choice"]))


def _json(choice: Choice) -> str:
    return msgspec.json.encode(choice).decode()
