"""Where a request began, and by which name it was sent here, as browsers say it.

Browsers say where a request began by Sec-Fetch-Site (where the connection is secure or local), by Origin otherwise.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from rhinecloud.settings import Settings


def is_own(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that the request began on a page of this very origin; false if nobody says anything."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and host_of(origin) == headers.get("host", "").lower()


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that the request began on a page of another origin; programs say nothing."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and host_of(origin) != headers.get("host", "").lower()


def host_of(origin: str) -> str | None:
    """Name and port of an Origin header, in lower case; None where there are none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:  # brackets that hold no address
        return None


def names_of(settings: Settings) -> frozenset[str] | None:
    """The names of an installation that nobody signs in to, None for any: an attacker's name that was made to point at
    a loopback address (DNS rebinding) is of its own origin, but has no session of ours."""
    if not settings.open:
        return None
    return frozenset(filter(None, (settings.host, urlsplit(settings.public_url or "").hostname)))


def is_known(host: str, names: frozenset[str] | None) -> bool:
    """Whether a Host header names this installation."""
    if names is None:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return name in names or name.endswith(".localhost") or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address. Names other than localhost are not resolved."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
