"""Subscriptions (CIM 009 §5.8): who wants to be told of what, what is due to whom, and the telling.

It offers `Subscriptions` (create, retrieve, query, update, delete; any worker) and `Notifier` (matching, queue and
delivery; of all workers one is elected, and `Reign` is what it does then). A change that matches is queued in
PostgreSQL before matching goes on, and leaves the queue when its notification was taken: killed at any moment, all that
matched is told at least once, in order for each entity.
"""

from .notifier import Deposed, Notifier, Reign
from .owners import Nobody, OfOtherTenants, Owners
from .registry import Subscriptions

__all__ = ["Deposed", "Nobody", "Notifier", "OfOtherTenants", "Owners", "Reign", "Subscriptions"]
