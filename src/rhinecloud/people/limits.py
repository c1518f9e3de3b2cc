"""How often somebody may try: buckets of tokens in the memory of this worker, nothing of them is stored.

Who has not signed in is counted by the neighbourhood of the address (/24 of IPv4, /64 of IPv6), others by account. With
several workers each counts for itself, so all together let through that many times as much.
"""

from __future__ import annotations

import functools
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import msgspec

from rhinecloud.settings import Settings

from .actors import Actor

_MOST = 50_000  # buckets that are kept; of more the one that was used longest ago is forgotten


class Rule(msgspec.Struct, frozen=True):
    """`burst` at once, and `rate` a second in the long run."""

    name: str
    burst: float
    rate: float


# Sign-in, registration, links, feedback: whatever somebody sends who has not signed in; a sign-in sends two.
TRYING: Final = Rule("trying", 60, 1)
# Looking at links, which carry secrets.
LINKS: Final = Rule("links", 30, 0.5)
# Tokens that are none.
FAILED: Final = Rule("failed", 20, 0.2)
# Reading of what is published, by programs without a token.
READING: Final = Rule("reading", 300, 20)
# Callers whom an app judges itself by a secret that it gave them; whom it knows gets theirs back.
UNJUDGED: Final = Rule("unjudged", 300, 20)
# Forms of somebody who signed in.
CHANGING: Final = Rule("changing", 120, 4)

_LINK_PATHS = ("/link/", "/first/", "/invitation/", "/sign-in/oidc")
_DEVICES = "/api/v1/devices/"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_GIVE_BACK = "rhinecloud.recognise"  # in the scope of a request that an app judges itself
COUNT: Final = (
    "rhinecloud.count"  # in the scope of every request: counts something by a rule, of whoever asks
)


class Buckets:
    """Buckets that fill by themselves; those of full ones need not be known."""

    def __init__(self, most: int = _MOST) -> None:
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._most = most

    def take(self, rule: Rule, who: str, now: float | None = None) -> float:
        """Take one; 0, or the seconds until there is one again."""
        now = time.monotonic() if now is None else now
        key = (rule.name, who)
        level, then = self._buckets.pop(key, (rule.burst, now))
        level = min(rule.burst, level + (now - then) * rule.rate)
        wait = 0.0 if level >= 1 else (1 - level) / rule.rate
        self._buckets[key] = (level - 1 if not wait else level, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return wait

    def give_back(self, rule: Rule, who: str) -> None:
        """Put one back that was taken."""
        key = (rule.name, who)
        if key in self._buckets:
            level, then = self._buckets[key]
            self._buckets[key] = (min(rule.burst, level + 1), then)

    def __len__(self) -> int:
        return len(self._buckets)


class Limits:
    """The limits of an installation. A request through a proxy is counted for whom the proxy names, if the proxy is
    one of `settings.proxies` or, with a public address, on this machine."""

    def __init__(self, settings: Settings) -> None:
        self._buckets = Buckets()
        self._proxies = [ipaddress.ip_network(one, strict=False) for one in settings.proxies.split()]
        if settings.public_url is not None:
            self._proxies += [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]

    def take(
        self, scope: Mapping[str, Any], headers: Mapping[str, str], actor: Actor, *, of_api: bool
    ) -> float:
        """Seconds to wait until the request may be made; 0 for at once."""
        safe = scope["method"] in _SAFE
        if actor.kind == "anonymous":
            if of_api and scope["path"].startswith(_DEVICES) and "authorization" in headers:
                return 0.0  # a device with its secret, or a gateway that speaks for many: they have limits of their own
            if of_api:
                rule = READING
            elif not safe:
                rule = TRYING
            elif scope["path"].startswith(_LINK_PATHS):
                rule = LINKS
            else:
                return 0.0
            return self._buckets.take(rule, self._neighbourhood(scope, headers))
        if actor.kind == "person" and not safe:
            return self._buckets.take(CHANGING, actor.id)
        return 0.0

    def take_unjudged(self, scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> float:
        """As `take`, for anybody whose secret an app judges: counted until `recognise` says that it is one."""
        who = self._neighbourhood(scope, headers)
        scope[_GIVE_BACK] = functools.partial(self._buckets.give_back, UNJUDGED, who)
        return self._buckets.take(UNJUDGED, who)

    def count(self, scope: Mapping[str, Any], headers: Mapping[str, str], rule: Rule) -> float:
        """Something of an app's that it limits itself: seconds until the neighbourhood of who asks may do it again."""
        return self._buckets.take(rule, self._neighbourhood(scope, headers))

    def failed(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> float:
        """Somebody came with a token that is none: seconds until they may try another."""
        return self._buckets.take(FAILED, self._neighbourhood(scope, headers))

    def _neighbourhood(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
        client = scope.get("client")
        address = client[0] if client else ""
        for named in reversed([part.strip() for part in headers.get("x-forwarded-for", "").split(",")]):
            if not named or not self._is_proxy(address):
                break
            address = named
        return neighbourhood(address)

    def _is_proxy(self, address: str) -> bool:
        try:
            found = _address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


def recognise(scope: MutableMapping[str, Any]) -> None:
    """Who asks has shown a secret that is known: their request does not count. Others are counted otherwise, or not."""
    give_back = scope.pop(_GIVE_BACK, None)
    if give_back is not None:
        give_back()


def count(scope: Mapping[str, Any], rule: Rule) -> float:
    """Count something of whoever sent a request: seconds until they may do it again, 0 for at once. Where no gate has
    looked nothing is counted."""
    counting = scope.get(COUNT)
    return 0.0 if counting is None else float(counting(rule))


def neighbourhood(address: str) -> str:
    """The network that counts as one: /24 of IPv4, /64 of IPv6."""
    try:
        found = _address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 64), strict=False))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(text)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
