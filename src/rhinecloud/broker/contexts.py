"""@contexts: compiled once for each list that is used; stored, managed and served (CIM 009 §5.5.7, §5.13)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from rhinecloud.model import (
    CORE,
    CORE_CONTEXT_URL,
    BadRequestData,
    Context,
    LdContextNotAvailable,
    OperationNotSupported,
    ResourceNotFound,
)
from rhinecloud.model.core_context import core_document, is_core_context_url
from rhinecloud.store import Database, Unavailable, contexts
from rhinecloud.store.contexts import KINDS, Details, StoredContext
from rhinecloud.tasks import stop

from .context_fetching import LARGEST, Fetching, preloaded
from .outbound import Allowed

__all__ = ["CONTEXTS_PATH", "KINDS", "WAKE", "Contexts", "Details", "preloaded"]

_log = logging.getLogger(__name__)
CONTEXTS_PATH = "/ngsi-ld/v1/jsonldContexts/"
WAKE = "contexts"  # the name under which workers tell each other that something changed

_COMPILED = 256  # lists of contexts kept compiled,
_TERMS = 250_000  # and the terms of all of them
_DOCUMENTS = 8_000_000  # characters of documents kept beside them, for lists that share some
_ROUNDS = 12  # documents may name documents, so deep
_PATIENCE = 30.0  # seconds for all documents of a list
_CACHED = 1_000  # Cached @contexts kept, beside the preloaded ones
_LOOK = 5.0  # seconds between writing hits down, and looking for changes of which the word was lost
_REFRESH = 60.0  # seconds between looks for expired ones
_LONG_KEY = 1_000

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
# Whichever name this broker is called by, what ends so is one of its own; ids are unique.
_OWN = re.compile(
    rf"https?://[^?#]*{CONTEXTS_PATH}(urn(?::|%3A)uuid(?::|%3A)[0-9a-f-]{{36}})/?", re.IGNORECASE
)


class _Compiled(msgspec.Struct, frozen=True):
    """A list of contexts, compiled, and the local ids of the stored documents that it is made of."""

    context: Context
    ids: tuple[str, ...]


class Contexts:
    """The @contexts of a tenant: what requests name is turned into compiled ones, what clients store is served.

    Documents are in the database; here are compiled ones. When one changes, `wake` tells the other workers, and
    `heard` is to be called in each. `address` is where clients reach this broker; without it each request says so by
    its Host, and `secure` whether that is by HTTPS. `allowed` says which hosts may be asked.
    """

    def __init__(
        self,
        database: Database,
        *,
        preload: Mapping[str, Any] | None = None,
        allowed: Allowed | None = None,
        wake: Callable[[], Awaitable[None]] | None = None,
        address: str | None = None,
        secure: bool = False,
    ) -> None:
        self._database = database
        self.allowed = allowed or Allowed()
        self._address = address.rstrip("/") if address else None
        self._scheme = "https" if secure else "http"
        self._wake = wake
        self._fetching = Fetching(database, preload or {}, self.allowed, self._tell)
        self._compiled: OrderedDict[str | bytes, _Compiled] = OrderedDict()
        self._terms = 0
        self._documents: OrderedDict[str, StoredContext] = OrderedDict()
        self._characters = 0
        self._versions: dict[str, int] = {}
        self.generation = 0  # rises whenever what was compiled may differ from what would be now
        self._hits: dict[str, tuple[int, float]] = {}
        self._writing = asyncio.Lock()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to listen, to write hits down and to fetch anew what expires."""
        await contexts.keep(self._database.pool, CORE_CONTEXT_URL, core_document())
        self._task = asyncio.create_task(self._tend(), name="contexts")

    async def close(self) -> None:
        """Write down what was counted, and stop."""
        await stop(self._task)
        await self._fetching.close()
        try:
            await self._write_hits()
        except Unavailable as error:
            _log.warning("hits of @contexts are not written down: %s", error)

    def heard(self) -> None:
        """Something changed, or was fetched, here or in another worker."""
        self._fetching.heard()
        self._woken.set()

    # For requests ----------------------------------------------------------------------------------------------

    async def get(self, source: Any) -> Context:
        """The compiled form of a URL, a context object, or a list of these; None is the core context. It counts as a
        use of the stored ones among them.

        Raises BadRequestData for what is no context, LdContextNotAvailable for what cannot be fetched.
        """
        if source is None or source == []:
            return CORE
        found = await self._get(source)
        now = time.time()
        for local_id in found.ids:
            self._hits[local_id] = (self._hits.get(local_id, _NEVER)[0] + 1, now)
        return found.context

    async def compiled(self, source: Any) -> Context:
        """As `get` for a use of our own, which is not counted."""
        return CORE if source is None or source == [] else (await self._get(source)).context

    async def _get(self, source: Any) -> _Compiled:
        key = _key(source)
        found = self._compiled.get(key)
        if found is not None:
            self._compiled.move_to_end(key)
            return found
        while True:
            generation = self.generation
            found = await self._compile(source)
            if generation == self.generation:  # else something changed on the way
                break
        if key not in self._compiled:
            self._compiled[key] = found
            self._terms += found.context.size
            while len(self._compiled) > _COMPILED or self._terms > _TERMS and len(self._compiled) > 1:
                self._terms -= self._compiled.popitem(last=False)[1].context.size
        return found

    async def _compile(self, source: Any) -> _Compiled:
        stored: dict[str, StoredContext] = {}
        missing: list[str] = []

        def load(url: str) -> Any:
            if url in stored:
                return stored[url].document
            missing.append(url)
            return _NOTHING

        try:
            async with asyncio.timeout(_PATIENCE):
                for _ in range(_ROUNDS):
                    context = Context.compile(source, load)
                    if not missing:
                        return _Compiled(context, tuple(dict.fromkeys(one.id for one in stored.values())))
                    found = await asyncio.gather(*map(self._document, missing))
                    stored.update(zip(missing, found, strict=True))
                    missing.clear()
        except TimeoutError:
            raise LdContextNotAvailable(
                f"the documents of the @context were not there after {_PATIENCE:.0f} s", field="/@context"
            ) from None
        raise LdContextNotAvailable("the @context names ever further documents", field="/@context")

    async def _document(self, url: str) -> StoredContext:
        kept = self._documents.get(url)
        if kept is not None:
            self._documents.move_to_end(url)
            return kept
        generation = self.generation
        found = await self._find(url)
        if generation == self.generation:
            self._documents[url] = found
            self._characters += found.size
            while self._characters > _DOCUMENTS:
                self._characters -= self._documents.popitem(last=False)[1].size
            self._versions[found.id] = found.version
        return found

    async def _find(self, url: str) -> StoredContext:
        local_id = own_id(url)
        if local_id is not None:
            own = await contexts.by_id(self._database.pool, local_id)
            if own is not None:
                return own
            if self._address is not None and url.startswith(self._address):
                raise LdContextNotAvailable(f"there is no @context {local_id} here", field="/@context")
        return await self._fetching.obtain(url)

    def url_of(self, local_id: str, host: str) -> str:
        """Where a Hosted or ImplicitlyCreated @context is served. `host` is the one that the client called."""
        place = host if _HOST.fullmatch(host) else "localhost"
        return f"{self._address or f'{self._scheme}://{place}'}{CONTEXTS_PATH}{local_id}"

    # For those who manage them -----------------------------------------------------------------------------------

    async def add(self, document: Any) -> str:
        """Keep the @context of a document as a Hosted one and return its local id (§5.13.2). What it names by URL is
        fetched when it is used.

        Raises BadRequestData for what is no @context.
        """
        if not isinstance(document, dict) or "@context" not in document:
            raise BadRequestData("an object with the member @context is expected", field="/@context")
        kept = {"@context": document["@context"]}
        if len(msgspec.json.encode(kept)) > LARGEST:
            raise BadRequestData(f"an @context has at most {LARGEST} bytes", field="/@context")
        Context.compile(kept["@context"], lambda url: _NOTHING)
        return await contexts.host(self._database.pool, kept)

    async def page(self, kind: str | None, limit: int, offset: int) -> list[Details]:
        """A page of the stored @contexts, or those of a kind, oldest first (§5.13.3)."""
        await self._write_hits()
        return await contexts.page(self._database.pool, kind, limit, offset)

    async def count(self, kind: str | None) -> int:
        """The number of the stored @contexts, or those of a kind."""
        return await contexts.count(self._database.pool, kind)

    async def details(self, identity: str) -> Details:
        """What is known of the @context of a local id or a URL (§5.13.4); the look counts as a hit, after it.

        Hits of other workers are seen a few seconds later. Raises ResourceNotFound.
        """
        await self._write_hits()
        found = await self._details(identity)
        if found is None:
            raise _missing(identity)
        self._hits[found.id] = (self._hits.get(found.id, _NEVER)[0] + 1, time.time())
        return found

    async def serve(self, identity: str) -> Any:
        """The document of a Hosted or ImplicitlyCreated @context (§5.13.4). Raises ResourceNotFound,
        OperationNotSupported."""
        details = await self._details(identity)
        found = await contexts.by_id(self._database.pool, details.id) if details is not None else None
        if found is None:
            raise _missing(identity)
        if found.kind == contexts.CACHED:
            raise OperationNotSupported("a Cached @context is served by its own URL only (CIM 009 §5.13.4)")
        return found.document

    async def delete(self, identity: str) -> None:
        """Forget an @context (§5.13.5). Raises ResourceNotFound, BadRequestData for the core context."""
        found = await self._details(identity)
        if found is None:
            raise _missing(identity)
        if found.url == CORE_CONTEXT_URL:
            raise BadRequestData(
                "the core @context is part of the broker and cannot be deleted (CIM 009 §4.4)"
            )
        if not await contexts.delete(self._database.pool, found.id):
            raise _missing(identity)
        self._forget_compiled()
        await self._tell()

    async def reload(self, identity: str) -> None:
        """Fetch a Cached @context anew, and keep the old one if that fails (§5.13.5).

        The core context is built in and invariant: there is nothing to fetch. Raises BadRequestData for what is not
        Cached, LdContextNotAvailable.
        """
        found = await self._details(identity)
        if found is None or found.url is None:
            raise BadRequestData(f"{identity} is no Cached @context, and no other can be reloaded")
        if found.url != CORE_CONTEXT_URL:
            await self._fetching.reload(found.url)
            self._forget_compiled()

    async def _details(self, identity: str) -> Details | None:
        if is_core_context_url(identity):
            identity = CORE_CONTEXT_URL
        return await contexts.details(self._database.pool, own_id(identity) or identity)

    # What changes ------------------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        if self._wake is not None:
            await self._wake()

    def _forget_compiled(self) -> None:
        self.generation += 1
        self._compiled.clear()
        self._documents.clear()
        self._versions.clear()
        self._terms = self._characters = 0

    async def _look(self) -> None:
        """Forget what was compiled if a document that it was made of has changed."""
        if self._versions:
            generation, known = self.generation, dict(self._versions)
            now = await contexts.versions(self._database.pool, list(known))
            if now != known and generation == self.generation:
                self._forget_compiled()

    async def _write_hits(self) -> None:
        async with self._writing:  # who looks next shall see what is being written
            if not self._hits:
                return
            counted, self._hits = self._hits, {}
            uses = {
                local_id: (number, datetime.fromtimestamp(at, UTC))
                for local_id, (number, at) in counted.items()
            }
            try:
                await contexts.count_hits(self._database.pool, uses)
            except Unavailable:
                for local_id, (number, at) in counted.items():
                    since, last = self._hits.get(local_id, _NEVER)
                    self._hits[local_id] = (since + number, max(last, at))
                raise

    async def _tend(self) -> None:
        refreshed = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(_LOOK):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                await self._look()
                await self._write_hits()
                if time.monotonic() - refreshed > _REFRESH:
                    refreshed = time.monotonic()
                    await self.refresh()
            except Unavailable as error:
                _log.warning("contexts: %s; begins again", error)
            except Exception:
                _log.exception("contexts: begins again")

    async def refresh(self) -> None:
        """Fetch anew what has expired, forget what is too much."""
        await self._fetching.refresh()
        spared = [CORE_CONTEXT_URL, *self._fetching.preloaded]
        await contexts.crowd_out(self._database.pool, _CACHED, spared)
        await self._look()


_NEVER = (0, 0.0)
_NOTHING: dict[str, Any] = {"@context": {}}


def _key(source: Any) -> str | bytes:
    text = source if isinstance(source, str) else json.dumps(source)
    return text if len(text) <= _LONG_KEY else hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def own_id(url: str) -> str | None:
    """The local id in the URL of a stored @context, by whichever name the broker is called; None in any other."""
    match = _OWN.fullmatch(url)
    return unquote(match.group(1)).lower() if match else None


def _missing(identity: str) -> ResourceNotFound:
    return ResourceNotFound(f"there is no @context {identity:.200}")
