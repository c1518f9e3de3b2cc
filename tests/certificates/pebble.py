"""A real ACME authority: Let's Encrypt's pebble (Debian), with a name server for which every name is this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme

from rhinecloud.engines.postgresql import free_port


@dataclass(frozen=True)
class Pebble:
    """`directory` is what settings name, `ca` (a file) is to be trusted for it, `http_port` is where it asks."""

    directory: str
    ca: Path
    http_port: int
    management: str

    @property
    def root(self) -> str:
        """Certificate (PEM) of who signs what it issues."""
        trusting = ssl.create_default_context(cafile=str(self.ca))
        return httpx.get(f"{self.management}/roots/0", verify=trusting).text


@contextlib.contextmanager
def pebble(folder: Path, *, life: int, chaos: bool = True) -> Iterator[Pebble]:
    """One whose certificates are good for `life` seconds. It refuses good nonces now and then, as by default."""
    if shutil.which("pebble") is None:
        pytest.skip("ACME IS NOT TESTED HERE: pebble is not installed (apt install pebble)")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "pebble-ca.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "pebble.pem")
    issued.private_key_pem.write_to_path(folder / "pebble-key.pem")
    acme, management, http, tls, names, names_management = (free_port("127.0.0.1") for _ in range(6))
    configuration = {
        "pebble": {
            "listenAddress": f"127.0.0.1:{acme}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(folder / "pebble.pem"),
            "privateKey": str(folder / "pebble-key.pem"),
            "httpPort": http,
            "tlsPort": tls,
            "certificateValidityPeriod": life,
        }
    }
    (folder / "pebble.json").write_text(json.dumps(configuration))
    without = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]
    own = [f"127.0.0.1:{names}", "-management", f"127.0.0.1:{names_management}"]
    server = [
        "pebble-challtestsrv",
        *without[:6],
        "-dns01",
        *own,
        "-defaultIPv6",
        "",
        "-defaultIPv4",
        "127.0.0.1",
    ]
    environ = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "50" if chaos else "0"}
    with (
        (folder / "pebble.log").open("w") as log,
        subprocess.Popen(server, stdout=log, stderr=log) as name_server,
        subprocess.Popen(
            ["pebble", "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{names}"],
            stdout=log,
            stderr=log,
            env=environ,
        ) as program,
    ):
        try:
            for port in (acme, management):
                _await(port, folder / "pebble.log")
            yield Pebble(
                f"https://127.0.0.1:{acme}/dir",
                folder / "pebble-ca.pem",
                http,
                f"https://127.0.0.1:{management}",
            )
        finally:
            program.terminate()
            name_server.terminate()


def _await(port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
