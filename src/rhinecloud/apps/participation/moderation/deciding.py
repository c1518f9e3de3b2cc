"""Hiding with reasons, leaving as it is, the author's appeal, and who decides about it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from rhinecloud.app import Text
from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..events.drafting import Wrong
from . import subjects, telling, words
from .model import REASONS, reason_of
from .subjects import Described

_SELECT: Final = """
SELECT h.number, h.subject, h.theme_group AS "group", h.reason, h.text, h.hidden_at, h.author, h.appeal_key, h.appeal,
       h.appealed_at, h.decision, h.decision_text, h.decided_at, h.restored_at, b.actor AS hidden_by
FROM hiding h LEFT JOIN hider b ON b.hiding = h.number
"""
_INSERT: Final = """
INSERT INTO hiding (subject, theme_group, reason, text, hidden_at, author, appeal_key)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (subject) WHERE restored_at IS NULL DO NOTHING RETURNING number
"""
_ALREADY: Final[Text] = ("Das ist schon verborgen.", "It is hidden already.")
_OTHERS: Final[Text] = (
    "Über den Widerspruch entscheidet jemand anderes: Sie haben den Beitrag verborgen.",
    "Somebody else decides about the appeal: it was you who hid the contribution.",
)
_DONE: Final[Text] = ("Darüber ist schon entschieden.", "This has been decided already.")


class Hiding(msgspec.Struct, frozen=True):
    """A thing that was hidden, why, and what became of it. `author` is an actor's id or an address; `decision` is
    restored or stays, None while there is none."""

    number: int
    subject: str
    group: int | None
    reason: str
    text: str
    hidden_at: datetime
    author: str | None
    appeal_key: bytes
    appeal: str | None
    appealed_at: datetime | None
    decision: str | None
    decision_text: str | None
    decided_at: datetime | None
    restored_at: datetime | None
    hidden_by: str | None

    @property
    def why(self) -> Text:
        """The reason in whole words."""
        return reason_of(self.reason, self.text)

    @property
    def waits(self) -> bool:
        """Whether an appeal waits for a decision."""
        return self.appealed_at is not None and self.decided_at is None

    def opens_with(self, key: str) -> bool:
        """Whether the link in the author's letter holds this key."""
        return hmac.compare_digest(_hash(key), self.appeal_key)


async def one(city: City, number: int) -> Hiding | None:
    """A thing that was hidden, by the number of the hiding."""
    row = await city.db.pool.fetchrow(f"{_SELECT} WHERE h.number = $1", number) if number < 2**63 else None
    return Hiding(**row) if row is not None else None


async def latest(city: City, subject: str) -> Hiding | None:
    """The last time that a thing was hidden."""
    row = await city.db.pool.fetchrow(
        f"{_SELECT} WHERE h.subject = $1 ORDER BY h.number DESC LIMIT 1", subject
    )
    return Hiding(**row) if row is not None else None


async def appeals(city: City, limit: int = 500) -> list[Hiding]:
    """Appeals that wait, the oldest first."""
    return _all(
        await city.db.pool.fetch(
            f"{_SELECT} WHERE h.appealed_at IS NOT NULL AND h.decided_at IS NULL ORDER BY h.appealed_at LIMIT $1",
            limit,
        )
    )


async def current(city: City, limit: int = 100) -> list[Hiding]:
    """What is hidden, the last first."""
    return _all(
        await city.db.pool.fetch(
            f"{_SELECT} WHERE h.restored_at IS NULL ORDER BY h.number DESC LIMIT $1", limit
        )
    )


async def hide(
    city: City, actor: Actor, subject: str, described: Described, reason: str, text: str, address: str
) -> None:
    """Hide a thing, with reasons for everybody; its author and those who reported it are told. Raises Wrong."""
    if reason not in REASONS:
        raise Wrong("reason", ("Bitte wählen Sie einen Grund.", "Please choose a reason."))
    text = words.lines("text", text, words.LONGEST_REASON, required=True)
    key = secrets.token_urlsafe(32)
    why = reason_of(reason, text)
    async with city.transaction() as transaction:
        number = await transaction.connection.fetchval(
            _INSERT, subject, described.group, reason, text, city.clock.now(), described.author, _hash(key)
        )
        if number is None:
            raise Wrong("reason", _ALREADY)
        await transaction.connection.execute(
            "INSERT INTO hider (hiding, actor) VALUES ($1, $2)", number, actor.id
        )
        values = {
            "title": described.title,
            "reason": why,
            "link": f"{address}/participation/appeal/{number}?key={key}",
            "page": address + described.path,
        }
        told = await telling.author(city, transaction, described.author, "participation_hidden", values)
        reports = await telling.reporters(
            city, transaction, subject, "hidden", why, described.title, address + described.path
        )
        await subjects.changed(city, transaction, subject, True)
        await transaction.audit(
            actor.id, "participation.hide", subject, {"reason": reason, "reports": reports, "told": told}
        )


async def leave(city: City, actor: Actor, subject: str, described: Described, address: str) -> None:
    """Leave a thing as it is; those who reported it are told."""
    async with city.transaction() as transaction:
        reports = await telling.reporters(
            city, transaction, subject, "left", ("", ""), described.title, address + described.path
        )
        if reports:
            await transaction.audit(actor.id, "participation.leave", subject, {"reports": reports})


async def appeal(city: City, hiding: Hiding, text: str) -> None:
    """The author's own words against a hiding, once. Raises Wrong."""
    text = words.lines("text", text, words.LONGEST_APPEAL, required=True)
    done = await city.db.pool.fetchval(
        "UPDATE hiding SET appeal = $2, appealed_at = $3 WHERE number = $1 AND appealed_at IS NULL AND "
        "restored_at IS NULL RETURNING number",
        hiding.number,
        text,
        city.clock.now(),
    )
    if done is None:
        raise Wrong(
            "text",
            (
                "Sie haben schon widersprochen, oder der Beitrag ist wieder zu sehen.",
                "You have appealed already, or the contribution can be seen again.",
            ),
        )


async def restore(
    city: City, actor: Actor, hiding: Hiding, described: Described, text: str, address: str
) -> None:
    """Show a thing again; on an appeal only by somebody else than who hid it. Raises Wrong."""
    text = words.lines("text", text, words.LONGEST_REASON)
    async with city.transaction() as transaction:
        now = await _locked(transaction, hiding.number)
        if now.restored_at is not None:
            raise Wrong("text", _DONE)
        if now.waits:
            _is_other(now, actor)
        await _decide(city, transaction, actor, now, "restored", text, described, address)
        await subjects.changed(city, transaction, now.subject, False)


async def uphold(
    city: City, actor: Actor, hiding: Hiding, described: Described, text: str, address: str
) -> None:
    """Keep a thing hidden after an appeal, with reasons, by somebody else than who hid it. Raises Wrong."""
    text = words.lines("text", text, words.LONGEST_REASON, required=True)
    async with city.transaction() as transaction:
        now = await _locked(transaction, hiding.number)
        if not now.waits:
            raise Wrong("text", _DONE)
        _is_other(now, actor)
        await _decide(city, transaction, actor, now, "stays", text, described, address)


async def _decide(
    city: City,
    transaction: Transaction,
    actor: Actor,
    hiding: Hiding,
    decision: str,
    text: str,
    described: Described,
    address: str,
) -> None:
    at = city.clock.now()
    await transaction.connection.execute(
        "UPDATE hiding SET decision = $2, decision_text = $3, decided_at = $4, restored_at = $5 WHERE number = $1",
        hiding.number,
        decision,
        text,
        at,
        at if decision == "restored" else None,
    )
    values = {
        "title": described.title,
        "decision": decision,
        "text": text,
        "appealed": hiding.waits,
        "page": address + described.path,
    }
    await telling.author(city, transaction, hiding.author, "participation_decided", values)
    action = "participation.restore" if decision == "restored" else "participation.uphold"
    await transaction.audit(actor.id, action, hiding.subject, {"appeal": hiding.waits})


async def _locked(transaction: Transaction, number: int) -> Hiding:
    row = await transaction.connection.fetchrow(f"{_SELECT} WHERE h.number = $1 FOR UPDATE OF h", number)
    if row is None:
        raise Wrong("text", _DONE)
    return Hiding(**row)


def _is_other(hiding: Hiding, actor: Actor) -> None:
    if hiding.hidden_by == actor.id:
        raise Wrong("text", _OTHERS)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()


def _all(rows: Sequence[Any]) -> list[Hiding]:
    return [Hiding(**row) for row in rows]
