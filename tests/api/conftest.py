"""A real server for the tests of a module, and a client for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx
import pytest

from ..conftest import Server

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    """A client whose paths begin below /ngsi-ld/v1/."""
    with httpx.Client(base_url=f"{server.base_url.rstrip('/')}/ngsi-ld/v1/", timeout=20) as client:
        yield client


@pytest.fixture
def new_id() -> str:
    """An id that no other test uses."""
    return f"urn:ngsi-ld:Lamp:t{next(_numbers)}."  # so that what is put behind it is new too
