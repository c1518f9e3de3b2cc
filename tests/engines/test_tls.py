"""HTTPS with certificate files, by two workers behind one port."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from tests.conftest import Serve


def test_pages_and_api_are_served_over_https(serve: Serve, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    server = serve("--workers=2", f"--tls-cert={certificate}", f"--tls-key={key}")
    assert server.base_url.startswith("https://")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with httpx.Client(base_url=server.base_url, verify=trusting) as client:
        assert client.get("/ngsi-ld/v1/types").status_code == 200
        assert client.get("/health").status_code in (200, 503)  # 503 only where the pages were never built
    with pytest.raises(httpx.ConnectError), httpx.Client(base_url=server.base_url) as stranger:
        stranger.get("/health")
