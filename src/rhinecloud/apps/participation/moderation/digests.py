"""News by mail: each morning to those whose turn it is, once, and only where there are any."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from rhinecloud.app import Attempt
from rhinecloud.city import City, Transaction

from ..groups import reading
from . import news
from .news import Part
from .subscribing import Digest

_log = logging.getLogger(__name__)
_PORTION: Final = 50
# A little less than a day and a week: the clock that begins the job may be late once and not the next time.
_PAUSES: Final = {"day": timedelta(hours=20), "week": timedelta(days=6, hours=20)}
# What is younger is told the next time: a transaction that began earlier may still commit.
_SETTLED: Final = timedelta(minutes=2)
_DUE: Final = """
SELECT number, account, mail, language, every, theme_groups, address, key, asked_at, consented_at, told_until
FROM digest WHERE consented_at IS NOT NULL AND number > $1
AND told_until <= CASE every WHEN 'day' THEN $2::timestamptz ELSE $3::timestamptz END
ORDER BY number LIMIT $4 FOR UPDATE SKIP LOCKED
"""
_Told = dict[tuple[int, datetime], Part | None]


async def send(city: City, payload: Any, attempt: Attempt) -> None:
    """The job: a letter to each whose turn it is. It is queued in the transaction that says so: killed in between, it
    is as if nothing had been done for them, and nobody gets it twice."""
    until = city.clock.now() - _SETTLED
    told: _Told = {}
    last = 0
    while (last := await _portion(city, until, told, last)) > 0:
        pass


async def _portion(city: City, until: datetime, told: _Told, after: int) -> int:
    async with city.transaction() as transaction:
        rows = await transaction.connection.fetch(
            _DUE, after, until - _PAUSES["day"], until - _PAUSES["week"], _PORTION
        )
        digests = [Digest(**row) for row in rows]
        for digest in digests:
            await _letter(city, transaction, digest, until, told)
        await transaction.connection.execute(
            "UPDATE digest SET told_until = $2 WHERE number = ANY($1)",
            [digest.number for digest in digests],
            until,
        )
    return digests[-1].number if digests else 0


async def _letter(city: City, transaction: Transaction, digest: Digest, until: datetime, told: _Told) -> None:
    parts = [part for one in digest.theme_groups if (part := await _part(city, one, digest, until, told))]
    to, language = digest.mail, digest.language
    if digest.account is not None:
        contact = await city.people.contact(digest.account)
        to, language = (contact.mail, contact.language) if contact is not None else (None, language)
    if not parts or to is None:
        return
    address = city.address() or digest.address
    spoken = [
        {
            "title": part.title,
            "link": address + part.path,
            "items": [
                {
                    "title": item.title,
                    "what": [what[0 if language == "de" else 1] for what in item.what],
                    "link": address + item.path,
                }
                for item in part.items
            ],
        }
        for part in parts
    ]
    button = f"{address}/api/participation/digests/{digest.number}/end?key={digest.key.hex()}"
    try:
        await city.mail.queue(
            transaction,
            "participation_digest",
            to,
            {"parts": spoken, "every": digest.every, "link": address + digest.path},
            language=language,
            # Mail programs take an address over TLS only.
            unsubscribe=button if button.startswith("https://") else None,
        )
    except ValueError:  # no address that mail could go to
        _log.warning("the digest %d could not be sent", digest.number)


async def _part(city: City, group: int, digest: Digest, until: datetime, told: _Told) -> Part | None:
    since = digest.told_until
    if (group, since) not in told:
        found = await reading.by_number(city, group)
        told[group, since] = await news.of(city, found, since, until) if found is not None else None
    return told[group, since]
