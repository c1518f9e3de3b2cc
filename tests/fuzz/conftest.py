"""A real server for the tests of a module, and whom it may ask for @contexts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..conftest import Serve, Server
from .hostile import Hostile
from .judging import Asking


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    """A web server on loopback with @contexts of every bad kind."""
    with Hostile() as server:
        yield server


@pytest.fixture(scope="module")
def fuzzed(module_serve: Serve, hostile: Hostile) -> Iterator[Server]:
    """The server; it may call `hostile`, and must not have failed inside when the tests are through."""
    server = module_serve("--outbound-allow=127.0.0.1")
    yield server
    assert server.process.poll() is None, server.output
    assert "Traceback" not in server.output, server.output


@pytest.fixture(scope="module")
def ask(fuzzed: Server) -> Iterator[Asking]:
    """`ask("GET", "entities?type=X")`"""
    asking = Asking(fuzzed.base_url)
    yield asking
    asking.close()
