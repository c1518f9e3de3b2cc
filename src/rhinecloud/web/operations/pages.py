"""What the pages of operations share: paging, where a form leads, ids from addresses."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

PAGE = 25
_MOST_OFFSET = 1_000_000


class Paging(msgspec.Struct, frozen=True):
    """A part of a list: `first` to `last` of `total`, and the addresses of the parts beside it."""

    first: int
    last: int
    total: int
    page: int
    pages: int
    before: str | None
    after: str | None


def whole(text: str | None, most: int = _MOST_OFFSET) -> int:
    """A whole number from an address; 0 for anything else."""
    return min(int(text), most) if text and text.isascii() and text.isdigit() and len(text) < 20 else 0


def paging(path: str, offset: int, shown: int, total: int, size: int = PAGE, **kept: str) -> Paging:
    """Where a list stands that shows so many entries from `offset` on; `kept` stays in the addresses."""

    def link(at: int) -> str:
        given = {name: value for name, value in {**kept, "offset": str(at) if at else ""}.items() if value}
        return f"{path}?{urlencode(given)}" if given else path

    return Paging(
        first=offset + 1 if shown else 0,
        last=offset + shown,
        total=total,
        page=offset // size + 1,
        pages=max(1, -(-total // size)),
        before=link(max(0, offset - size)) if offset else None,
        after=link(offset + size) if offset + size < total else None,
    )


def segment(text: str) -> str:
    """An id as one part of an address."""
    return quote(text, safe=":")


def to(path: str, **query: str) -> RedirectResponse:
    """Go on to a page: a reload there repeats nothing."""
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)


def printable(request: Request, name: str = "id") -> str:
    """A part of the address that may be an id. Raises HTTPException 404: PostgreSQL takes no text with a NUL."""
    text = str(request.path_params[name])
    if not text.isprintable():
        raise HTTPException(404)
    return text


def done(request: Request) -> str:
    """What was just done, as the address says it."""
    return request.query_params.get("done", "")


def number(request: Request, name: str = "number") -> int:
    """A number in the address. Raises HTTPException 404."""
    text = str(request.path_params[name])
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise HTTPException(404)
    return int(text)


def form_number(text: str | None) -> int:
    """A number from a form. Raises HTTPException 400."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise HTTPException(400)
    return int(text)
