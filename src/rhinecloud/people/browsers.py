"""What a browser says of itself, in words that its owner knows a device by."""

from __future__ import annotations

# The first that is found counts: nearly all of them claim to be several.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def device_of(user_agent: str) -> str:
    """Browser and system, as in `Firefox, Linux`; an empty text where neither is known. No versions: they would only
    tell people's machines apart."""
    found = [
        next((name for mark, name in known if mark in user_agent), None) for known in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(name for name in found if name is not None)
