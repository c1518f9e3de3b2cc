"""The operations of a context broker over one graph: provide, consume, watch. The one door.

It offers `Broker` and what one says to it (`Operation`, `Query`) and hears from it (`Applied`, `Change`, `Page`,
`Series`). Writes go through `Broker.apply`, which gathers what waits into one transaction: state, history and the
changes to be told commit together, and are acknowledged after the commit.
"""

from rhinecloud.store import Unavailable
from rhinecloud.store.entities import rfc3339
from rhinecloud.store.intake import UnmappedMessage
from rhinecloud.store.missing import Missing
from rhinecloud.store.queries import Query

from .broker import Broker, Page, Series, Transaction
from .gathering import Overloaded
from .measured import Numbers
from .operations import Applied, Change, Kind, Merging, NotUpdated, Operation, Verdict
from .seeing import seen_change
from .temporal import Statistics, TemporalPage, Wanted

__all__ = [
    "Applied",
    "Broker",
    "Change",
    "Kind",
    "Merging",
    "Missing",
    "NotUpdated",
    "Numbers",
    "Operation",
    "Overloaded",
    "Page",
    "Query",
    "Series",
    "Statistics",
    "TemporalPage",
    "Transaction",
    "Unavailable",
    "UnmappedMessage",
    "Verdict",
    "Wanted",
    "rfc3339",
    "seen_change",
]
