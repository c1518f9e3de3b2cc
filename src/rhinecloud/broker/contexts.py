"""@contexts: compiled once for each list that is used, remote documents fetched at most once (CIM 009 §5.5.7)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from rhinecloud.model import CORE, Context, LdContextNotAvailable
from rhinecloud.store import Database

from . import outbound
from .outbound import Allowed

_log = logging.getLogger(__name__)
_COMPILED = 256  # lists of contexts kept compiled
_LARGEST = 2_000_000  # bytes of a remote context
_ROUNDS = 12  # a document that is fetched may name further ones


class _Missing(Exception):
    def __init__(self, url: str) -> None:
        self.url = url


class Contexts:
    """Turns what a request names as its @context into a compiled one.

    Remote documents come from the preloaded files, then from the database, then from the internet; what came from
    there stays in the database. `allowed` says which hosts may be asked.
    """

    def __init__(
        self, database: Database, *, preload: dict[str, Any] | None = None, allowed: Allowed | None = None
    ) -> None:
        self._database = database
        self.allowed = allowed or Allowed()
        self._documents: dict[str, Any] = dict(preload or {})
        self._compiled: OrderedDict[str, Context] = OrderedDict()
        self._fetching: dict[str, asyncio.Future[Any]] = {}

    async def get(self, source: Any) -> Context:
        """The compiled form of a URL, a context object, or a list of these; None is the core context.

        Raises BadRequestData for what is no context, LdContextNotAvailable for what cannot be fetched.
        """
        if source is None or source == []:
            return CORE
        key = source if isinstance(source, str) else json.dumps(source)
        found = self._compiled.get(key)
        if found is not None:
            self._compiled.move_to_end(key)
            return found
        for _ in range(_ROUNDS):
            try:
                context = Context.compile(source, self._load)
                break
            except _Missing as missing:
                await self._fetch(missing.url)
        else:
            raise LdContextNotAvailable("the @context names ever further documents", field="/@context")
        self._compiled[key] = context
        if len(self._compiled) > _COMPILED:
            self._compiled.popitem(last=False)
        return context

    def _load(self, url: str) -> Any:
        if url not in self._documents:
            raise _Missing(url)
        return self._documents[url]

    async def _fetch(self, url: str) -> None:
        """Put the document into memory; several who ask at once share one fetch."""
        running = self._fetching.get(url)
        if running is None:
            running = asyncio.ensure_future(self._obtain(url))
            self._fetching[url] = running
            running.add_done_callback(lambda _: self._fetching.pop(url, None))
        self._documents[url] = await asyncio.shield(running)

    async def _obtain(self, url: str) -> Any:
        kept = await self._database.pool.fetchval("SELECT document FROM context WHERE url = $1", url)
        if kept is not None:
            return msgspec.json.decode(kept)
        document = await self._download(url)
        await self._database.pool.execute(
            "INSERT INTO context (url, document) VALUES ($1, $2::jsonb) ON CONFLICT DO NOTHING",
            url,
            msgspec.json.encode(document).decode(),
        )
        return document

    async def _download(self, url: str) -> Any:
        try:
            scheme = urlsplit(url).scheme
        except ValueError:
            scheme = ""
        if scheme not in ("http", "https"):
            raise LdContextNotAvailable(f"{url} is not a web address", field="/@context")
        try:
            async with (
                outbound.client(self.allowed) as client,
                client.stream(
                    "GET", url, headers={"Accept": "application/ld+json, application/json"}
                ) as answer,
            ):
                answer.raise_for_status()
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > _LARGEST:
                        raise LdContextNotAvailable(
                            f"{url} is larger than {_LARGEST} bytes", field="/@context"
                        )
            document = msgspec.json.decode(bytes(body))
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            outbound.Forbidden,
            msgspec.DecodeError,
            ValueError,
        ) as error:
            _log.info("@context %s: %s", url, error)
            raise LdContextNotAvailable(f"{url} cannot be fetched: {error}", field="/@context") from None
        if not isinstance(document, dict) or "@context" not in document:
            raise LdContextNotAvailable(f"{url} holds no @context", field="/@context")
        return {"@context": document["@context"]}


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
            documents[url] = msgspec.json.decode((index.parent / path).read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"the preloaded @contexts of {where} cannot be read: {error}") from None
    return documents
