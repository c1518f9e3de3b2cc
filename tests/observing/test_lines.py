"""What must not stand in a log does not, whatever a message says; and a line is a line."""

from __future__ import annotations

import logging
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.observing.lines import Json, Text, harmless


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("GET /first/k3Jx9-aQw_7LmZ0pTrY5vBnC 200", "GET /first/… 200"),
        ("GET /map?at=51.4,6.7&token=x 200", "GET /map?… 200"),
        ("nats://user:password@host:4222 is away", "nats://…@host:4222 is away"),
        ("<some.body@mail.example.org>: user unknown", "<…@mail.example.org>: user unknown"),
        ("Bearer rc_abcDEF123 refused", "Bearer rc_… refused"),
        ("Authorization: Bearer eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", "Authorization: Bearer …"),
        ("host=db user=city password=hunter2 dbname=city", "host=db user=city password=… dbname=city"),
        ("{'client_secret': 'hunter2', 'id': 'city'}", "{'client_secret': '…', 'id': 'city'}"),
        ("basic authentication, a token: is that so?", None),
        ("GET /ngsi-ld/v1/entities/urn:ngsi-ld:StreetLight:0815-4711-0001", None),
        ("the stream CHANGES is at 12: is that so?", None),
        ("worker 127.0.0.1:5432 refused", None),
        ("two\nlines\x1b[31m", "two\\x0alines\\x1b[31m"),
    ],
)
def test_harmless(said: str, logged: str | None) -> None:
    assert harmless(said) == (said if logged is None else logged)


@given(st.text())
def test_any_message_is_one_line_and_json(message: str) -> None:
    record = logging.LogRecord("rhinecloud.x", logging.WARNING, "x.py", 1, "%s", (message,), None)
    line = Json("worker-0").format(record)
    assert "\n" not in line and msgspec.json.decode(line)["level"] == "warning"
    assert "\n" not in Text("worker-0").format(record)


def test_a_failure_stays_one_object() -> None:
    try:
        raise ValueError("it broke")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "x.py", 1, "no", (), (ValueError, error, error.__traceback__)
        )
    line = Json("worker-0").format(record)
    assert "\n" not in line and "it broke" in msgspec.json.decode(line)["error"]


def _failed() -> logging.LogRecord:
    url = "postgresql://city:hunter2@db.example.org/city?sslpassword=hunter3"
    try:
        try:
            raise ConnectionError(f"{url} is away\nfor some.body@example.org with rc_abcDEF123")
        except ConnectionError as error:
            raise KeyError("/first/k3Jx9-aQw_7LmZ0pTrY5vBnC") from error
    except KeyError as error:
        return logging.LogRecord(
            "x", logging.ERROR, "x.py", 1, "no", (), (KeyError, error, error.__traceback__)
        )


@pytest.mark.parametrize("form", [Text, Json])
def test_tracebacks_are_as_harmless_as_messages(form: type[Text] | type[Json]) -> None:
    told = form("worker-0").format(_failed())
    for secret in ("hunter2", "hunter3", "some.body", "abcDEF123", "k3Jx9"):
        assert secret not in told
    if form is Json:
        told = msgspec.json.decode(told)["error"]
    assert "db.example.org" in told and "test_lines.py" in told  # what it is good for stays
    assert told.count("\n") > 5


def test_what_ends_a_process_is_told_in_the_same_form() -> None:
    program = (
        "from rhinecloud.observing.lines import set_up\n"
        "set_up('worker-0', 'info', 'json')\n"
        "raise ConnectionError('postgresql://city:hunter2@db.example.org/city')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    line = msgspec.json.decode(ended.stderr)
    assert ended.returncode == 1 and line["level"] == "critical"
    assert "db.example.org" in line["error"] and "hunter2" not in ended.stderr
