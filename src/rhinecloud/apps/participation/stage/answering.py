"""How a phone wants to be answered: with a page, or by JSON that its script reads."""

from __future__ import annotations

from starlette.requests import Request

from rhinecloud.app import Text
from rhinecloud.web.language import choose


def wants_json(request: Request) -> bool:
    """Whether phone.js asks."""
    return "application/json" in request.headers.get("accept", "")


def in_language(request: Request, text: Text) -> str:
    """A text in the language of who asks."""
    return text[0] if choose(request) == "de" else text[1]
