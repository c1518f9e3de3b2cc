"""Over HTTPS, where it is set: a gateway has to show a certificate made for it, besides its key."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import trustme

from tests.conftest import Serve, new_folder

_ANNOUNCE = "/api/lighting/talq/devices"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Of the city."""
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(authority: trustme.CA) -> Iterator[Path]:
    """With what the city shows, and whom it believes."""
    found = new_folder()
    found.chmod(0o755)
    shown = authority.issue_cert("127.0.0.1", "localhost")
    (found / "chain.pem").write_bytes(b"".join(one.bytes() for one in shown.cert_chain_pems))
    (found / "key.pem").write_bytes(shown.private_key_pem.bytes())
    (found / "authority.pem").write_bytes(authority.cert_pem.bytes())
    for file in found.iterdir():
        file.chmod(0o644)
    yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture(scope="module")
def address(module_serve: Serve, folder: Path) -> str:
    """Of a city that asks gateways for a certificate."""
    server = module_serve(
        f"--tls-cert={folder / 'chain.pem'}",
        f"--tls-key={folder / 'key.pem'}",
        f"--tls-client-authority={folder / 'authority.pem'}",
        environ={"RHINECLOUD_LIGHTING_TALQ_CLIENT_CERTIFICATES": "true"},
    )
    return server.base_url


def client(folder: Path, certificate: trustme.LeafCert | None = None) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    if certificate is not None:
        certificate.configure_cert(context)
    return httpx.Client(verify=context, timeout=60, headers={"Sec-Fetch-Site": "same-origin"})


def test_a_gateway_shows_its_own_certificate_besides_its_key(
    address: str, folder: Path, authority: trustme.CA
) -> None:
    with client(folder) as people:  # nobody else has to show one
        admitted = people.post(f"{address}/api/lighting/gateways", json={"name": "north.example.org"})
        assert admitted.status_code == 201, admitted.text
        key = admitted.json()["key"]

    def announced(certificate: trustme.LeafCert | None) -> httpx.Response:
        with client(folder, certificate) as gateway:
            return gateway.post(
                address + _ANNOUNCE,
                params={"talqRequestId": str(uuid4())},
                headers={"talq-api-version": "2.7.1", "authorization": f"Bearer {key}"},
                json=[],
            )

    for shown in (None, authority.issue_cert("south.example.org")):
        refused = announced(shown)
        assert refused.status_code == 401
        assert "no client certificate of 'north.example.org'" in refused.text
    # Known; what is wrong now is that it announces nothing.
    for named in (
        authority.issue_cert("north.example.org"),
        authority.issue_cert("other.example.org", common_name="north.example.org"),
    ):
        assert announced(named).status_code == 400
    with pytest.raises((httpx.TransportError, ssl.SSLError)):
        announced(trustme.CA().issue_cert("north.example.org"))  # signed by somebody else
