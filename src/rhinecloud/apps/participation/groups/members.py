"""Who belongs to a group, and as what."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from rhinecloud.city import City
from rhinecloud.people import Actor

from .model import Group, Member, Role

COLUMNS: Final = (
    'number, theme_group AS "group", account, name, mail, language, organisation, kind, role, state, placed, asked_at, '
    "joined_at, named_at, newsletter_at, photographs_at"
)


def signed(actor: Actor) -> bool:
    """Whether what somebody does can be theirs: they have an account, or nobody signs in here at all."""
    return actor.kind in ("person", "open")


async def of(city: City, group_number: int) -> list[Member]:
    """The members of a group, who joined first before the others; nobody who only asks or is asked to be one."""
    rows = await city.db.pool.fetch(
        f"SELECT {COLUMNS} FROM member WHERE theme_group = $1 AND state = 'member' ORDER BY joined_at, number",
        group_number,
    )
    return [Member(**row) for row in rows]


async def asking(city: City, group_number: int) -> list[Member]:
    """Who asks to be let in, or was invited and has not answered; who asked first before the others."""
    rows = await city.db.pool.fetch(
        f"SELECT {COLUMNS} FROM member WHERE theme_group = $1 AND state IN ('requested', 'invited') "
        "ORDER BY asked_at, number",
        group_number,
    )
    return [Member(**row) for row in rows]


async def number(city: City, group_number: int) -> int:
    """How many members a group has."""
    count: int = await city.db.pool.fetchval(
        "SELECT count(*) FROM member WHERE theme_group = $1 AND state = 'member'", group_number
    )
    return count


async def role(city: City, group_number: int, actor: Actor) -> Role | None:
    """As what somebody belongs to a group; None for who is no member."""
    if not signed(actor):
        return None
    found: Role | None = await city.db.pool.fetchval(
        "SELECT role FROM member WHERE theme_group = $1 AND account = $2 AND state = 'member'",
        group_number,
        actor.id,
    )
    return found


async def one(city: City, group: Group, member: int) -> Member | None:
    """Somebody of a group, in whatever state."""
    if member >= 2**63:
        return None
    row = await city.db.pool.fetchrow(
        f"SELECT {COLUMNS} FROM member WHERE theme_group = $1 AND number = $2", group.number, member
    )
    return Member(**row) if row is not None else None


async def known(city: City, group: Group, actor: Actor, shown: str = "") -> Member | None:
    """Who asks, as somebody of the group: by the secret of their link, else by their account."""
    told = shown.partition(".")[0]
    if told.isascii() and told.isdigit() and len(told) < 19:
        member = await one(city, group, int(told))
        if member is not None and hmac.compare_digest(
            link_of(group, member).encode(), shown.encode(errors="replace")
        ):
            return member
    if not signed(actor):
        return None
    row = await city.db.pool.fetchrow(
        f"SELECT {COLUMNS} FROM member WHERE theme_group = $1 AND account = $2", group.number, actor.id
    )
    return Member(**row) if row is not None else None


def link_of(group: Group, member: Member) -> str:
    """What the link in letters to a member shows them by: number and 128 bits of a signature of number and address,
    so that it counts for nobody else and no longer than the address is theirs."""
    told = f"{member.number}\0{(member.mail or '').lower()}".encode()
    return f"{member.number}.{hmac.digest(group.key, told, hashlib.sha256).hex()[:32]}"
