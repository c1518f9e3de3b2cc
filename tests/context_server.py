"""A web server on loopback that serves @contexts and writes down what it is asked."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Web:
    """A web server of this machine: what it says by path, what it was asked, and a gate it may hold answers at."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                web.gate.wait(20)
                said = web.said.get(self.path)
                self.send_response(404 if said is None else 200)
                for name, value in web.headers.get(self.path, {}).items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(said if isinstance(said, bytes) else json.dumps(said).encode())

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def say(self, context: Any, **headers: str) -> str:
        """Serve a context from now on, and return its URL."""
        path = f"/{uuid.uuid4()}"
        self.said[path] = {"@context": context, "other": 1}
        self.headers[path] = headers
        return self.url + path

    def change(self, url: str, context: Any) -> None:
        self.said[url.removeprefix(self.url)] = None if context is None else {"@context": context}

    def times(self, url: str) -> int:
        return self.asked.count(url.removeprefix(self.url))

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
