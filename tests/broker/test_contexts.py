"""Stored @contexts (CIM 009 §5.13): fetched once by all workers, heard of by all, counted, fetched anew, bounded.

Each `Contexts` is what one worker has; they share the database and hear of each other over a real bus.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import pytest_asyncio

from rhinecloud.broker import context_fetching
from rhinecloud.broker.context_fetching import expiry
from rhinecloud.broker.contexts import CONTEXTS_PATH, WAKE, Contexts, own_id
from rhinecloud.broker.outbound import Allowed
from rhinecloud.bus import Bus
from rhinecloud.engines import Engines
from rhinecloud.model import (
    CORE_CONTEXT_URL,
    BadRequestData,
    Context,
    LdContextNotAvailable,
    OperationNotSupported,
    ResourceNotFound,
)
from rhinecloud.store import Database
from rhinecloud.store import contexts as store

from ..context_server import Web

Make = Callable[..., Awaitable[Contexts]]


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    served = Web()
    yield served
    served.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(module_database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(module_database_url, size=10)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def worker(database: Database, engines: Engines) -> AsyncIterator[Make]:
    """Each call is what another worker has."""
    made: list[tuple[Contexts, Bus]] = []

    async def make(allowed: str = "127.0.0.1", preload: dict[str, Any] | None = None) -> Contexts:
        bus = await Bus.connect(engines.nats_url, patience=10, **engines.nats_credentials.options())
        contexts = Contexts(
            database,
            allowed=Allowed(allowed),
            wake=lambda: bus.wake(WAKE),
            preload=preload,
            address="https://city.example",
        )
        await bus.on_wake(WAKE, contexts.heard)
        await contexts.open()
        made.append((contexts, bus))
        return contexts

    yield make
    for contexts, bus in made:
        await contexts.close()
        await bus.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


def term(iri: str) -> dict[str, str]:
    return {"power": f"https://ex.org/{iri}"}


async def power(contexts: Contexts, source: Any) -> str:
    return (await contexts.get(source)).expand_term("power")


async def test_all_workers_together_fetch_once_and_what_is_kept_needs_no_web(worker: Make, web: Web) -> None:
    inner = web.say(term("inner"))
    outer = web.say([inner.removeprefix(f"{web.url}/"), {"height": "https://ex.org/height"}])
    workers = [await worker() for _ in range(3)]
    web.gate.clear()
    asking = [asyncio.create_task(power(one, [outer])) for one in workers for _ in range(4)]

    async def asked() -> bool:
        return web.times(outer) > 0

    await until(asked)
    web.gate.set()
    assert set(await asyncio.gather(*asking)) == {"https://ex.org/inner"}
    assert (web.times(outer), web.times(inner)) == (1, 1)
    web.change(outer, None)
    later = await worker(allowed="")  # a worker that starts later, and may not even ask
    assert await power(later, outer) == "https://ex.org/inner"
    assert web.times(outer) == 1


async def test_what_failed_is_not_tried_again_at_once_by_any_worker(worker: Make, web: Web) -> None:
    url = f"{web.url}/missing-{uuid.uuid4()}"
    workers = [await worker(), await worker()]
    for one in (*workers, *workers):
        with pytest.raises(LdContextNotAvailable, match="404"):
            await one.get(url)
    assert web.times(url) == 1


async def test_a_fetch_of_a_worker_that_died_is_done_by_another(
    worker: Make, web: Web, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = web.say(term("after"))
    await database.pool.execute(
        "INSERT INTO context_fetch (url, until) VALUES ($1, now() + interval '0.3 seconds')", url
    )
    assert await power(await worker(), url) == "https://ex.org/after"


async def test_reloaded_and_deleted_ones_are_heard_of(worker: Make, web: Web) -> None:
    url = web.say(term("before"))
    one, other = await worker(), await worker()
    assert await power(one, [url]) == await power(other, [url]) == "https://ex.org/before"
    created = (await one.details(url)).created_at
    web.change(url, term("after"))
    await one.reload(url)
    assert await power(one, [url]) == "https://ex.org/after"

    async def heard() -> bool:
        return await power(other, [url]) == "https://ex.org/after"

    await until(heard)
    assert (await other.details(url)).created_at > created

    web.change(url, None)
    with pytest.raises(LdContextNotAvailable, match="404"):
        await one.reload(url)
    assert await power(one, [url]) == "https://ex.org/after"  # what was kept stays
    await one.delete((await one.details(url)).id)
    with pytest.raises(ResourceNotFound):
        await one.details(url)

    async def gone() -> bool:
        try:
            await other.get([url])
        except LdContextNotAvailable:
            return True
        return False

    await until(gone)


async def test_hosted_ones_are_found_by_every_name_of_this_broker_and_nobody_is_asked(
    worker: Make, database: Database
) -> None:
    one, other = await worker(allowed=""), await worker(allowed="")
    local_id = await one.add({"@context": [term("hosted"), CORE_CONTEXT_URL], "other": 1})
    assert await other.serve(local_id) == {"@context": [term("hosted"), CORE_CONTEXT_URL]}
    path = CONTEXTS_PATH + local_id
    escaped = CONTEXTS_PATH + local_id.replace(":", "%3A")
    for url in (
        f"https://city.example{path}", f"http://127.0.0.1:9090{path}", f"http://proxy/behind/it{path}",
        f"http://localhost{escaped}", f"http://[::1]:80{path}/",
    ):  # fmt: skip
        assert own_id(url) == local_id
        assert await power(other, [url]) == "https://ex.org/hosted"
        assert (await other.details(url)).id == local_id
    nested = await one.add({"@context": [f"https://city.example{path}", {"b": "https://ex.org/b"}]})
    assert await power(other, f"http://x{CONTEXTS_PATH}{nested}") == "https://ex.org/hosted"
    details = await one.details(local_id)
    assert (details.kind, details.url) == ("Hosted", None)
    await one.delete(local_id)
    with pytest.raises(LdContextNotAvailable, match="here"):
        await one.get(f"https://city.example{path}")
    for url in ("https://city.example/x", f"ftp://x{path}", f"http://x?y={path}", f"http://x{path}1", ""):
        assert own_id(url) is None


@pytest.mark.parametrize(
    "document",
    [
        5, [], {}, {"a": 1}, {"@context": 5}, {"@context": [5]}, {"@context": {"a": 5}},
        {"@context": {"a": {"@id": "https://ex.org/a", "@context": {}}}},
        {"@context": {"@import": "https://ex.org/"}}, {"@context": ["no url"]},
        {"@context": {f"t{n}": "https://ex.org/" + "x" * 400 for n in range(5_000)}},
    ],
)  # fmt: skip
async def test_what_is_no_context_is_not_hosted(worker: Make, document: Any) -> None:
    with pytest.raises(BadRequestData):
        await (await worker()).add(document)


async def test_cached_ones_are_not_served_and_the_core_context_stays(worker: Make, web: Web) -> None:
    contexts = await worker()
    url = web.say(term("x"))
    await contexts.get(url)
    with pytest.raises(OperationNotSupported):
        await contexts.serve(url)
    with pytest.raises(OperationNotSupported):
        await contexts.serve((await contexts.details(url)).id)
    for core in (
        CORE_CONTEXT_URL,
        CORE_CONTEXT_URL.replace("v1.8", "v1.3"),
        (await contexts.details(CORE_CONTEXT_URL)).id,
    ):
        with pytest.raises(BadRequestData, match="core"):
            await contexts.delete(core)
        await contexts.reload(core)
        assert (await contexts.details(core)).url == CORE_CONTEXT_URL
    for identity in ("unknown", "urn:uuid:00000000-0000-0000-0000-000000000000"):
        with pytest.raises(ResourceNotFound):
            await contexts.serve(identity)
        with pytest.raises(ResourceNotFound):
            await contexts.delete(identity)
        with pytest.raises(BadRequestData):
            await contexts.reload(identity)
    hosted = await contexts.add({"@context": {}})
    with pytest.raises(BadRequestData):
        await contexts.reload(hosted)
    assert await contexts.serve(hosted) == {"@context": {}}


async def test_hits_are_gathered_and_written_together(
    worker: Make, web: Web, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []

    async def count_hits(connection: Any, uses: Any) -> None:
        writes.append(len(uses))
        await really(connection, uses)

    really = store.count_hits
    monkeypatch.setattr(store, "count_hits", count_hits)
    inner = web.say(term("inner"))
    outer = web.say([inner])
    one, other = await worker(), await worker()
    before = datetime.now(UTC) - timedelta(seconds=1)
    for _ in range(50):
        await one.get(outer)
    await one.compiled(outer)  # a use of our own
    found = await one.details(outer)
    assert (found.hits, (await one.details(inner)).hits, (await one.details(outer)).hits) == (50, 50, 51)
    assert found.used_at is not None and before < found.used_at <= datetime.now(UTC)
    assert len(writes) < 10  # a write or two for 50 uses of two documents, one before each look
    await asyncio.gather(*(contexts.get(outer) for contexts in (one, other) for _ in range(10)))
    await asyncio.gather(one.close(), other.close())
    hits = await database.pool.fetchval("SELECT hits FROM context WHERE url = $1", outer)
    assert hits == 52 + 20


async def test_expired_ones_are_fetched_anew_by_one_worker_and_stay_in_use_until_then(
    worker: Make, web: Web, database: Database
) -> None:
    changed, away = web.say(term("before")), web.say(term("away"))
    one, other = await worker(), await worker()
    for url in (changed, away):
        await one.get(url), await other.get(url)
    web.change(changed, term("after"))
    web.change(away, None)
    await database.pool.execute(
        "UPDATE context SET expires_at = now() - interval '1 second' WHERE url = ANY($1)", [changed, away]
    )
    assert await power(one, changed) == "https://ex.org/before"
    await asyncio.gather(one.refresh(), other.refresh())
    assert (web.times(changed), web.times(away)) == (2, 2)

    async def heard() -> bool:
        return {await power(one, changed), await power(other, changed)} == {"https://ex.org/after"}

    await until(heard)
    generation = other.generation
    await database.pool.execute(
        "UPDATE context SET expires_at = now() - interval '1 second' WHERE url = $1", changed
    )
    await one.refresh()
    await other._look()
    assert web.times(changed) == 3
    assert other.generation == generation  # the same as before: nothing is compiled anew
    assert await power(one, away) == "https://ex.org/away"
    kept = await one.details(away)
    assert kept.problem is not None and "404" in kept.problem
    assert kept.expires_at is not None and kept.expires_at > datetime.now(UTC)
    assert (await one.details(changed)).problem is None


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 86_400),
        ({"cache-control": "max-age=600"}, 600),
        ({"cache-control": "public, MAX-AGE=600, s-maxage=1200"}, 1_200),
        ({"cache-control": "max-age=600", "expires": format_datetime(NOW)}, 600),
        ({"cache-control": "no-store"}, 60),
        ({"cache-control": "max-age=0"}, 60),
        ({"cache-control": "max-age=99999999999999999999999"}, 30 * 86_400),
        ({"cache-control": "max-age=x", "expires": format_datetime(NOW + timedelta(hours=2))}, 7_200),
        ({"expires": format_datetime(NOW), "date": format_datetime(NOW - timedelta(hours=2))}, 7_200),
        ({"expires": "0"}, 60),
        ({"last-modified": format_datetime(NOW - timedelta(days=100))}, 10 * 86_400),
        ({"last-modified": format_datetime(NOW + timedelta(days=1))}, 60),
        ({"last-modified": "never"}, 86_400),
    ],
)  # fmt: skip
def test_when_a_document_expires(headers: dict[str, str], seconds: int) -> None:
    assert expiry(headers, NOW) == NOW + timedelta(seconds=seconds)


async def test_preloaded_ones_stand_in_the_place_of_the_web(worker: Make, web: Web) -> None:
    url = web.say(term("web"))
    contexts = await worker(preload={url: {"@context": term("file")}})
    assert await power(contexts, url) == "https://ex.org/file"
    assert (await contexts.details(url)).expires_at is None
    await contexts.delete(url)
    assert await power(contexts, url) == "https://ex.org/file"
    await contexts.reload(url)
    # Another file the next time it is started.
    assert await power(await worker(preload={url: {"@context": term("new")}}), url) == "https://ex.org/new"
    assert web.times(url) == 0


async def test_cached_ones_that_nobody_used_for_long_make_room(
    worker: Make, web: Web, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhinecloud.broker.contexts._CACHED", 3)
    urls = [web.say(term(str(n))) for n in range(6)]
    contexts = await worker(preload={urls[5]: {"@context": {}}})
    hosted = await contexts.add({"@context": {}})
    for url in urls:
        await contexts.get(url)
        await contexts.details(url)
    subscribed = [web.say({}), web.say({})]
    for number, (named, source) in enumerate(zip(subscribed, (None, [subscribed[1], {}]), strict=True)):
        await contexts.compiled(named)
        document = {"jsonldContext": named if source is None else "https://elsewhere.example/"}
        await database.pool.execute(
            "INSERT INTO subscription (id, document, context, since, revision) VALUES ($1, $2::jsonb, $3::jsonb, 0, 0)",
            f"urn:x:{number}",
            json.dumps(document),
            json.dumps(source),
        )
    await contexts.get(urls[0])
    await contexts.details(urls[0])
    await contexts.refresh()
    kept = {one.url for one in await contexts.page("Cached", 1_000, 0)}
    assert kept == {CORE_CONTEXT_URL, urls[0], urls[3], urls[4], urls[5], *subscribed}
    assert (await contexts.details(hosted)).kind == "Hosted"


async def test_lists_are_paged(worker: Make, database: Database) -> None:
    contexts = await worker()
    await database.pool.execute("DELETE FROM context")
    ids = [await contexts.add({"@context": term(str(n))}) for n in range(5)]
    assert [one.id for one in await contexts.page("Hosted", 2, 2)] == ids[2:4]
    assert await contexts.page("ImplicitlyCreated", 9, 0) == []
    assert (await contexts.count("Hosted"), await contexts.count(None), await contexts.count("Cached")) == (
        5,
        5,
        0,
    )


async def test_documents_without_end_are_refused_in_time(
    worker: Make, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_fetching, "_PATIENCE", 0.5)
    contexts = await worker()
    itself = web.say(None)
    web.change(itself, [itself])
    first, second = web.say(None), web.say(None)
    web.change(first, second), web.change(second, [[first]])
    chain = [web.say({})]
    for _ in range(20):
        chain.append(web.say(chain[-1]))
    many = [f"{web.url}/{n}" for n in range(100)]
    for source, error in (
        (itself, BadRequestData),
        ([first], BadRequestData),
        (chain[-1], LdContextNotAvailable),
        (many, BadRequestData),
        ("http://127.0.0.1/" + "x" * 5_000, LdContextNotAvailable),
        ({"@import": itself}, BadRequestData),
    ):
        with pytest.raises(error):
            await contexts.get(source)
    assert not any(web.times(url) for url in many)
    for body in (b" " * 3_000_000, b"[" * 100_000, b"no JSON", b"{}", b"\xff", b'{"@context": 5}'):
        url = web.say(None)
        web.said[url.removeprefix(web.url)] = body
        with pytest.raises((LdContextNotAvailable, BadRequestData)):
            await contexts.get(url)
    slow = web.say({})
    web.gate.clear()
    with pytest.raises(LdContextNotAvailable, match="not there after"):
        await contexts.get(slow)
    web.gate.set()


@pytest.mark.parametrize("place", ["listed", "hosted", "nested", "in a document"])
async def test_private_addresses_are_refused_wherever_they_stand(
    worker: Make, web: Web, database: Database, place: str
) -> None:
    private = web.say(term("private")).replace("127.0.0.1", "localhost")
    contexts = await worker(allowed="")
    if place == "hosted":
        source: Any = f"http://x{CONTEXTS_PATH}{await contexts.add({'@context': [[private], {}]})}"
    elif place == "in a document":
        source = f"https://public.example/{uuid.uuid4()}"
        await database.pool.execute(
            "INSERT INTO context (kind, url, document) VALUES ('Cached', $1, $2::json)",
            source,
            json.dumps({"@context": [private]}),
        )
    else:
        source = [private] if place == "listed" else [[{"a": "https://ex.org/a"}, [private]]]
    with pytest.raises(LdContextNotAvailable, match="may not be called"):
        await contexts.get(source)
    assert web.times(private.replace("localhost", "127.0.0.1")) == 0


async def test_what_is_kept_in_memory_has_bounds(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhinecloud.broker.contexts._TERMS", 2_000)
    monkeypatch.setattr("rhinecloud.broker.contexts._COMPILED", 20)
    monkeypatch.setattr("rhinecloud.broker.contexts._DOCUMENTS", 500)
    contexts = await worker()
    hosted = [await contexts.add({"@context": {f"t{n}": "https://ex.org/x"}}) for n in range(30)]
    for n, local_id in enumerate(hosted):
        found = await contexts.get([f"http://x{CONTEXTS_PATH}{local_id}", {f"own{n}": "https://ex.org/own"}])
        assert found.expand_term(f"t{n}") == "https://ex.org/x"
        assert isinstance(found, Context)
    assert sum(one.context.size for one in contexts._compiled.values()) <= 2_000
    assert sum(one.size for one in contexts._documents.values()) <= 500
