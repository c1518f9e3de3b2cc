"""Run by the interpreter of a library's own environment: `python steps.py MODULE URL`.

Each public function of the module is a step: it gets the broker's address and fails by an exception. For each a line
of JSON is printed: its name and what went wrong (null for nothing). Standard library only.
"""

import contextlib
import http.server
import importlib
import json
import queue
import sys
import threading
import traceback


@contextlib.contextmanager
def receiver():
    """An HTTP server on loopback for notifications: yields its address and a queue of the bodies that it got."""
    told = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            """Standard error is for what went wrong."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/told", told
    finally:
        server.shutdown()
        server.server_close()


def main(module, url):
    steps = vars(importlib.import_module(module))
    for name, step in list(steps.items()):
        if getattr(step, "__module__", None) == module and callable(step) and not name.startswith("_"):
            wrong = None
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    step(url)
            except Exception:
                wrong = traceback.format_exc()
            print(json.dumps({"step": name, "wrong": wrong}), flush=True)


if __name__ == "__main__":
    # As `__main__` this would be another module than the one that the steps import.
    sys.modules["steps"] = sys.modules["__main__"]
    main(*sys.argv[1:])
