"""Letters of groups: each is queued in the transaction of what it tells."""

from __future__ import annotations

from typing import Any

from rhinecloud.city import City, Transaction

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
