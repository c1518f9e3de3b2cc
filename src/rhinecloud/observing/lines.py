"""Log lines: one an event, as text or as JSON, and nothing in them that says who somebody is or lets somebody in."""

from __future__ import annotations

import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

import msgspec

REQUEST: Final[ContextVar[str | None]] = ContextVar("request", default=None)
"""The id of the request that is being answered: the trace id of its traceparent, or one drawn by us."""

_HIDDEN = "…"
_SECRETS: Final = (
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{_HIDDEN}@"),  # user and password of an address
    (re.compile(r"(?<=[\w/])\?[^\s'\"]+"), f"?{_HIDDEN}"),  # a query: tokens, names, places
    (re.compile(r"[^\s<>@:;,'\"/]+(?=@[\w-]+(\.[\w-]+)+)"), _HIDDEN),  # a mailbox; its domain may be of use
    (re.compile(r"\brc_\w+"), f"rc_{_HIDDEN}"),  # API tokens
    (re.compile(r"\b(Bearer|Basic) [\w.~+/=-]{16,}"), rf"\1 {_HIDDEN}"),  # others' tokens
    # What is given under such a name: `password=…` of a database, `'secret': '…'` of a document.
    (
        re.compile(r"(?i)((?:password|passwd|secret|token)(?:=['\"]?|['\"]: ?['\"]))[^\s'\",;&)]+"),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"(?<=[/=])[A-Za-z0-9_-]{22,}(?![\w:.-])"), _HIDDEN),  # links and sessions: 128 bits and more
)
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


def harmless(text: str) -> str:
    """Without mailboxes, queries, passwords and secrets, and on one line."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text.translate(_CONTROL)


class _Harmless(logging.Formatter):
    """What both forms have in common: a traceback names what was called with which values, so it is as harmless as the
    message, line by line."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def formatException(self, ei: Any) -> str:  # noqa: N802 (logging calls it)
        return "\n".join(harmless(line) for line in super().formatException(ei).split("\n"))


class Text(_Harmless):
    """For people: time, level, process, logger, message; a traceback follows below."""

    def format(self, record: logging.LogRecord) -> str:
        request = REQUEST.get()
        line = (
            f"{_time(record)} {record.levelname} {self._process} {record.name}: {harmless(record.getMessage())}"
            + (f" [{request}]" if request else "")
        )
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class Json(_Harmless):
    """For machines: one object a line. `event` and its fields are there where the code gave them (`extra`)."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": harmless(record.getMessage()),
        }
        request = REQUEST.get()
        if request:
            line["request"] = request
        fields = getattr(record, "fields", None)
        if fields:
            line |= fields
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class Lines:
    """What a process says that does not log, in the same form. Call it with a text."""

    def __init__(self, form: str, process: str = "supervisor") -> None:
        self._json = form == "json"
        self._process = process

    def __call__(self, text: str) -> None:
        """One line, at once; in JSON an announcement of several lines is one as well."""
        if not self._json:
            print(text, flush=True)
            return
        words = harmless("; ".join(line.strip() for line in text.splitlines() if line.strip()))
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "level": "info", "process": self._process, "message": words}
        print(msgspec.json.encode(line).decode(), flush=True)


def set_up(process: str, level: str, form: str) -> None:
    """The form of what this process logs, to its standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Json(process) if form == "json" else Text(process))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("httpx", "uvicorn.error"):  # they tell of every call, and of what they were started with
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _ended


def _ended(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """What ends a process is told in the same form."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        logging.getLogger("rhinecloud").critical("ended by a failure", exc_info=(kind, error, traceback))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
