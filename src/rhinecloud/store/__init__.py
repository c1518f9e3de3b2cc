"""The graph and its history in PostgreSQL: the only room with SQL of the graph.

It offers `Database` (a pool of connections to one tenant's schema), `Registry` (which tenants there are), `Connections`
(few connections for many tenants), `Rooms` and `RoomDatabase` (schemas of people and of apps), and what
the broker composes into transactions:
`entities` (current state), `history` (series, hot rows, chunks), `outbox` (changes to be told, positions of their
readers), `intake` (deliveries, unmapped messages) and `queries` (query languages to SQL). Nothing here opens or ends
a transaction of its own unless its name says so: the caller decides what commits together.
"""

from .connections import Connections
from .database import Database, Unavailable
from .migrations import NotMigrated, graph_migrations, is_current
from .roles import NotLetIn, NotPossible
from .rooms import Joint, Room, RoomDatabase, Rooms, migrations_in
from .tenants import DEFAULT, BeingRemoved, Registry, Tenant
from .versions import TooNew

__all__ = [
    "DEFAULT",
    "BeingRemoved",
    "Connections",
    "Database",
    "Joint",
    "NotLetIn",
    "NotMigrated",
    "NotPossible",
    "Registry",
    "Room",
    "RoomDatabase",
    "Rooms",
    "Tenant",
    "TooNew",
    "Unavailable",
    "graph_migrations",
    "is_current",
    "migrations_in",
]
