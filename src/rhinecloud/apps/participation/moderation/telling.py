"""Letters to authors and to those who reported something, queued in the transaction that decides."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from rhinecloud.app import Text
from rhinecloud.city import City, Transaction

_log = logging.getLogger(__name__)
_OPEN: Final = """
SELECT number, mail, language, reported_at FROM report WHERE subject = $1 AND decision IS NULL FOR UPDATE
"""
_DECIDED: Final = "UPDATE report SET decision = $2, decided_at = $3, mail = NULL WHERE number = ANY($1)"


async def author(
    city: City, transaction: Transaction, who: str | None, letter: str, values: Mapping[str, Any]
) -> bool:
    """Write to an author (the id of an actor, or an address); false where they cannot be reached. Values that are
    (German, English) are told in their language."""
    if who is None:
        return False
    if "@" in who:
        return await _queue(city, transaction, letter, who, "de", values)
    contact = await city.people.contact(who)
    if contact is None:
        return False
    return await _queue(city, transaction, letter, contact.mail, contact.language, values)


async def reporters(
    city: City,
    transaction: Transaction,
    subject: str,
    decision: str,
    reason: Text,
    title: str,
    link: str,
) -> int:
    """Decide what was reported of a subject, and write to those who left an address; how many reports there were."""
    rows = await transaction.connection.fetch(_OPEN, subject)
    for row in rows:
        if row["mail"]:
            values = {
                "title": title,
                "link": link,
                "decision": decision,
                "reason": reason,
                "at": row["reported_at"],
            }
            await _queue(city, transaction, "participation_reported", row["mail"], row["language"], values)
    await transaction.connection.execute(
        _DECIDED, [row["number"] for row in rows], decision, city.clock.now()
    )
    return len(rows)


async def _queue(
    city: City, transaction: Transaction, letter: str, to: str, language: str, values: Mapping[str, Any]
) -> bool:
    spoken = {
        name: value[0 if language == "de" else 1] if isinstance(value, tuple) else value
        for name, value in values.items()
    }
    try:
        await city.mail.queue(transaction, letter, to, spoken, language=language)
    except ValueError:  # no address that mail could go to; the pages tell it all the same
        _log.warning("%s could not be told by mail", letter)
        return False
    return True
