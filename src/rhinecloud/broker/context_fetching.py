"""Remote @contexts: fetched at most once by all workers together, and fetched anew when their time has come.

Documents stay in the database (CIM 009 §5.13.1, kind "Cached"). The preloaded files stand in the place of the internet
for the URLs that they name. Of all workers the one that has claimed a URL fetches from it, the others wait for what it
finds; what failed is not tried again for a few seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from rhinecloud.model import LdContextNotAvailable
from rhinecloud.store import Database, contexts
from rhinecloud.store.contexts import StoredContext

from . import outbound
from .outbound import Allowed

_log = logging.getLogger(__name__)
LARGEST = 2_000_000  # bytes of a document
_PATIENCE = 10.0  # seconds for a whole download, however slowly it drips
_CLAIM = 15.0  # seconds after which whoever claimed a fetch is taken for dead
_AT_ONCE = 32  # downloads of a worker
_FAILED = 5.0  # seconds in which what failed is not tried again
_LOOK = 0.25  # seconds between looks for what another worker fetches, should its word be lost
_LONGEST_URL = 2_000

_DAY = timedelta(days=1)
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=30)
_RETRY = timedelta(minutes=10)
_EXPIRED_AT_ONCE = 20


class Fetched(msgspec.Struct, frozen=True):
    """A document {"@context": …}; `expires_at` is None for what never expires."""

    document: Any
    expires_at: datetime | None


class Fetching:
    """The Cached @contexts of a tenant, and how they come. `told` tells the other workers that something came."""

    def __init__(
        self,
        database: Database,
        preload: Mapping[str, Any],
        allowed: Allowed,
        told: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._told = told
        self._preload = {url: _only_context(url, document) for url, document in preload.items()}
        self._allowed = allowed
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[str, asyncio.Task[StoredContext]] = {}
        self._news = asyncio.Event()

    @property
    def preloaded(self) -> list[str]:
        """The URLs that need no internet."""
        return list(self._preload)

    def heard(self) -> None:
        """Another worker may have fetched what is waited for here."""
        self._news.set()
        self._news = asyncio.Event()

    async def obtain(self, url: str) -> StoredContext:
        """The document of a URL, fetched unless it is kept. Those who ask at once share one fetch.

        Raises LdContextNotAvailable.
        """
        task = self._under_way.get(url)
        if task is None:
            task = asyncio.create_task(self._obtain(url), name=f"@context {url}")
            self._under_way[url] = task
            task.add_done_callback(lambda done: self._done(url, done))
        return await asyncio.shield(task)

    async def reload(self, url: str) -> None:
        """Fetch anew (§5.13.5.4); on failure what was kept stays. Raises LdContextNotAvailable."""
        while not await contexts.claim_fetch(self._database.pool, url, _CLAIM, again=True):
            await self._wait()  # claims end
        await self._fetch(url)

    async def refresh(self) -> None:
        """Fetch anew what has expired (§6.3.16); on failure what was kept stays in use, and is tried again later."""
        pool = self._database.pool
        for url in await contexts.expired(pool, _EXPIRED_AT_ONCE):
            if not await contexts.claim_fetch(pool, url, _CLAIM):
                continue
            if not await contexts.has_expired(pool, url):  # another worker was there before the claim
                await contexts.end_fetch(pool, url)
                continue
            try:
                await self._fetch(url)
            except LdContextNotAvailable as error:
                await contexts.postpone(pool, url, datetime.now(UTC) + _RETRY, error.detail)

    async def close(self) -> None:
        """End what is under way."""
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _done(self, url: str, task: asyncio.Task[StoredContext]) -> None:
        self._under_way.pop(url, None)
        if not task.cancelled():
            task.exception()  # whoever asked may have gone away

    async def _wait(self) -> None:
        news = self._news
        try:
            async with asyncio.timeout(_LOOK):
                await news.wait()
        except TimeoutError:
            pass

    async def _obtain(self, url: str) -> StoredContext:
        pool = self._database.pool
        if len(url) > _LONGEST_URL:
            raise _unavailable(url[:80], f"an address has at most {_LONGEST_URL} characters")
        while True:
            kept = await self._kept(url)
            if kept is not None:
                return kept
            if await contexts.claim_fetch(pool, url, _CLAIM):
                if await self._kept(url) is not None:  # since the look before the claim
                    await contexts.end_fetch(pool, url)
                else:
                    await self._fetch(url)
                continue
            problem = await contexts.fetch_problem(pool, url)
            if problem is not None:
                raise LdContextNotAvailable(problem, field="/@context")
            await self._wait()

    async def _kept(self, url: str) -> StoredContext | None:
        kept = await contexts.by_url(self._database.pool, url)
        if kept is not None and self._preload.get(url, kept.document) != kept.document:
            return None  # there is another file for it than there was
        return kept

    async def _fetch(self, url: str) -> None:
        """Fetch what was claimed, and keep it."""
        pool = self._database.pool
        try:
            if url in self._preload:
                fetched = Fetched(self._preload[url], None)
            else:
                fetched = await self._download(url)
        except LdContextNotAvailable as error:
            _log.info("%s", error.detail)
            await contexts.fail_fetch(pool, url, error.detail, _FAILED)
            raise
        async with self._database.transaction() as connection:
            await contexts.cache(connection, url, fetched.document, fetched.expires_at)
            await contexts.end_fetch(connection, url)
        await self._told()

    async def _download(self, url: str) -> Fetched:
        try:
            async with asyncio.timeout(_PATIENCE), self._slots:
                return await _download(url, self._allowed)
        except TimeoutError:
            raise _unavailable(url, f"it was not there after {_PATIENCE:.0f} s") from None


async def _download(url: str, allowed: Allowed) -> Fetched:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in ("http", "https"):
        raise LdContextNotAvailable(f"{url} is not a web address", field="/@context")
    accept = {"Accept": "application/ld+json, application/json"}
    body = bytearray()
    try:
        async with outbound.client(allowed) as client, client.stream("GET", url, headers=accept) as answer:
            answer.raise_for_status()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise _unavailable(url, f"it is larger than {LARGEST} bytes")
        document = msgspec.json.decode(bytes(body))
    except RecursionError:
        raise _unavailable(url, "it is nested too deeply") from None
    except (httpx.HTTPError, httpx.InvalidURL, outbound.Forbidden, msgspec.DecodeError, ValueError) as error:
        raise _unavailable(url, str(error) or type(error).__name__) from None
    return Fetched(_only_context(url, document), expiry(answer.headers, datetime.now(UTC)))


def _unavailable(url: str, reason: str) -> LdContextNotAvailable:
    return LdContextNotAvailable(f"{url} cannot be fetched: {reason}", field="/@context")


def _only_context(url: str, document: Any) -> Any:
    """What is outside of the @context is discarded (§5.13.2.3)."""
    if not isinstance(document, dict) or "@context" not in document:
        raise LdContextNotAvailable(f"{url} holds no @context", field="/@context")
    return {"@context": document["@context"]}


def expiry(headers: Mapping[str, str], now: datetime) -> datetime:
    """When a document is to be fetched anew, from the headers of its answer (CIM 009 §6.3.16; RFC 9111 §4.2).

    Without a word about it: a tenth of its age, or else a day. Never sooner than in a minute nor later than in 30 days.
    """
    lifetime = _told_lifetime(headers, now)
    if lifetime is None:
        modified = _date(headers.get("last-modified"))
        lifetime = (now - modified) / 10 if modified is not None else _DAY
    return now + min(max(lifetime, _SHORTEST), _LONGEST)


def _told_lifetime(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    directives: dict[str, str] = {}
    for part in headers.get("cache-control", "").lower().split(","):
        name, _, value = part.strip().partition("=")
        directives[name] = value.strip('"')
    if "no-store" in directives or "no-cache" in directives:
        return timedelta()
    for name in ("s-maxage", "max-age"):
        value = directives.get(name, "")
        if value.isascii() and value.isdigit():
            return timedelta(seconds=min(int(value[:12]), _LONGEST.total_seconds()))
    expires = headers.get("expires")
    if expires is None:
        return None
    # What is no date has expired already (RFC 9111 §5.3).
    at = _date(expires)
    return at - (_date(headers.get("date")) or now) if at is not None else timedelta()


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def preloaded(where: Path | None) -> dict[str, Any]:
    """Contexts known without the internet, by URL.

    `where` is a JSON file that maps URLs to paths (relative to it), or a folder with such a file named `index.json`.
    Raises ValueError, in words, for what cannot be read.
    """
    if where is None:
        return {}
    index = where / "index.json" if where.is_dir() else where
    documents = {}
    try:
        for url, path in msgspec.json.decode(index.read_bytes(), type=dict[str, str]).items():
            documents[url] = _only_context(url, msgspec.json.decode((index.parent / path).read_bytes()))
    except (OSError, msgspec.MsgspecError, LdContextNotAvailable) as error:
        raise ValueError(f"the preloaded @contexts of {where} cannot be read: {error}") from None
    return documents
