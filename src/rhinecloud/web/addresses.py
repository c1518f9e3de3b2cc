"""Where the pages of people stand, for whoever links or redirects to them."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
REGISTER: Final = "/register"
ACCOUNT: Final = "/account"
PEOPLE: Final = "/people"


def sign_in(back: str = "") -> str:
    """The page to sign in, which leads back to a place of ours afterwards."""
    return f"{SIGN_IN}?next={quote(back, safe='/')}" if back else SIGN_IN


def inside(address: str | None, otherwise: str = "/") -> str:
    """An address to go on to, if it is one of our own; nobody's link shall lead elsewhere through our sign-in."""
    if not address or not address.startswith("/") or address.startswith("//") or "\\" in address:
        return otherwise
    return address if address.isprintable() else otherwise
