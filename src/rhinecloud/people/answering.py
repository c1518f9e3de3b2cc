"""Answers to what people decide about somebody's data (Art. 18 and 21 GDPR): a letter, as the request closes."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from rhinecloud.settings import Settings

from . import requests
from .requests import DECIDED, Request
from .service import People

Decision = Literal["granted", "partly", "refused"]
DECISIONS: Final[tuple[Decision, ...]] = ("granted", "partly", "refused")


class Addressee(msgspec.Struct, frozen=True):
    """Where an answer goes, and in which language its reader wants it."""

    mail: str
    language: str


class Unanswerable(Exception):  # noqa: N818  # says what became of it
    """There is no address that an answer could go to, or it is no request that people decide."""


async def addressee(people: People, request: Request) -> Addressee | None:
    """Who gets the answer: the address that the account has proved, else the first that staff took down."""
    account = await people.account(request.account) if request.account is not None else None
    mail = account.mail if account is not None and account.mail else next(iter(request.mails), None)
    if mail is None:
        return None
    return Addressee(mail, account.language if account is not None else "de")


async def answer(
    people: People,
    settings: Settings,
    request: int,
    decision: Decision,
    words: str,
    language: str,
    actor: str,
) -> bool:
    """Answer a restriction or an objection by letter, with reasons in `words`, and close the request; false if it was
    closed before. A refusal names the ways to complain (Art. 12(4) GDPR). Raises Unanswerable."""
    found = await requests.one(people.room.pool, request)
    if found is None or found.closed_at is not None:
        return False
    to = await addressee(people, found)
    if to is None or found.kind not in DECIDED:
        raise Unanswerable
    async with people.transaction() as transaction:
        if not await requests.close(transaction.connection, request):
            return False
        async with transaction.of_city() as city:
            await people.mail.queue(
                city,
                "privacy_answer",
                to.mail,
                {"kind": found.kind, "decision": decision, "words": words, "opened_at": found.opened_at},
                app="people",
                language=language,
                reply_to=settings.contact_mail,
            )
        detail = {"decision": decision, "letter": True}
        await transaction.audit(actor, "privacy.close", f"request:{request}", detail)
    return True
