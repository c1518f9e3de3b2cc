"""Letters of groups: each is queued in the transaction of what it tells."""

from __future__ import annotations

from typing import Any

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..events.drafting import Wrong
from . import members
from .model import Group, Member


async def write(
    city: City, transaction: Transaction, what: str, group: Group, member: Member, address: str, **more: Any
) -> None:
    """Write to somebody of a group (`what`: confirm, known, invite, accepted, refused), if they can be written to.
    Raises Wrong where the address cannot be one."""
    if member.mail is None:
        return
    values = {
        "what": what,
        # Whoever typed this address also typed the name: nobody is sent a stranger's words.
        "name": "" if what in ("confirm", "invite") else member.name,
        "title": group.title,
        "link": f"{address}{group.path}/own?m={members.link_of(group, member)}",
        "page": f"{address}{group.path}",
        **more,
    }
    try:
        await city.mail.queue(transaction, f"{city.app}_group", member.mail, values, language=member.language)
    except ValueError as error:
        raise Wrong("mail", ("Das ist keine E-Mail-Adresse.", "This is no mail address.")) from error


async def news(city: City, actor: Actor, group: Group, subject: str, text: str, address: str) -> int:
    """Write to all members who consent to news, each once; to how many."""
    async with city.transaction() as transaction:
        rows = await transaction.connection.fetch(
            f"SELECT {members.COLUMNS} FROM member WHERE theme_group = $1 AND state = 'member' "
            "AND newsletter_at IS NOT NULL AND mail IS NOT NULL ORDER BY number",
            group.number,
        )
        for row in rows:
            member = Member(**row)
            values = {
                "title": group.title,
                "subject": subject,
                "paragraphs": [one.strip() for one in text.split("\n\n") if one.strip()],
                "link": f"{address}{group.path}/own?m={members.link_of(group, member)}",
            }
            await city.mail.queue(
                transaction, f"{city.app}_group_news", row["mail"], values, language=member.language
            )
        await transaction.audit(
            actor.id,
            "participation.group.news",
            f"group:{group.number}",
            {"subject": subject, "letters": len(rows)},
        )
    return len(rows)
