"""People: what the pages, the gate and the commands ask of accounts, each in one transaction with its audit line.

Whether a mail address has an account is told to whoever reads the mail of that address, and to nobody else: for each
address exactly one link is made and one letter queued, in the same steps, whichever it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
from webauthn.helpers import generate_user_handle

from rhinecloud.broker import Broker, Transaction
from rhinecloud.mail import Mail, address_of
from rhinecloud.settings import Settings
from rhinecloud.store import RoomDatabase

from . import accounts, links, organisations, passkeys, sessions
from .accounts import Account
from .links import Link
from .organisations import LastAdministrator, Organisation
from .passkeys import Passkey, Refused, RelyingParty
from .roles import ADMINISTRATOR, ROLES
from .sessions import Session, Sessions

_FRESH = timedelta(minutes=15)  # so long after a sign-in somebody may change how they sign in
_LETTERS_AN_HOUR = 5  # to one address, whoever asks for them
_JOINING: tuple[links.Purpose, ...] = ("register", "recover", "invite", "first")

Departure = Callable[[Transaction, int], Awaitable[None]]


class Gone(Exception):
    """The link was used, withdrawn or is over, or what it was about is no more."""


class Browser(msgspec.Struct, frozen=True):
    """Where somebody signs in from: for whom passkeys are made there, the device in words, their language, and the
    secret of the session that they have there already."""

    party: RelyingParty
    device: str
    language: str
    session: str | None = None


class People:
    """Accounts of an installation and how their owners come in. `sessions` are what the gate asks."""

    def __init__(self, room: RoomDatabase, broker: Broker, mail: Mail, settings: Settings) -> None:
        self.room = room
        self.mail = mail
        self._broker = broker
        self._settings = settings
        self._departures: list[Departure] = []
        self.sessions = Sessions(
            room.pool,
            timedelta(hours=settings.session_idle_hours),
            timedelta(days=settings.session_days),
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Rows of this room (`connection`), the graph and audit lines, committed together."""
        async with self._broker.transaction(self.room) as transaction:
            yield transaction

    @asynccontextmanager
    async def keeping_administrators(self) -> AsyncIterator[Transaction]:
        """A transaction that leaves an administrator where there was one. Raises LastAdministrator."""
        async with self.transaction() as transaction:
            await organisations.alone(transaction.connection)
            before = await organisations.administrators(transaction.connection)
            yield transaction
            if before and not await organisations.administrators(transaction.connection):
                raise LastAdministrator

    def on_departure(self, leave: Departure) -> None:
        """`await leave(transaction, account)` in the transaction in which an account is deleted, before it is."""
        self._departures.append(leave)

    # Coming in --------------------------------------------------------------------------------------------------

    async def ask_to_sign_in(self, party: RelyingParty) -> dict[str, Any]:
        """What the browser's authenticator is asked."""
        return await passkeys.ask_to_sign(self.room.pool, party)

    async def sign_in(self, browser: Browser, answer: dict[str, Any]) -> str:
        """The secret of a new session for whoever's passkey answered. Raises Refused."""
        async with self.room.transaction() as connection:
            account = await passkeys.signed(connection, self.room.pool, browser.party, answer)
            return await self.sessions.begin(connection, account, browser.device, browser.session)

    async def link(self, secret: str, *purposes: links.Purpose) -> Link:
        """The link of a secret, for one of these purposes (any that leads to an account). Raises Gone."""
        link = await links.find(self.room.pool, secret, *(purposes or _JOINING))
        if link is None:
            raise Gone
        return link

    async def ask_to_register(self, party: RelyingParty, name: str, secret: str | None) -> dict[str, Any]:
        """What the authenticator of a new account is asked, or of one that is got back by a link. Raises Gone."""
        link = await self.link(secret) if secret is not None else None
        purpose = _purpose(link)
        if link is not None and link.account is not None:
            return await self._ask_for_another(party, purpose, await self._account(link.account))
        return await passkeys.ask_to_make(
            self.room.pool, party, purpose, handle=generate_user_handle(), name=name, known=[]
        )

    async def register(self, browser: Browser, answer: dict[str, Any], name: str, secret: str | None) -> str:
        """Make an account with its first passkey, and sign in; the session's secret. A link makes more of it: its
        address is proved, its invitation taken up, its account got back. Raises Refused, Gone, accounts.MailTaken."""
        link = await self.link(secret) if secret is not None else None
        handle, passkey = await passkeys.made(self.room.pool, browser.party, _purpose(link), answer)
        async with self.transaction() as transaction:
            connection = transaction.connection
            if link is not None and not await links.use(connection, link.id):
                raise Gone
            if link is not None and link.account is not None:
                account = await self._recover(transaction, link.account)
            else:
                mail = link.mail if link is not None else None
                account = await accounts.make(connection, handle, name, mail, browser.language)
                await transaction.audit(person(account), "account.make", person(account), {})
                if link is not None and link.role is not None:
                    await self._take_up(transaction, link, account)
            await passkeys.add(connection, account, passkey, browser.device)
            return await self.sessions.begin(connection, account, browser.device, browser.session)

    async def accept(self, account: int, secret: str) -> None:
        """Take up an invitation with the account that one has. Raises Gone."""
        link = await self.link(secret, "invite", "first")
        async with self.transaction() as transaction:
            if not await links.use(transaction.connection, link.id):
                raise Gone
            await self._take_up(transaction, link, account)

    async def send_link(self, mail: str, language: str, base: str) -> None:
        """Send a link to an address: for the account that it has a way back in, else a way to make one.

        `base` is our own address. Of one address a few an hour; what is more is not sent. Raises mail.BadAddress.
        """
        mail = address_of(mail)
        async with self.transaction() as transaction:
            if await links.lately(transaction.connection, mail) >= _LETTERS_AN_HOUR:
                return
            found = await accounts.of_mail(transaction.connection, mail)
            purpose: links.Purpose = "recover" if found is not None else "register"
            secret = await links.make(
                transaction.connection, purpose, "anonymous", account=found.id if found else None, mail=mail
            )
            # Who is blocked is told so where the link leads: the letter is the same.
            spoken = found.language if found is not None else language
            await self._write(transaction, f"account_{purpose}", mail, f"{base}/link/{secret}", spoken)

    async def _take_up(self, transaction: Transaction, link: Link, account: int) -> None:
        organisation = link.organisation
        if organisation is None:
            organisation = await organisations.the_citys(transaction.connection, self._settings.city_name)
        assert link.role is not None
        try:
            await organisations.join(transaction.connection, account, organisation, link.role)
        except LookupError:
            raise Gone from None
        detail = {"organisation": organisation, "role": link.role, "invited_by": link.made_by}
        await transaction.audit(person(account), "membership.accept", person(account), detail)

    async def _recover(self, transaction: Transaction, account: int) -> int:
        found = await accounts.get(transaction.connection, account)
        if found is None:
            raise Gone
        if found.blocked_at is not None:
            raise Refused("blocked")
        # Whoever has the device that was lost is signed out.
        await sessions.end_all(transaction.connection, account)
        await transaction.audit(person(account), "account.recover", person(account), {})
        return account

    # One's own account ------------------------------------------------------------------------------------------

    @staticmethod
    def is_fresh(session: Session) -> bool:
        """Whether somebody proved just now who they are: asked before how one signs in is changed."""
        return datetime.now(UTC) - session.signed_in_at < _FRESH

    async def account(self, account: int) -> Account | None:
        """The account of a number."""
        return await accounts.get(self.room.pool, account)

    async def passkeys(self, account: int) -> list[Passkey]:
        """An account's passkeys."""
        return await passkeys.of(self.room.pool, account)

    async def ask_for_passkey(self, party: RelyingParty, account: int) -> dict[str, Any]:
        """What the authenticator is asked that is to have a further passkey. Raises Gone."""
        return await self._ask_for_another(party, f"account:{account}", await self._account(account))

    async def add_passkey(self, browser: Browser, account: int, answer: dict[str, Any], name: str) -> int:
        """Add a passkey; its number. Raises Refused."""
        handle, passkey = await passkeys.made(self.room.pool, browser.party, f"account:{account}", answer)
        async with self.transaction() as transaction:
            number = await passkeys.add(transaction.connection, account, passkey, name or browser.device)
            await transaction.audit(person(account), "passkey.add", person(account), {"passkey": number})
        return number

    async def rename_passkey(self, account: int, passkey: int, name: str) -> bool:
        """Name one; false if there is none such."""
        async with self.room.transaction() as connection:
            return await passkeys.rename(connection, account, passkey, name)

    async def remove_passkey(self, account: int, passkey: int) -> bool:
        """Take one away; false if there is none such, or if it is the last, no address could bring a link, and no
        identity provider lets its owner in."""
        async with self.transaction() as transaction:
            connection = transaction.connection
            await connection.execute("SELECT FROM account WHERE id = $1 FOR UPDATE", account)
            found = await accounts.get(connection, account)
            if found is None or not (found.passkeys > 1 or found.mail or self.has_provider(found)):
                return False
            if not await passkeys.remove(connection, account, passkey):
                return False
            await transaction.audit(person(account), "passkey.remove", person(account), {"passkey": passkey})
        return True

    def has_provider(self, account: Account) -> bool:
        """Whether the city's identity provider, as it is set now, lets the account's owner in."""
        return self._settings.oidc_issuer in account.issuers

    async def change(self, account: int, name: str, language: str) -> None:
        """Another name, another language of letters."""
        async with self.room.transaction() as connection:
            await accounts.change(connection, account, name, language)

    async def ask_for_mail(self, account: int, mail: str, language: str, base: str) -> None:
        """Send a link with which the account's owner proves a new address. Raises mail.BadAddress."""
        mail = address_of(mail)
        async with self.transaction() as transaction:
            if await links.lately(transaction.connection, mail) >= _LETTERS_AN_HOUR:
                return
            secret = await links.make(
                transaction.connection, "address", person(account), account=account, mail=mail
            )
            await self._write(transaction, "account_address", mail, f"{base}/link/{secret}", language)

    async def prove_mail(self, account: int, secret: str) -> None:
        """Take the address that a link was sent to. Raises Gone, accounts.MailTaken."""
        link = await self.link(secret, "address")
        async with self.transaction() as transaction:
            if link.account != account or not await links.use(transaction.connection, link.id):
                raise Gone
            await accounts.set_mail(transaction.connection, account, link.mail)
            await transaction.audit(person(account), "account.mail", person(account), {})

    async def end_session(self, account: int, session: int) -> bool:
        """End one of one's own sessions; false if there is none such."""
        async with self.room.transaction() as connection:
            return await sessions.end_one(connection, account, session)

    async def end_other_sessions(self, account: int, session: int) -> None:
        """End all but this one."""
        async with self.room.transaction() as connection:
            await sessions.end_all(connection, account, but=session)

    async def delete(self, account: int, actor: str) -> bool:
        """Delete an account with all that this room has of it; false if there is none. Raises LastAdministrator."""
        async with self.keeping_administrators() as transaction:
            for leave in self._departures:
                await leave(transaction, account)
            if not await accounts.delete(transaction.connection, account):
                return False
            await transaction.audit(actor, "account.delete", person(account), {})
        return True

    # People and organisations -----------------------------------------------------------------------------------

    async def page(
        self, search: str, organisation: int | None, offset: int, limit: int
    ) -> tuple[list[Account], int]:
        """Accounts by name, and how many there are in all."""
        return await accounts.page(self.room.pool, search, organisation, offset, limit)

    async def organisations(self) -> list[Organisation]:
        """All organisations, by name."""
        return await organisations.every(self.room.pool)

    async def organisation(self, organisation: int) -> Organisation | None:
        """The organisation of a number."""
        return await organisations.get(self.room.pool, organisation)

    async def invitations(self) -> list[Link]:
        """Invitations that nobody took up yet."""
        return await links.open_invitations(self.room.pool)

    async def make_organisation(self, name: str, actor: str) -> int:
        """A new organisation; its number. Raises organisations.NameTaken."""
        async with self.transaction() as transaction:
            number = await organisations.make(transaction.connection, name)
            await transaction.audit(actor, "organisation.make", str(number), {"name": name})
        return number

    async def rename_organisation(self, organisation: int, name: str, actor: str) -> bool:
        """Another name; false if there is none such. Raises organisations.NameTaken."""
        async with self.transaction() as transaction:
            if not await organisations.rename(transaction.connection, organisation, name):
                return False
            await transaction.audit(actor, "organisation.rename", str(organisation), {"name": name})
        return True

    async def remove_organisation(self, organisation: int, actor: str) -> bool:
        """Remove one with its memberships; false if there is none such. Raises LastAdministrator."""
        async with self.keeping_administrators() as transaction:
            if not await organisations.remove(transaction.connection, organisation):
                return False
            await transaction.audit(actor, "organisation.remove", str(organisation), {})
        return True

    async def invite(
        self, organisation: int, role: str, mail: str | None, actor: str, language: str, base: str
    ) -> str | None:
        """Invite somebody: by a letter if there is an address, else by a link, whose secret is returned, to hand over.

        Raises ValueError for what is no role, Gone if there is no such organisation, mail.BadAddress.
        """
        if role not in ROLES:
            raise ValueError(f"there is no role {role}")
        mail = address_of(mail) if mail is not None else None
        async with self.transaction() as transaction:
            found = await organisations.get(transaction.connection, organisation)
            if found is None:
                raise Gone
            secret = await links.make(
                transaction.connection, "invite", actor, mail=mail, organisation=organisation, role=role
            )
            if mail is not None:
                address = f"{base}/link/{secret}"
                await self._write(
                    transaction, "account_invite", mail, address, language, organisation=found.name
                )
            detail = {"role": role, "by": "mail" if mail is not None else "link"}
            await transaction.audit(actor, "invitation.make", str(organisation), detail)
        return secret if mail is None else None

    async def withdraw(self, invitation: int, actor: str) -> bool:
        """Take an invitation back; false if there is none such."""
        async with self.transaction() as transaction:
            if not await links.withdraw(transaction.connection, "invite", invitation):
                return False
            await transaction.audit(actor, "invitation.withdraw", str(invitation), {})
        return True

    async def give_role(self, account: int, organisation: int, role: str, actor: str) -> bool:
        """Make somebody a member; false if they are. Raises ValueError for what is no role, LookupError."""
        if role not in ROLES:
            raise ValueError(f"there is no role {role}")
        async with self.transaction() as transaction:
            if not await organisations.join(transaction.connection, account, organisation, role):
                return False
            detail = {"organisation": organisation, "role": role}
            await transaction.audit(actor, "membership.give", person(account), detail)
        return True

    async def take_role(self, account: int, organisation: int, role: str, actor: str) -> bool:
        """Take a role away; false if they had it not. Raises LastAdministrator."""
        async with self.keeping_administrators() as transaction:
            if not await organisations.leave(transaction.connection, account, organisation, role):
                return False
            detail = {"organisation": organisation, "role": role}
            await transaction.audit(actor, "membership.take", person(account), detail)
        return True

    async def block(self, account: int, actor: str, *, blocked: bool) -> bool:
        """Let somebody in no more, and sign them out; or let them in again. False if that is so already.

        Raises LastAdministrator.
        """
        async with self.keeping_administrators() as transaction:
            if not await accounts.block(transaction.connection, account, blocked=blocked):
                return False
            if blocked:
                await sessions.end_all(transaction.connection, account)
            verb = "account.block" if blocked else "account.unblock"
            await transaction.audit(actor, verb, person(account), {})
        return True

    async def recovery_link(self, account: int, actor: str) -> str:
        """The secret of a link to get an account back, for somebody without mail; to be handed over. Raises Gone."""
        async with self.transaction() as transaction:
            if await accounts.get(transaction.connection, account) is None:
                raise Gone
            secret = await links.make(transaction.connection, "recover", actor, account=account)
            await transaction.audit(actor, "account.recovery_link", person(account), {})
        return secret

    # ------------------------------------------------------------------------------------------------------------

    async def _account(self, account: int) -> Account:
        found = await accounts.get(self.room.pool, account)
        if found is None:
            raise Gone
        return found

    async def _ask_for_another(self, party: RelyingParty, purpose: str, account: Account) -> dict[str, Any]:
        return await passkeys.ask_to_make(
            self.room.pool,
            party,
            purpose,
            handle=account.handle,
            name=account.name,
            known=await passkeys.credentials(self.room.pool, account.id),
        )

    async def _write(
        self, transaction: Transaction, letter: str, to: str, link: str, language: str, **values: Any
    ) -> None:
        async with transaction.of_city() as connection:
            await self.mail.queue(
                connection,
                letter,
                to,
                {"link": link, **values},
                app="people",
                language=language,
                within=links.LASTING["address"],
            )


async def first_link(connection: asyncpg.Connection | asyncpg.Pool, *, only_if_nobody: bool) -> str | None:
    """The secret of a link that makes its user an administrator; None if there is one and `only_if_nobody`.

    For the machine's owner: of the same kind that were made before only the newest holds.
    """
    if only_if_nobody and await organisations.administrators(connection):
        return None
    await connection.execute("DELETE FROM link WHERE purpose = 'first'")
    return await links.make(connection, "first", "command", role=ADMINISTRATOR.name)


def person(account: int) -> str:
    """How the audit log names an account."""
    return f"person:{account}"


def _purpose(link: Link | None) -> str:
    return f"link:{link.id}" if link is not None else "register"


__all__ = ["Browser", "Gone", "LastAdministrator", "People", "Refused", "first_link", "person"]
