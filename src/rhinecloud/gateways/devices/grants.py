"""What a device may say and hear, in MQTT's words and in those of NATS."""

from __future__ import annotations

import re

import msgspec

from rhinecloud.bus.intake import subject_of
from rhinecloud.engines.rights import DEVICES_ONLY_HEAR, FORBIDDEN_TO_DEVICES

# NATS ends a connection at white space and DEL, and takes * and > in a topic for its own wildcards.
_UNUSABLE = re.compile(r"[\s*>\x00\x7f]")
_INNER = ("$", "_INBOX", "changes", "wake")


class Grant(msgspec.Struct, frozen=True):
    """A device that signed in, and the MQTT topic filters that it may publish to and subscribe to.

    A filter that ends in `/#` includes its parent (MQTT 3.1.1 §4.7.1.2). Raises ValueError for a filter that cannot
    be granted: not a topic filter, unusable with NATS, or about what is inside.
    """

    device: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]

    def __post_init__(self) -> None:
        for one in (*self.publish, *self.subscribe):
            check_filter(one)

    def permissions(self) -> dict[str, dict[str, list[str]]]:
        """`pub` and `sub` of a NATS user's claims. Whatever is not listed is refused, also when nothing is listed."""
        return {
            "pub": _rules(self.publish, [*FORBIDDEN_TO_DEVICES, *DEVICES_ONLY_HEAR]),
            "sub": _rules(self.subscribe, FORBIDDEN_TO_DEVICES),
        }


def check_filter(text: str) -> None:
    """Raise ValueError, with words for the person who wrote it, unless this topic filter can be granted."""
    levels = text.split("/")
    if not text:
        raise ValueError("a topic filter is not empty")
    if _UNUSABLE.search(text):
        raise ValueError(f"{text!r}: a topic filter here has no white space, no * and no >")
    if "#" in text and (text.count("#") > 1 or levels[-1] != "#"):
        raise ValueError(f"{text!r}: # stands alone at the end")
    if any("+" in level and level != "+" for level in levels):
        raise ValueError(f"{text!r}: + takes the place of a whole level")
    if levels[0].startswith(_INNER[0]) or levels[0] in _INNER:
        raise ValueError(f"{text!r}: topics below {levels[0]} are not for devices")


def subjects_of(text: str) -> list[str]:
    """The NATS subjects that a topic filter means.

    >>> subjects_of("json/+/a.b/#")
    ['json.*.a//b', 'json.*.a//b.>']
    """
    levels = [
        "*" if level == "+" else ">" if level == "#" else subject_of(level) for level in text.split("/")
    ]
    whole = ".".join(levels)
    return [whole.removesuffix(".>"), whole] if whole.endswith(".>") else [whole]


def _rules(filters: tuple[str, ...], denied: list[str]) -> dict[str, list[str]]:
    # To NATS an empty list of what is allowed means everything.
    if not filters:
        return {"allow": [], "deny": [">"]}
    allowed = dict.fromkeys(subject for one in filters for subject in subjects_of(one))
    return {"allow": list(allowed), "deny": denied}
