"""Coming into a group and leaving it.

Who has an account asks, and a moderator accepts; who has none confirms an address first, by the link in a letter. Who
has a place by the vote needs nobody to accept it. The answer to a form never tells whether an address is known.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from . import graph, letters
from .drafting import MemberDraft
from .members import COLUMNS
from .model import CONSENTS, Consent, Group, Member, MemberState, Role

Place = tuple[int, UUID]  # by a vote: the poll, and who has it
Outcome = Literal["member", "requested", "written"]
PATIENCE: Final = timedelta(days=7)  # for a link to be followed
_PAUSE: Final = timedelta(minutes=10)  # between two letters to one address


async def join(
    city: City,
    actor: Actor,
    group: Group,
    draft: MemberDraft,
    consents: Collection[str],
    *,
    place: Place | None = None,
) -> Outcome:
    """Somebody with an account asks to belong to a group, or comes in by their place."""
    contact = await city.people.contact(actor.id)
    now = city.clock.now()
    async with city.transaction() as transaction:
        before = await _held(transaction, group, account=actor.id, mail=contact.mail if contact else None)
        if before is not None and before.state == "member" and before.account == actor.id:
            return "member"
        placed = place is not None and await _use(transaction, place)
        invited = before is not None and before.state in ("invited", "member")
        state: MemberState = "member" if placed or invited else "requested"
        values = {
            "account": actor.id,
            "name": draft.name,
            "mail": contact.mail if contact is not None else None,
            "language": contact.language if contact is not None else "de",
            "organisation": draft.organisation,
            "kind": draft.kind,
            "state": state,
            "placed": placed,
            "joined_at": now if state == "member" else None,
            **{f"{name}_at": now if name in consents else None for name in CONSENTS},
        }
        if contact is not None:
            await _release(transaction, group, contact.mail, before.number if before else 0)
        if before is None:
            await _insert(transaction, group, values | {"asked_at": now})
        else:
            await _update(transaction, before.number, values)
        await graph.settle(transaction, group.number, now)
    return "member" if state == "member" else "requested"


async def ask(
    city: City,
    group: Group,
    draft: MemberDraft,
    address: str,
    language: str,
    *,
    place: Place | None = None,
) -> Outcome:
    """Somebody without an account asks: a letter with a link goes to the address, whoever it belongs to. Raises
    Wrong."""
    now = city.clock.now()
    async with city.transaction() as transaction:
        member = await _held(transaction, group, mail=draft.mail)
        if member is not None:
            if await _may_write(transaction, member, now):
                what = "confirm" if member.state == "unconfirmed" else "known"
                await letters.write(city, transaction, what, group, member, address)
            return "written"
        placed = place is not None and await _use(transaction, place)
        member = await _insert(
            transaction,
            group,
            {
                "name": draft.name,
                "mail": draft.mail,
                "language": language,
                "organisation": draft.organisation,
                "kind": draft.kind,
                "state": "unconfirmed",
                "placed": placed,
                "asked_at": now,
                "written_at": now,
            },
        )
        await letters.write(city, transaction, "confirm", group, member, address)
    return "written"


async def is_free(city: City, place: Place) -> bool:
    """Whether nobody came into a group by this place yet."""
    used = await city.db.pool.fetchval(
        "SELECT 1 FROM place_used WHERE poll = $1 AND participant = $2", *place
    )
    return used is None


async def invite(
    city: City, actor: Actor, group: Group, draft: MemberDraft, role: Role, address: str
) -> bool:
    """Invite somebody by mail; false if the address is known in this group already. Raises Wrong."""
    now = city.clock.now()
    async with city.transaction() as transaction:
        if await _held(transaction, group, mail=draft.mail) is not None:
            return False
        member = await _insert(
            transaction,
            group,
            {
                "name": draft.name,
                "mail": draft.mail,
                "organisation": draft.organisation,
                "kind": draft.kind,
                "role": role,
                "state": "invited",
                "asked_at": now,
                "written_at": now,
            },
        )
        await letters.write(city, transaction, "invite", group, member, address)
        await _audit(transaction, actor, "invite", group, member, {"role": role})
    return True


async def confirm(city: City, group: Group, member: Member, consents: Collection[str]) -> Outcome:
    """Whoever has the link in the letter says that it is theirs: who was invited, or has a place, belongs to the group
    now; others ask to."""
    now = city.clock.now()
    async with city.transaction() as transaction:
        held = await _held(transaction, group, number=member.number)
        if held is None or held.state in ("member", "requested"):
            return "member" if held is not None and held.state == "member" else "requested"
        state: MemberState = "member" if held.state == "invited" or held.placed else "requested"
        given = {f"{name}_at": now if name in consents else None for name in CONSENTS}
        joined = now if state == "member" else None
        await _update(transaction, held.number, {"state": state, "joined_at": joined, **given})
        await graph.settle(transaction, group.number, now)
    return "member" if state == "member" else "requested"


async def decide(
    city: City, actor: Actor, group: Group, member: Member, *, accept: bool, address: str
) -> None:
    """Let somebody in who asked to, or not; they are told."""
    now = city.clock.now()
    async with city.transaction() as transaction:
        held = await _held(transaction, group, number=member.number)
        if held is None or held.state != "requested":
            return
        await letters.write(city, transaction, "accepted" if accept else "refused", group, held, address)
        if accept:
            await _update(transaction, held.number, {"state": "member", "joined_at": now})
        else:
            await _delete(transaction, held)
        await _audit(transaction, actor, "accept" if accept else "refuse", group, held)
        await graph.settle(transaction, group.number, now)


async def give_role(city: City, actor: Actor, group: Group, member: Member, role: Role) -> None:
    """Make a member a speaker, a moderator, or neither."""
    async with city.transaction() as transaction:
        await _update(transaction, member.number, {"role": role})
        await _audit(transaction, actor, "role", group, member, {"role": role})


async def remove(city: City, actor: Actor | None, group: Group, member: Member) -> None:
    """Somebody leaves, or (where `actor` is given) is removed: all that the group knew of them is forgotten."""
    async with city.transaction() as transaction:
        await _delete(transaction, member)
        if actor is not None:
            await _audit(transaction, actor, "remove", group, member)
        await graph.settle(transaction, group.number, city.clock.now())


async def rewrite(city: City, member: Member, draft: MemberDraft) -> None:
    """Somebody changes their own name or organisation."""
    async with city.transaction() as transaction:
        await _update(
            transaction,
            member.number,
            {"name": draft.name, "organisation": draft.organisation, "kind": draft.kind},
        )


async def consent(city: City, member: Member, consents: Collection[str]) -> None:
    """What somebody consents to from now on; what they consented to before keeps its date."""
    now = city.clock.now()
    async with city.transaction() as transaction:
        await _update(
            transaction,
            member.number,
            {f"{name}_at": (member.since(name) or now) if name in consents else None for name in CONSENTS},
        )


async def forget(city: City) -> None:
    """Forget who never followed the link in their letter, and who made a group that ended long ago."""
    async with city.transaction() as transaction:
        await transaction.connection.execute(
            "DELETE FROM member WHERE state IN ('unconfirmed', 'invited') AND asked_at < $1",
            city.clock.now() - PATIENCE,
        )
        # Who made a group that ended a year ago; its members are forgotten by the register's daily job.
        await transaction.connection.execute(
            "UPDATE theme_group SET created_by = '' WHERE ended_at < $1 AND created_by <> ''",
            city.clock.now() - timedelta(days=365),
        )


def consents_of(given: dict[str, str]) -> list[Consent]:
    """What a form consents to."""
    return [name for name in CONSENTS if given.get(f"consent-{name}") == "on"]


_SETTABLE: Final = frozenset(
    {"account", "name", "mail", "language", "organisation", "kind", "role", "state", "placed", "asked_at"}
    | {"joined_at", "written_at", "named_at", "newsletter_at", "photographs_at"}
)


async def _held(
    transaction: Transaction,
    group: Group,
    *,
    number: int | None = None,
    account: str | None = None,
    mail: str | None = None,
) -> Member | None:
    # Who comes into a group comes one after the other, so that nobody is in it twice.
    await transaction.connection.execute(
        "SELECT 1 FROM theme_group WHERE number = $1 FOR NO KEY UPDATE", group.number
    )
    row = await transaction.connection.fetchrow(
        f"SELECT {COLUMNS} FROM member WHERE theme_group = $1 "
        "AND (number = $2 OR account = $3 OR (lower(mail) = lower($4) AND ($3::text IS NULL OR account IS NULL))) "
        "ORDER BY account IS NOT DISTINCT FROM $3 DESC LIMIT 1 FOR UPDATE",
        group.number,
        number,
        account,
        mail,
    )
    return Member(**row) if row is not None else None


async def _insert(transaction: Transaction, group: Group, values: dict[str, Any]) -> Member:
    assert values.keys() <= _SETTABLE
    places = ", ".join(f"${place}" for place in range(2, len(values) + 2))
    row = await transaction.connection.fetchrow(
        f"INSERT INTO member (theme_group, {', '.join(values)}) VALUES ($1, {places}) RETURNING {COLUMNS}",
        group.number,
        *values.values(),
    )
    return Member(**row)


async def _update(transaction: Transaction, number: int, values: dict[str, Any]) -> None:
    assert values.keys() <= _SETTABLE
    changes = ", ".join(f"{name} = ${place}" for place, name in enumerate(values, 2))
    await transaction.connection.execute(
        f"UPDATE member SET {changes} WHERE number = $1", number, *values.values()
    )


async def _delete(transaction: Transaction, member: Member) -> None:
    await transaction.connection.execute("DELETE FROM member WHERE number = $1", member.number)


async def _use(transaction: Transaction, place: Place) -> bool:
    status = await transaction.connection.execute(
        "INSERT INTO place_used (poll, participant) VALUES ($1, $2) ON CONFLICT DO NOTHING", *place
    )
    return bool(status == "INSERT 0 1")


async def _release(transaction: Transaction, group: Group, mail: str, but: int) -> None:
    """An account has proved that an address is theirs: it is nobody else's in the group any more."""
    of = "theme_group = $1 AND lower(mail) = lower($2) AND number <> $3"
    connection = transaction.connection
    await connection.execute(f"DELETE FROM member WHERE {of} AND account IS NULL", group.number, mail, but)
    await connection.execute(f"UPDATE member SET mail = NULL WHERE {of}", group.number, mail, but)


async def _may_write(transaction: Transaction, member: Member, now: Any) -> bool:
    status = await transaction.connection.execute(
        "UPDATE member SET written_at = $2 WHERE number = $1 AND (written_at IS NULL OR written_at < $3)",
        member.number,
        now,
        now - _PAUSE,
    )
    return bool(status == "UPDATE 1")


async def _audit(
    transaction: Transaction,
    actor: Actor,
    what: str,
    group: Group,
    member: Member,
    detail: dict[str, Any] | None = None,
) -> None:
    await transaction.audit(
        actor.id,
        f"participation.group.{what}",
        f"group:{group.number}",
        {"member": member.number, **(detail or {})},
    )
