"""`rhinecloud demo`: the first command anyone types."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.conftest import Serve
from tests.engines.test_supervision import embedded


@embedded
def test_the_demo_starts_again_on_its_data_and_takes_other_ports(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = serve(command="demo")
    entity = {"id": "urn:ngsi-ld:Bench:1", "type": "Bench"}
    entities = f"{first.base_url}/ngsi-ld/v1/entities"
    assert httpx.post(entities, json=entity).status_code == 201
    assert first.stop() == 0

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.delenv("RHINECLOUD_PORT", raising=False)
        again = serve(f"--port={port}", command="demo", data=first.data, wait=False)
        assert again.process.wait(20) == 1  # a port that one asks for is not exchanged silently
        assert "address already in use" in again.output
    again = serve(command="demo", data=first.data)
    assert httpx.get(f"{again.base_url}/ngsi-ld/v1/entities/urn:ngsi-ld:Bench:1").status_code == 200
    assert "OPEN: no sign-in" in again.output
