"""HTTPS with certificate files, by two workers behind one port; a renewed certificate costs no connection."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from rhinecloud.web import build
from tests.conftest import Serve, Server
from tests.engines.test_backup import rhinecloud


def _trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def _issue(
    authority: trustme.CA,
    folder: Path,
    key_type: trustme.KeyType = trustme.KeyType.ECDSA,
    ends: datetime | None = None,
) -> None:
    issued = authority.issue_cert("127.0.0.1", key_type=key_type, not_after=ends)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "certificate.pem")


def _believes(server: Server, authority: trustme.CA) -> bool:
    """Whether someone who trusts this authority believes the server."""
    address = urlsplit(server.base_url)
    try:
        with (
            socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=5) as plain,
            _trust(authority).wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False


def _eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_https_and_its_renewal(serve: Serve, tmp_path: Path) -> None:
    first, second, third = trustme.CA(), trustme.CA(), trustme.CA()
    _issue(first, tmp_path)
    files = (f"--tls-cert={tmp_path / 'certificate.pem'}", f"--tls-key={tmp_path / 'key.pem'}")
    server = serve("--workers=2", *files)
    assert server.base_url.startswith("https://")
    with httpx.Client(base_url=server.base_url, verify=_trust(first)) as client:
        assert client.get("/ngsi-ld/v1/types").status_code == 200
        assert client.get("/health").status_code in (200, 503)  # 503 only where the pages were never built
    with pytest.raises(httpx.ConnectError), httpx.Client(base_url=server.base_url) as stranger:
        stranger.get("/health")

    address = urlsplit(server.base_url)
    held = http.client.HTTPSConnection(str(address.hostname), address.port, context=_trust(first), timeout=10)

    def asked_by_held() -> int:
        held.request("GET", "/ngsi-ld/v1/types")
        answer = held.getresponse()
        answer.read()
        return answer.status

    assert asked_by_held() == 200
    connection = held.sock

    _issue(
        second, tmp_path, trustme.KeyType.RSA
    )  # noticed by itself; another kind of key takes the whole place
    _eventually(lambda: asked_by_held() == 200 and all(_believes(server, second) for _ in range(8)))
    assert not _believes(server, first)
    assert asked_by_held() == 200

    (tmp_path / "key.pem").write_text("no key")
    server.process.send_signal(signal.SIGHUP)
    _eventually(lambda: asked_by_held() == 200 and "cannot be used" in server.output)
    assert _believes(server, second)

    _issue(third, tmp_path)
    server.process.send_signal(signal.SIGHUP)
    _eventually(lambda: asked_by_held() == 200 and all(_believes(server, third) for _ in range(8)))
    assert asked_by_held() == 200
    assert held.sock is connection, "the connection was lost"

    # One that ends soon is told of; one that is over as well, and it is shown all the same: whoever insists comes in.
    _issue(third, tmp_path, ends=datetime.now(UTC) + timedelta(days=6, hours=12))
    server.process.send_signal(signal.SIGHUP)
    _eventually(lambda: asked_by_held() == 200 and "ends in 6 days" in server.output)
    _issue(third, tmp_path, ends=datetime.now(UTC) - timedelta(hours=1))
    server.process.send_signal(signal.SIGHUP)
    _eventually(lambda: asked_by_held() == 200 and "has been over since" in server.output)
    _eventually(lambda: asked_by_held() == 200 and not _believes(server, third))
    page = httpx.get(server.base_url, verify=False, headers={"Accept-Language": "en"})
    assert (
        page.status_code == 503 or "The certificate is over" in page.text
    )  # 503 where the pages were never built
    assert held.sock is connection, "the connection was lost"
    held.close()


def test_where_no_passkey_can_be_made_it_is_told_before_somebody_tries(
    serve: Serve, tmp_path: Path, data_folder: Path
) -> None:
    build.build()
    authority = trustme.CA()
    _issue(authority, tmp_path)
    files = (f"--tls-cert={tmp_path / 'certificate.pem'}", f"--tls-key={tmp_path / 'key.pem'}")
    server = serve("--no-open", "--host=0.0.0.0", *files)
    _eventually(lambda: "NOBODY SIGNS IN FROM ELSEWHERE" in server.output)  # after the announcement
    assert "--public-url https://" in server.output
    here = f"https://127.0.0.1:{urlsplit(server.base_url).port}"
    with httpx.Client(base_url=here, verify=_trust(authority), headers={"Origin": here}) as client:
        assert "Passkeys do not work at this address" in client.get("/sign-in?lang=en").text
        answer = client.post("/sign-in/options", json={})
        assert answer.status_code == 409 and answer.json()["reason"] == "address"
    # Asked beforehand, `check` says the same; with a public address nothing is wrong.
    flags = ("--data", data_folder, "--port=0", "--mqtt-port=0", "--host=0.0.0.0", *files)
    assert "--public-url https://" in rhinecloud("check", *flags, code=1)
    assert "bound to city.example" in rhinecloud("check", *flags, "--public-url=https://city.example")
