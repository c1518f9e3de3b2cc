"""A web server that serves @contexts as nobody should: endless, deep, looping, dripping, no JSON at all."""

from __future__ import annotations

import contextlib
import gzip
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

KINDS: Final = (
    "good", "huge", "deep", "loop", "chain/1", "wide", "cycle", "wrong", "html", "empty", "gone", "moved", "around",
    "cut", "bomb", "drip", "silent",
)  # fmt: skip
SLOW: Final = ("drip", "silent")
"""Kinds that are only given up after a while."""

_FIXED: Final = {
    "good": b'{"@context": {"ex": "https://x.example/", "speed": "ex:speed"}}',
    "deep": b'{"@context": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "cycle": b'{"@context": {"a": "b:x", "b": "a:x"}}',
    "wrong": b'{"@context": {"a": 5, "@vocab": [], "b": {"@id": {}}, "@base": 7}}',
    "html": b"<!doctype html><title>Not found</title>",
    "empty": b"",
}


@cache
def _bomb() -> bytes:
    """A hundred megabytes in a hundred kilobytes."""
    return gzip.compress(b'{"@context": "' + b" " * 100_000_000, 1)


class Hostile:
    """Runs while it is entered. `url(kind)` is one of KINDS."""

    def __init__(self) -> None:
        self._end = threading.Event()

    def __enter__(self) -> Hostile:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, kind: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{kind}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hostile = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):  # whoever asked may have had enough
                    hostile._answer(self, self.path.strip("/"))

            def do_POST(self) -> None:
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Nobody reads it."""

        return Handler

    def _answer(self, to: BaseHTTPRequestHandler, kind: str) -> None:
        if kind in ("gone", "moved", "around"):
            to.send_response({"gone": 404, "moved": 301, "around": 302}[kind])
            if kind != "gone":
                to.send_header("Location", self.url("good" if kind == "moved" else "around"))
            to.send_header("Content-Length", "0")
            to.end_headers()
        elif kind in ("huge", "drip", "silent"):
            to.send_response(200)
            to.end_headers()
            to.wfile.write(b'{"@context": {')
            while not self._end.is_set():
                if kind == "huge":
                    to.wfile.write(b'"a": "https://x.example/a",' * 1_000)
                else:
                    to.wfile.write(b" " if kind == "drip" else b"")
                    self._end.wait(0.2)
        else:
            body = self._body(kind)
            to.send_response(200)
            to.send_header("Content-Type", "text/html" if kind == "html" else "application/ld+json")
            if kind == "bomb":
                to.send_header("Content-Encoding", "gzip")
            to.send_header("Content-Length", str(len(body) + (5 if kind == "cut" else 0)))
            to.end_headers()
            to.wfile.write(body)

    def _body(self, kind: str) -> bytes:
        if kind == "loop":
            return f'{{"@context": "{self.url("loop")}"}}'.encode()
        if kind.startswith("chain/"):
            return f'{{"@context": "{self.url(f"chain/{int(kind[6:]) + 1}")}"}}'.encode()
        if kind == "wide":
            links = ",".join(f'"{self.url(f"chain/{n}")}"' for n in range(1, 200))
            return f'{{"@context": [{links}]}}'.encode()
        if kind == "bomb":
            return _bomb()
        return _FIXED.get(kind, _FIXED["good"])
