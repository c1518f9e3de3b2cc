"""What the house's own rooms keep of people, and which of their columns tell nothing of anybody: `house()`."""

from __future__ import annotations

from ..register import Register
from .people import PEOPLE
from .tenant import TENANT

__all__ = ["PEOPLE", "TENANT", "house"]


def house() -> Register:
    """The register with the house's own rooms in it; apps are added to it."""
    register = Register()
    register.add("people", "room_people", PEOPLE)
    register.add("house", "tenant", TENANT)
    return register
