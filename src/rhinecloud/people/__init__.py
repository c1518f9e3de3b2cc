"""Who is asking, and what they may: accounts, organisations, roles, sign-in, tokens, the read policy.

Offers `Actor`, `OPEN`, `Permission`, `PERMISSIONS`.
"""

from .actors import OPEN, Actor
from .permissions import PERMISSIONS, PUBLIC, Permission

__all__ = ["OPEN", "PERMISSIONS", "PUBLIC", "Actor", "Permission"]
