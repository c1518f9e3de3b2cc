"""The graph and its history in PostgreSQL: the only room with SQL of the graph.

It offers `Database` (a pool of connections to one tenant's schema), and what the broker composes into transactions:
`entities` (current state), `history` (series, hot rows, chunks), `outbox` (changes to be told, positions of their
readers), `intake` (deliveries, unmapped messages) and `queries` (query languages to SQL). Nothing here opens or ends
a transaction of its own unless its name says so: the caller decides what commits together.
"""

from .database import Database, Unavailable

__all__ = ["Database", "Unavailable"]
