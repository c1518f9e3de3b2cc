"""A city that gets its certificate by itself, from a real authority, and renews it while it serves."""

from __future__ import annotations

import contextlib
import http.client
import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from rhinecloud.certificates import Expiry, Folder
from tests.conftest import Serve

from .pebble import pebble

NAME = "city.example.org"


def eventually(condition: Callable[[], bool], told: Callable[[], str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


def test_certificates_are_got_kept_and_renewed(serve: Serve, tmp_path: Path) -> None:
    life = 15  # seconds
    with pebble(tmp_path, life=life) as authority:
        # As if the authority's questions did not arrive: it asks at another port than we listen on.
        flags = [
            f"--acme-domain={NAME}",
            f"--acme-directory={authority.directory}",
            "--acme-email=it@example.org",
        ]
        trusted = {"REQUESTS_CA_BUNDLE": str(authority.ca)}
        lost = serve(*flags, "--acme-port=0", environ=trusted)
        folder = Folder(lost.data)
        eventually(lambda: "No certificate was issued" in lost.output, lambda: lost.output)
        assert folder.is_placeholder(Expiry.of_file(folder.chain))
        assert folder.state.failures == 1 and NAME in str(folder.state.problem)
        part = httpx.get(f"{lost.base_url}/health", verify=False)
        assert "could not convince itself" in part.text or part.status_code == 503
        assert lost.stop() == 0

        server = serve(*flags, f"--acme-port={authority.http_port}", environ=trusted, data=lost.data)
        # The pause after a failure outlasts a start; who has put things right says so.
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: not folder.is_placeholder(Expiry.of_file(folder.chain)), lambda: server.output)
        assert Expiry.of_file(folder.chain).names == (NAME,)
        assert folder.state.problem is None
        assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}
        assert folder.path.stat().st_mode & 0o777 == 0o700

        address = urlsplit(server.base_url)
        trusting = ssl.create_default_context(cadata=authority.root)
        trusting.check_hostname = False  # it names the city, and is reached by a number

        def connect() -> http.client.HTTPSConnection:
            connection = http.client.HTTPSConnection(
                str(address.hostname), address.port, context=trusting, timeout=5
            )
            connection.connect()
            return connection

        def shown() -> str | None:
            """Serial number of the certificate that a new connection is shown; None if it is not to be believed."""
            try:
                with contextlib.closing(connect()) as connection:
                    return str(connection.sock.getpeercert()["serialNumber"])
            except ssl.SSLCertVerificationError:
                return None

        eventually(lambda: shown() is not None, lambda: server.output)
        first = shown()
        held = connect()
        kept = held.sock

        def renewed() -> bool:
            held.request("GET", "/ngsi-ld/v1/types")
            held.getresponse().read()
            return shown() not in (None, first)

        eventually(renewed, lambda: server.output)
        assert held.sock is kept, "the renewal cost a connection"
        held.close()

        plain = httpx.get(
            f"http://127.0.0.1:{authority.http_port}/map?at=51.4,6.7",
            headers={"Host": "elsewhere.example.com"},
        )
        assert plain.status_code == 308
        assert plain.headers["location"] == f"https://{NAME}:{address.port}/map?at=51.4,6.7"
        assert server.stop() == 0
