"""Backups that are made by themselves: when, where they lie, which of them stay, and how old the newest is.

It offers `Backups` (a job of the jobs room, with its figures), `Shelf` (the place where they lie, a folder or a bucket)
and `shelf_of`. What lies at the place is the only record of it: a list in the database would be as old as the backup
that it was restored from. What a backup holds is written and read by `engines.backup`.
"""

from .backups import Backups
from .shelves import Kept, Shelf, shelf_of

__all__ = ["Backups", "Kept", "Shelf", "shelf_of"]
