"""A served city with roads, detectors and lamps, its office, and what the browser visits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Serve, Server

from ....web.conftest import Street
from .field import Office


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Server:
    return module_serve()


@pytest.fixture(scope="module")
def office(server: Server) -> Iterator[Office]:
    found = Office(server)
    found.set_up()
    yield found
    found.http.close()


@pytest.fixture(scope="module")
def city(server: Server, office: Office) -> Iterator[Street]:
    """What the browser visits."""
    found = Street(server.base_url)
    yield found
    found.client.close()
