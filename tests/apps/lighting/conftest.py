"""What tests of several areas need of a `server`: what the browser visits, lamps that report, rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from tests.conftest import Server
from tests.web.conftest import Street

from .faults.city import Lamps


@pytest.fixture(scope="module")
def city(server: Server) -> Iterator[Street]:
    found = Street(server.base_url)
    yield found
    found.client.close()


@pytest.fixture
async def lamps(server: Server) -> AsyncIterator[Lamps]:
    found = Lamps(server.base_url)
    await found.thresholds()
    yield found
    await found.http.aclose()


@pytest.fixture
async def rows(server: Server) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.database_url)
    yield connection
    await connection.close()
