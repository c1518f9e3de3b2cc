"""Letters to authors: at every step, and when somebody offers an amendment. Queued in the transaction of the step."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from rhinecloud.app import Text
from rhinecloud.city import City, Transaction

from .life import Step

_log = logging.getLogger(__name__)
_STEP: Final = "participation_proposal"
_OFFERED: Final = "participation_amendment"


async def step(
    city: City,
    transaction: Transaction,
    number: int,
    step: Step,
    *,
    office: str = "",
    text: str = "",
    link: str = "",
    other: int | None = None,
    root: str = "",
) -> None:
    """Tell all authors what became of their proposal. `root`: where people reach the city."""
    row = await transaction.connection.fetchrow(
        "SELECT title, promised_at FROM proposal WHERE number = $1", number
    )
    into = await transaction.connection.fetchval("SELECT title FROM proposal WHERE number = $1", other)
    values = {
        "step": step.value,
        "title": row["title"],
        "promised_at": row["promised_at"],
        "office": office,
        "text": text,
        "project": link,
        "other": into or "",
        "link": f"{root}/participation/proposals/{number}" if root else "",
    }
    await _tell(city, transaction, number, _STEP, values, step.text)


async def offered(city: City, transaction: Transaction, number: int, title: str, root: str) -> None:
    """Tell all authors that somebody offers them another text."""
    link = f"{root}/participation/proposals/{number}#amendments" if root else ""
    await _tell(city, transaction, number, _OFFERED, {"title": title, "link": link}, ("", ""))


async def _tell(
    city: City,
    transaction: Transaction,
    number: int,
    letter: str,
    values: Mapping[str, Any],
    words: Text,
) -> None:
    told = set()
    authors = await transaction.connection.fetch(
        "SELECT actor, mail FROM proposal_author WHERE proposal = $1 ORDER BY number", number
    )
    for author in authors:
        contact = await city.people.contact(author["actor"]) if author["actor"] is not None else None
        mail, language = (contact.mail, contact.language) if contact is not None else (author["mail"], "de")
        if mail is None or mail.lower() in told:
            continue
        told.add(mail.lower())
        try:
            await city.mail.queue(
                transaction,
                letter,
                mail,
                {**values, "step_text": words[0 if language == "de" else 1]},
                language=language,
            )
        except ValueError:  # no address that mail could go to; the page tells it all the same
            _log.warning("an author of proposal %d could not be told by mail", number)
