"""Whose a subscription is, and what they may read: what they are told is what they could ask for."""

from __future__ import annotations

from typing import Protocol

from rhinecloud.model.sight import EVERYTHING, NOTHING, Sight


class Owners(Protocol):
    """Who the owners of subscriptions are. `generation` is another one whenever what they may read may be other."""

    @property
    def generation(self) -> int:
        """Counts the changes that this process heard of."""
        ...

    async def sight_of(self, owner: str) -> Sight | None:
        """What an owner may read now; None for one that is not there any more (blocked, deleted, revoked, run out)."""
        ...


class Nobody:
    """The owners where nobody signs in: only who reaches the open installation is told anything."""

    generation = 0

    async def sight_of(self, owner: str) -> Sight | None:
        """Everything for `open`; others are not there."""
        return EVERYTHING if owner == "open" else None


class OfOtherTenants:
    """What is granted is granted of the city's own graph: of another tenant's, who sees everything sees everything."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners

    @property
    def generation(self) -> int:
        """That of the city's."""
        return self._owners.generation

    async def sight_of(self, owner: str) -> Sight | None:
        """Everything or nothing."""
        sight = await self._owners.sight_of(owner)
        return sight if sight is None or sight.everything else NOTHING
