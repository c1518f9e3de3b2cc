"""The line with an ear on it, and a city that gateways may call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Serve, Server

from .definitions import Definitions
from .field import Office
from .line import Line, listening


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    """TALQ's own."""
    return Definitions()


@pytest.fixture(scope="module")
def line(definitions: Definitions) -> Iterator[Line]:
    """Between the city and its gateways."""
    with listening(definitions) as found:
        yield found


@pytest.fixture(scope="module")
def city(module_serve: Serve, line: Line) -> Server:
    """A city that may call gateways on this machine."""
    server = module_serve("--outbound-allow=127.0.0.0/8")
    line.cms_target = f"{server.base_url}/api/lighting/talq"
    return server


@pytest.fixture(scope="module")
def office(city: Server) -> Iterator[Office]:
    """Its staff."""
    found = Office(city)
    yield found
    found.http.close()
