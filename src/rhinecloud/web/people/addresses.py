"""Where the pages of people stand; whoever refuses a page needs them too, so they are kept in the shell."""

from __future__ import annotations

from ..addresses import ACCOUNT, PEOPLE, REGISTER, SIGN_IN, SIGN_OUT, inside, sign_in

__all__ = ["ACCOUNT", "PEOPLE", "REGISTER", "SIGN_IN", "SIGN_OUT", "inside", "sign_in"]
