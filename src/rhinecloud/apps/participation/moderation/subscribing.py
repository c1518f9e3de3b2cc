"""Who gets news of which groups by mail: asked for, confirmed, changed, ended."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from rhinecloud.app import Text
from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..events.drafting import Wrong
from . import words

EVERY: Final[Mapping[str, Text]] = {
    "week": ("einmal in der Woche", "once a week"),
    "day": ("einmal am Tag", "once a day"),
}
# Nobody's mailbox is filled by others who type its address again and again.
_PAUSE: Final = timedelta(minutes=30)
_COLUMNS: Final = (
    "number, account, mail, language, every, theme_groups, address, key, asked_at, consented_at, told_until"
)


class Digest(msgspec.Struct, frozen=True):
    """Who gets news: an account, or an address. `consented_at` None: not confirmed yet."""

    number: int
    account: str | None
    mail: str | None
    language: str
    every: str
    theme_groups: list[int]
    address: str
    key: bytes
    asked_at: datetime
    consented_at: datetime | None
    told_until: datetime

    @property
    def path(self) -> str:
        """The page of it, which needs no sign-in."""
        return f"/participation/digest/{self.number}?key={self.key.hex()}"

    def opens_with(self, key: str) -> bool:
        """Whether a link holds its key."""
        return hmac.compare_digest(self.key.hex().encode(), key.encode(errors="replace"))


class Draft(msgspec.Struct, frozen=True):
    """What somebody wants: how often, and of which groups."""

    every: str
    groups: tuple[int, ...]


def draft(given: Mapping[str, str], offered: Iterable[int]) -> Draft:
    """The wish of a form, of groups that there are. Raises Wrong."""
    if given.get("every") not in EVERY:
        raise Wrong("every", ("Bitte wählen Sie, wie oft.", "Please choose how often."))
    groups = tuple(number for number in offered if f"group-{number}" in given)
    if not groups:
        raise Wrong("groups", ("Bitte wählen Sie mindestens eine Gruppe.", "Please choose a group at least."))
    return Draft(given["every"], groups)


async def of_account(city: City, actor: Actor) -> Digest | None:
    """What an account gets."""
    row = await city.db.pool.fetchrow(f"SELECT {_COLUMNS} FROM digest WHERE account = $1", actor.id)
    return Digest(**row) if row is not None else None


async def one(city: City, number: int, key: str) -> Digest | None:
    """What a link leads to, None for a wrong one."""
    if number >= 2**63:
        return None
    row = await city.db.pool.fetchrow(f"SELECT {_COLUMNS} FROM digest WHERE number = $1", number)
    found = Digest(**row) if row is not None else None
    return found if found is not None and found.opens_with(key) else None


async def of_signed_in(city: City, actor: Actor, wanted: Draft, language: str, address: str) -> None:
    """An account asks for news, or for other ones. Raises Wrong where it has no address."""
    if await city.people.contact(actor.id) is None:
        raise Wrong(
            "every",
            (
                "Ihr Konto hat keine E-Mail-Adresse. Tragen Sie sie erst im Konto ein.",
                "Your account has no mail address. Please enter one there first.",
            ),
        )
    now = city.clock.now()
    await city.db.pool.execute(
        "INSERT INTO digest (account, language, every, theme_groups, address, key, asked_at, consented_at, told_until) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7) ON CONFLICT (account) DO UPDATE SET "
        "every = excluded.every, theme_groups = excluded.theme_groups, language = excluded.language",
        actor.id,
        language,
        wanted.every,
        list(wanted.groups),
        address,
        secrets.token_bytes(16),
        now,
    )


async def by_mail(city: City, mail: str, wanted: Draft, language: str, address: str) -> None:
    """Somebody without an account asks: a letter with a link goes there, and nothing else before it is confirmed. Whose
    address gets news already is sent the link to change it; nobody else learns that. Raises Wrong."""
    found = words.mail("mail", mail, required=True)
    now = city.clock.now()
    async with city.transaction() as transaction:
        connection = transaction.connection
        row = await connection.fetchrow(
            "INSERT INTO digest (mail, language, every, theme_groups, address, key, asked_at, told_until) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT ((lower(mail))) DO UPDATE SET "
            "asked_at = excluded.asked_at, "
            "every = CASE WHEN digest.consented_at IS NULL THEN excluded.every ELSE digest.every END, "
            "theme_groups = CASE WHEN digest.consented_at IS NULL THEN excluded.theme_groups "
            "ELSE digest.theme_groups END "
            f"WHERE digest.asked_at < $8 RETURNING {_COLUMNS}",
            found,
            language,
            wanted.every,
            list(wanted.groups),
            address,
            secrets.token_bytes(16),
            now,
            now - _PAUSE,
        )
        if row is not None:
            await _confirm_letter(city, transaction, Digest(**row), address)


async def _confirm_letter(city: City, transaction: Transaction, digest: Digest, address: str) -> None:
    assert digest.mail is not None
    try:
        await city.mail.queue(
            transaction,
            "participation_digest_link",
            digest.mail,
            {"link": address + digest.path, "known": digest.consented_at is not None},
            language=digest.language,
        )
    except ValueError as error:
        raise Wrong(
            "mail",
            ("An diese Adresse kann keine E-Mail gehen.", "No mail can go to this address."),
        ) from error


async def change(city: City, digest: Digest, wanted: Draft) -> None:
    """Confirm it, or change it; consent has the date of the first time."""
    now = city.clock.now()
    await city.db.pool.execute(
        "UPDATE digest SET every = $2, theme_groups = $3, consented_at = coalesce(consented_at, $4), "
        "told_until = CASE WHEN consented_at IS NULL THEN $4 ELSE told_until END WHERE number = $1",
        digest.number,
        wanted.every,
        list(wanted.groups),
        now,
    )


async def end(city: City, digest: Digest) -> None:
    """No more letters: nothing of it is kept."""
    await city.db.pool.execute("DELETE FROM digest WHERE number = $1", digest.number)
