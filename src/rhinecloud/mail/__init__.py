"""Mail that an app is given: letters in two languages, queued in a transaction, sent at least once, their fate kept.

It offers `Mail` (`queue` in the caller's transaction, `messages`, `get`, `retry`, `report` for what came back),
`Record` (a message and what became of it), `Attachment`, `BadAddress` and `address_of`.
"""

from .addresses import BadAddress, address_of
from .letters import Attachment, Letters, Tongue
from .mail import Mail, configured
from .mailbox import MailboxAway
from .records import STATES, Record

__all__ = [
    "STATES",
    "Attachment",
    "BadAddress",
    "Letters",
    "Mail",
    "MailboxAway",
    "Record",
    "Tongue",
    "address_of",
    "configured",
]
