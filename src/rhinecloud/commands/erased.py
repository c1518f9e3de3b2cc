"""Whom a restore must not bring back: the ledgers of erasures that can be found, put together on this machine."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from rhinecloud.backups import shelf_of
from rhinecloud.commands.serve import say
from rhinecloud.engines.account import EngineError
from rhinecloud.files import StorageUnavailable
from rhinecloud.people.ledger import FILE, Ledger
from rhinecloud.people.ledger_copies import fetch, ledger_of
from rhinecloud.settings import Settings


class Erased(msgspec.Struct, frozen=True):
    """What is known: the moments of all erasures, and where it was read."""

    at: tuple[datetime, ...]
    places: tuple[str, ...]

    def said(self, backup: datetime) -> str:
        """What there is to say after a backup of this moment was restored."""
        if not self.places:
            return (
                "There is no ledger of erasures: whoever was erased after the backup is back. Bring erasures.jsonl of "
                "the lost installation and restore again with --ledger (docs/how-to/back-up-and-restore.md)."
            )
        since = sum(moment >= backup for moment in self.at)
        return (
            f"Erasures known: {len(self.at)}, {since} of them after the backup ({', '.join(self.places)}). What is "
            "missing in the backup is carried out before anything is served."
        )


def gather(settings: Settings, backup: Path, given: Path | None) -> Erased:
    """Read the ledgers of this machine, the given one or the one beside the backup, and the one at the place of the
    backups; write what is new into that of this machine. Raises EngineError for a given one that cannot be read."""
    own = ledger_of(settings)
    known = own.read()
    found = dict(known)
    places = [str(own.path)] if own.path.exists() else []
    beside = given or backup.parent / FILE
    if given is not None and not given.is_file():
        raise EngineError(f"There is no ledger {given}.")
    if beside.is_file() and beside.resolve() != own.path.resolve():
        found |= Ledger(beside).read()
        places.append(str(beside))
    shelf = shelf_of(settings)
    if shelf is not None:
        try:
            if copied := fetch(shelf):
                found |= copied
                places.append(shelf.place)
        except StorageUnavailable as error:
            say(f"The ledger of erasures at {shelf.place} cannot be read: {error}")
    own.add([entry for number, entry in found.items() if number not in known])
    return Erased(tuple(entry.at for entry in found.values()), tuple(places))
