"""What comes in from outside: deliveries that were applied, and messages that could not be mapped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

_REMEMBER = """
INSERT INTO delivery (id) SELECT id FROM unnest($1::text[]) AS new (id) ORDER BY id
ON CONFLICT DO NOTHING RETURNING id
"""

_KEEP = """
INSERT INTO unmapped (source, topic, payload, reason, cause, kind, profile, pattern, device, arrived, delivery)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::timestamptz[], $11::text[])
ON CONFLICT (delivery) DO NOTHING
"""

# Operations of one message have its delivery, a dot and a number. As long as the message is kept, those that were
# applied must be known again when it is replayed.
_FORGET = """
DELETE FROM delivery d WHERE d.at < now() - make_interval(days => $1)
   AND NOT EXISTS (SELECT FROM unmapped u WHERE u.delivery = d.id)
   AND NOT EXISTS (SELECT FROM unmapped u WHERE u.delivery = regexp_replace(d.id, '\\.[0-9]+$', ''))
"""

_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.:TZ+-]*")
_LONGEST_REASON = 2_000  # characters
_LONGEST_CAUSE = 200


class UnmappedMessage(msgspec.Struct, frozen=True):
    """A message that is to be kept: whole, with the reason. `pattern` is the MQTT filter under which it is shown."""

    source: str
    topic: str
    payload: bytes
    reason: str
    kind: str = "payload"
    delivery: str | None = None
    profile: str = ""
    pattern: str = ""
    device: str | None = None
    arrived: datetime | None = None


def storable(text: str) -> str:
    """A text as PostgreSQL can keep it: what UTF-8 or a `text` cannot hold is written out."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def cause_of(reason: str) -> str:
    """A reason without what differs from message to message: quoted texts, numbers, times."""
    return storable(_VARYING.sub("…", reason[:_LONGEST_REASON]))[:_LONGEST_CAUSE]


async def remember(connection: asyncpg.Connection, deliveries: Sequence[str]) -> set[str]:
    """Those of the deliveries that are new; they are remembered when the transaction commits."""
    if not deliveries:
        return set()
    return {record[0] for record in await connection.fetch(_REMEMBER, list(deliveries))}


async def disown(connection: asyncpg.Connection, deliveries: Sequence[str]) -> None:
    """Forget deliveries whose operations failed."""
    await connection.execute("DELETE FROM delivery WHERE id = ANY($1::text[])", list(deliveries))


async def forget(connection: asyncpg.Connection | asyncpg.Pool, *, days: int) -> None:
    """Forget deliveries older than so many days, for none is repeated after that; but those of kept messages."""
    await connection.execute(_FORGET, days)


async def keep_unmapped(
    connection: asyncpg.Connection | asyncpg.Pool, messages: Sequence[UnmappedMessage]
) -> None:
    """Keep messages that could not be mapped, once per delivery."""
    if not messages:
        return
    now = datetime.now(UTC)
    await connection.execute(
        _KEEP,
        [one.source for one in messages],
        [storable(one.topic) for one in messages],
        [one.payload for one in messages],
        [storable(one.reason[:_LONGEST_REASON]) for one in messages],
        [cause_of(one.reason) for one in messages],
        [one.kind for one in messages],
        [one.profile for one in messages],
        [storable(one.pattern) for one in messages],
        [None if one.device is None else storable(one.device) for one in messages],
        [one.arrived or now for one in messages],
        [one.delivery for one in messages],
    )


async def audit(
    connection: asyncpg.Connection, actor: str, action: str, subject: str, detail: dict[str, Any]
) -> None:
    """Write an audit line."""
    await connection.execute(
        "INSERT INTO audit (actor, action, subject, detail) VALUES ($1, $2, $3, $4::jsonb)",
        actor,
        action,
        subject,
        msgspec.json.encode(detail).decode(),
    )
