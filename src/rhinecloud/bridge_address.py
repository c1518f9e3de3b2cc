"""Addresses of foreign MQTT brokers, as the setting `mqtt_bridge` writes them (docs/reference/bridge.md)."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_SEVERAL = frozenset({"topic"})
_ONCE = frozenset({"prefix", "name", "client", "retained", "ca", "cert", "key"})
_ONLY_TLS = ("ca", "cert", "key")
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class BridgeAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign broker and what is wanted of it. `prefix` stands before each of its topics, without a slash."""

    name: str
    host: str
    port: int
    tls: bool
    topics: tuple[str, ...]
    username: str | None = None
    password: str | None = None
    prefix: str = ""
    client: str | None = None
    retained: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @property
    def shown(self) -> str:
        """The address without what is secret in it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"BridgeAddress({self.name!r}, {self.shown!r}, topics={self.topics!r})"


def parse(text: str) -> tuple[BridgeAddress, ...]:
    """The addresses in a text, separated by blanks. Raises ValueError; its message names no password."""
    found = tuple(_address(number, word) for number, word in enumerate(text.split(), 1))
    for one, other in combinations(found, 2):
        if one.name == other.name:
            raise ValueError(f"two addresses are called {one.name}: give one another name=")
    return found


def _address(number: int, word: str) -> BridgeAddress:
    try:
        # A topic filter may hold "#", which elsewhere begins a fragment.
        parts = urlsplit(word, allow_fragments=False)
        port = parts.port
    except ValueError:
        raise ValueError(f"address {number} is no URL with a valid host and port") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"address {number} does not begin with mqtt://host or mqtts://host")
    try:
        return _checked(parts, port or _PORTS[parts.scheme])
    except ValueError as error:
        raise ValueError(f"address {number} ({parts.hostname}): {error}") from None


def _checked(parts: SplitResult, port: int) -> BridgeAddress:
    if parts.path not in ("", "/"):
        raise ValueError("what follows host and port begins with ?topic=")
    topics, options = _options(parts.query)
    if not topics:
        raise ValueError("says no topic=")
    for topic in topics:
        _check_filter(topic)
    for one, other in combinations(topics, 2):
        if overlap(one, other):
            raise ValueError(f"the topics {one} and {other} overlap: their messages would come twice")
    prefix = options.get("prefix", "").strip("/")
    if any(letter in prefix for letter in "+#"):
        raise ValueError("prefix= holds a wildcard")
    tls = parts.scheme == "mqtts"
    if not tls and any(name in options for name in _ONLY_TLS):
        raise ValueError("ca=, cert= and key= need mqtts://")
    if ("cert" in options) != ("key" in options):
        raise ValueError("cert= and key= belong together")
    retained = options.get("retained", "no").lower()
    if retained not in _YES_NO:
        raise ValueError("retained= is yes or no")
    host = str(parts.hostname)
    return BridgeAddress(
        name=options.get("name") or f"{host}:{port}",
        host=host,
        port=port,
        tls=tls,
        topics=topics,
        username=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
        prefix=prefix,
        client=options.get("client") or None,
        retained=_YES_NO[retained],
        ca=_path(options, "ca"),
        cert=_path(options, "cert"),
        key=_path(options, "key"),
    )


def _options(query: str) -> tuple[tuple[str, ...], dict[str, str]]:
    topics: list[str] = []
    options: dict[str, str] = {}
    for part in query.split("&"):
        # Not as in a form: a "+" is the wildcard, whether it is written %2B or as it is.
        name, _, value = part.partition("=")
        name, value = unquote(name), unquote(value)
        if name in _SEVERAL:
            topics.append(value)
        elif name in _ONCE and name not in options:
            options[name] = value
        elif name:
            raise ValueError(f"{'twice' if name in _ONCE else 'unknown'}: {name}=")
    return tuple(topics), options


def _path(options: dict[str, str], name: str) -> Path | None:
    return Path(options[name]).expanduser().absolute() if options.get(name) else None


def _check_filter(topic: str) -> None:
    """Raise ValueError unless it is a topic filter (MQTT 3.1.1 §4.7.1)."""
    levels = topic.split("/")
    if not topic or "\0" in topic or len(topic.encode()) > 65_535:
        raise ValueError("a topic= is empty or too long")
    if levels[0].startswith("$share"):
        raise ValueError(f"topic={topic}: the bridge is one client, it shares with nobody")
    for position, level in enumerate(levels):
        if "+" in level and level != "+":
            raise ValueError(f"topic={topic}: + stands for a whole level")
        if "#" in level and (level != "#" or position < len(levels) - 1):
            raise ValueError(f"topic={topic}: # stands for all that follows, as the last level")


def overlap(one: str, other: str) -> bool:
    """Whether a topic exists that both filters match (MQTT 3.1.1 §4.7.1)."""
    left, right = one.split("/"), other.split("/")
    for a, b in zip(left, right, strict=False):
        if "#" in (a, b):
            return True
        if a != b and "+" not in (a, b):
            return False
    # "a/#" matches "a" too.
    rest = left[len(right) :] or right[len(left) :]
    return not rest or rest == ["#"]
