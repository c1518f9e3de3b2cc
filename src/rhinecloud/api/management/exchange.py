"""One request and its answer: parameters, bodies, problems (RFC 7807)."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from rhinecloud.model import BadRequestData

JSON = "application/json"
CSV = "text/csv"
PROBLEM = "application/problem+json"
ROOT = "/api/v1"
_T = TypeVar("_T")
_PAGE = 100
_LARGEST_PAGE = 1_000


class ApiError(Exception):
    """An answer that is no success, as problem details."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        problems: list[dict[str, str]] | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers
        self.members = {**members, **({"problems": problems} if problems else {})}

    def problem(self) -> dict[str, Any]:
        """The document to send."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }


class Answer(msgspec.Struct, frozen=True):
    """Status, JSON body (None for none) and headers."""

    status: int
    body: Any = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media_type: str = JSON


class Request:
    """A request whose body has been read. `actor` is who asks, for the audit."""

    __slots__ = ("_query", "actor", "arguments", "body", "headers", "method", "path", "remote")

    def __init__(
        self,
        method: str,
        path: str,
        arguments: dict[str, str],
        query: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        actor: str,
    ) -> None:
        self.method = method
        self.path = path
        self.arguments = arguments
        self.headers = headers
        self.body = body
        self.actor = actor
        self._query = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))

    # Parameters

    def text(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self._query.get(name, default)

    def optional(self, name: str) -> str | None:
        """A parameter of the query; None where it is not given or empty."""
        return self._query.get(name) or None

    def number(self, name: str, default: int | None, most: int = 2**62) -> int | None:
        """A whole number from 1 to `most`. Raises BadRequestData."""
        text = self._query.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 20 or not 1 <= int(text) <= most:
            raise BadRequestData(f"{name} is a whole number from 1 to {most}, not {text!r:.40}", field=name)
        return int(text)

    def limit(self) -> int:
        """Items a page: 100 unless asked otherwise, 1,000 at most."""
        return self.number("limit", _PAGE, _LARGEST_PAGE) or _PAGE

    def flag(self, name: str) -> bool:
        """Whether a parameter is true. Raises BadRequestData."""
        text = self._query.get(name, "false")
        if text not in ("true", "false"):
            raise BadRequestData(f"{name} is true or false, not {text!r:.40}", field=name)
        return text == "true"

    # The body

    def media_type(self) -> str:
        """Of the body, without parameters."""
        return self.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()

    def document(self, kind: type[_T]) -> _T:
        """The body as JSON of a kind. Raises ApiError 415, BadRequestData with the field."""
        if self.media_type() != JSON:
            raise ApiError(
                415, "Unsupported media type", f"the body is {self.media_type() or 'untyped'}, not {JSON}"
            )
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.ValidationError as error:
            text, _, place = str(error).partition(" - at `")
            raise BadRequestData(text, field=_pointer(place)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequestData(f"the body is not JSON: {error}") from None
        except RecursionError:
            raise BadRequestData("the body is nested too deeply") from None


def _pointer(place: str) -> str | None:
    """`$.publish[...]` of msgspec as a JSON pointer, as far as it tells."""
    path = place.rstrip("`").removeprefix("$").replace("[...]", "").replace("[", "/").replace("]", "")
    return path.replace(".", "/") or None


def page_of(items: list[Any], next_: Any, count: int | None = None) -> dict[str, Any]:
    """A part of a list, and what to ask for after it."""
    page: dict[str, Any] = {"items": items, "next": next_}
    if count is not None:
        page["count"] = count
    return page
