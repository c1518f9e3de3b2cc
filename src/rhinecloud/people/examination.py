"""What `rhinecloud check`, and the start, say about where people can sign in."""

from __future__ import annotations

from urllib.parse import urlsplit

from rhinecloud.settings import Settings

from .origins import is_loopback
from .passkeys import RelyingParty
from .sessions import is_secure


async def examine_sign_in(settings: Settings) -> tuple[str, str]:
    """The level ("good", "note" or "wrong") and a sentence. Asks nobody."""
    if settings.open:
        return "good", "Nobody signs in (--open)"
    if settings.public_url is not None:
        if RelyingParty.of(settings, "", "") is not None:
            name = urlsplit(settings.public_url).hostname
            return "good", f"People sign in at {settings.public_url}; passkeys are bound to {name}"
        return (
            "wrong",
            f"Browsers make no passkeys at {settings.public_url} (--public-url): it has to be https with a name, not "
            "with an address in numbers, for passkeys are bound to the name.",
        )
    if not is_loopback(settings.host):
        return (
            "wrong",
            "People can sign in as https://localhost on this machine only: passkeys are bound to the name of a host, "
            "and nobody has said which is ours. Give the address that people use (--public-url https://…), whose name "
            "the certificate has to have.",
        )
    scheme = "https" if is_secure(settings) else "http"
    return (
        "note",
        f"People sign in on this machine only, as {scheme}://localhost, until there is a --public-url.",
    )
