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

    async def sight_of(self, owner: str) -> Sight:
        """What an owner may read now; nothing for one that is not there any more."""
        ...


class Nobody:
    """The owners where nobody signs in: only who reaches the open installation is told anything."""

    generation = 0

    async def sight_of(self, owner: str) -> Sight:
        """Everything for `open`, nothing for others."""
        return EVERYTHING if owner == "open" else NOTHING


class OfOtherTenants:
    """What is granted is granted of the city's own graph: of another tenant's, who sees everything sees everything."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners

    @property
    def generation(self) -> int:
        """That of the city's."""
        return self._owners.generation

    async def sight_of(self, owner: str) -> Sight:
        """Everything or nothing."""
        sight = await self._owners.sight_of(owner)
        return sight if sight.everything else NOTHING
