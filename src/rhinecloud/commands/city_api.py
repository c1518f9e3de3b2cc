"""The management API of a running city, as commands speak to it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from rhinecloud.engines.account import EngineError

_PATIENCE = 60.0  # seconds for an answer


class ApiRefuses(EngineError):
    """The city cannot be reached or does not do what was asked; the message says why."""


def add_city(parser: argparse.ArgumentParser) -> None:
    """The options that say which city."""
    parser.add_argument(
        "--url", default="http://127.0.0.1:8080", metavar="URL", help="address of the city [%(default)s]"
    )
    parser.add_argument(
        "--token", default=None, metavar="TOKEN", help="access token [RHINECLOUD_TOKEN in the environment]"
    )
    parser.add_argument("--json", action="store_true", help="print the answers as JSON")


class CityApi:
    """Requests to one city; raises ApiRefuses in words."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._url = arguments.url.rstrip("/")
        token = arguments.token or os.environ.get("RHINECLOUD_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=f"{self._url}/api/v1", headers=headers, timeout=_PATIENCE)

    def __enter__(self) -> CityApi:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        *path: str,
        document: Any = None,
        content: bytes | None = None,
        media_type: str = "application/json",
        **parameters: Any,
    ) -> Any:
        """The answer's document, None where it has none. Parameters that are None are left out."""
        if document is not None:
            content = msgspec.json.encode(document)
        try:
            response = self._client.request(
                method,
                "/" + "/".join(quote(part, safe="") for part in path),
                content=content,
                headers={"Content-Type": media_type} if content is not None else {},
                params={name: value for name, value in parameters.items() if value is not None},
            )
        except httpx.HTTPError as error:
            raise ApiRefuses(f"{self._url} does not answer: {error}. --url says where the city is.") from None
        if response.is_success:
            return msgspec.json.decode(response.content) if response.content else None
        raise ApiRefuses(_words(response))


def _words(response: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        return f"The city answers {response.status_code}: {response.text[:300]}"
    lines = [f"{problem.get('title', response.status_code)}: {problem.get('detail', '')}"]
    if problem.get("field"):
        lines[0] += f" (at {problem['field']})"
    if problems := problem.get("problems"):
        lines = [f"{lines[0].partition(':')[0]}:"]
        lines += [f"  {one.get('field') or '/'}: {one.get('detail')}" for one in problems]
    return "\n".join(lines)


def read_input(name: str) -> bytes:
    """A file, or what is piped in where it is `-`. Raises ApiRefuses."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ApiRefuses(f"{name} cannot be read: {error.strerror or error}") from None


def read_document(name: str) -> Any:
    """A JSON document of a file or a pipe. Raises ApiRefuses."""
    try:
        return msgspec.json.decode(read_input(name))
    except msgspec.DecodeError as error:
        raise ApiRefuses(f"{name} is no JSON: {error}") from None


def show(document: Any) -> None:
    """A document as JSON for people and programs."""
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def show_table(rows: list[list[str]]) -> None:
    """Rows in columns, the first of them names."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
