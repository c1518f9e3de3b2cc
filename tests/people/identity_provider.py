"""A real OpenID provider (npm: oidc-provider, certified), kept in .cache/clients of the clone."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from rhinecloud.web import build
from tests.conftest import Serve, Server

_HERE = Path(__file__).parent / "oidc_provider"
_KEPT = Path(__file__).parents[2] / ".cache" / "clients" / "oidc-provider"
_PATIENCE = 300  # seconds for npm


def _folder() -> tuple[Path, list[str]]:
    """Where the provider is installed, and Node."""
    node, npm = build.find_node()
    wanted = hashlib.sha256((_HERE / "package.json").read_bytes()).hexdigest()
    _KEPT.parent.mkdir(parents=True, exist_ok=True)
    with (_KEPT.parent / "oidc-provider.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = _KEPT / "made-of"
        if not (stamp.exists() and stamp.read_text() == wanted):
            shutil.rmtree(_KEPT, ignore_errors=True)
            _KEPT.mkdir(parents=True)
            shutil.copy(_HERE / "package.json", _KEPT)
            done = subprocess.run(
                [*npm, "install", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=_KEPT,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
            )
            if done.returncode and any(
                word in done.stderr for word in ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT")
            ):
                pytest.skip(f"npm reaches no registry: {done.stderr.strip().splitlines()[-1]}")
            assert done.returncode == 0, done.stderr
            stamp.write_text(wanted)
        shutil.copy(_HERE / "provider.mjs", _KEPT)
    return _KEPT, node


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class IdentityProvider:
    """The provider at a port of this machine. `start` again means: with other keys, and nobody signed in."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.issuer = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, base: str) -> None:
        """Serve the clients that are led back to this address."""
        self.stop()
        folder, node = _folder()
        words = [*node, "provider.mjs", str(self.port), f"{base}/sign-in/oidc/callback", f"{base}/"]
        self._process = subprocess.Popen(
            words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{self.issuer}/.well-known/openid-configuration").raise_for_status()
                return
            except httpx.HTTPError:
                assert self._process.poll() is None and time.monotonic() < deadline, "no identity provider"
                time.sleep(0.05)

    def stop(self) -> None:
        """Be away."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    async def sign_in(self, client: httpx.AsyncClient, begin: str, who: str) -> httpx.Response:
        """As a person with a browser: from our page over the provider's forms; the answer of our page at last."""
        answer = await client.get(begin)
        for _ in range(12):
            if answer.is_redirect:
                target = answer.headers["location"]
                url = answer.url.join(target)
                if urlsplit(str(url)).path.endswith("/callback"):
                    return await client.get(url)
                answer = await client.get(url)
            else:
                assert answer.status_code == 200, answer.text
                prompt = "login" if 'value="login"' in answer.text else "consent"
                action = answer.text.partition('action="')[2].partition('"')[0]
                form = {"prompt": prompt, "login": who, "password": "any"}
                answer = await client.post(answer.url.join(action), data=form)
        raise AssertionError("the provider leads nowhere")


def trusting(serve: Serve, provider: IdentityProvider, *options: str) -> Server:
    """A server, by the name localhost, for which the provider, started with it, vouches for people."""
    server = serve(
        "--no-open",
        f"--oidc-issuer={provider.issuer}",
        "--oidc-client-id=city",
        "--oidc-client-secret=a secret of the tests",
        *options,
    )
    server.base_url = f"http://localhost:{urlsplit(server.base_url).port}"
    provider.start(server.base_url)
    return server
